//! sentinel: a process supervisor for hosts that run live market data.

pub mod api;
pub mod config;
pub mod exit;
pub mod logs;
pub mod paths;
pub mod ports;
pub mod probe;
pub mod process;
pub mod service;
pub mod supervisor;
