//! End to end: the real binary, real workers, real signals and sockets, each test in a house of its own.

mod access;
mod adoption;
mod alerts;
mod cli;
mod emergency;
mod events;
mod fleet;
mod house;
mod logs;
mod logs_trouble;
mod metrics;
mod notify;
mod pid_one;
mod policy;
mod reload;
mod restart;
mod rights;
mod secrets;
mod sockets;
mod stream;
mod supervisor;
mod survivors;
mod systemd;
mod top;
mod trouble;
mod upgrade;
