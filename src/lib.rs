//! sentinel: a process supervisor for hosts that run live market data.
pub mod api;
pub mod exit;
pub mod paths;
pub mod ports;
pub mod process;
pub mod service;
