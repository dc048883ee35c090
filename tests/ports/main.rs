//! Ports, with real sockets and real processes: who holds them, and who dies when they are flushed.

mod flush;
mod holder;
mod looks;
mod whose;
