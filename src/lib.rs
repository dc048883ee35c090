//! sentinel: a process supervisor for hosts that run live market data.
pub mod exit;
pub mod logs;
pub mod paths;
pub mod probe;
pub mod service;
