//! sentinel: a process supervisor for hosts that run live market data.
pub mod config;
pub mod exit;
pub mod paths;
pub mod service;
