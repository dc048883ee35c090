//! sentinel: a process supervisor for hosts that run live market data.

pub mod api;
pub mod cli;
pub mod client;
pub mod config;
pub mod daemon;
pub mod descriptor;
pub mod exit;
pub mod lock;
pub mod logs;
pub mod moving;
pub mod paths;
pub mod ports;
pub mod probe;
pub mod process;
pub mod service;
pub mod supervisor;
