//! sentinel: a process supervisor for hosts that run live market data.
