//! sentinel: a process supervisor for hosts that run live market data.
//!
//! One person, one host, one services.toml. `sentinel restart` takes everything down, frees the assigned
//! ports, brings everything up in order and verifies it; the exit code is the truth about that.
//!
//! ```text
//!       argv                                                    kernel
//!         |                                                        |
//!      client ==== HTTP/JSON over a Unix socket ==== daemon::server +- pidfds, signals, pipes
//!  (asks, looks, renders)                                 \        /
//!                                                         mailbox (one)
//!                                                             |
//!      services.toml -> config -> service::Spec               v
//!                                       \         daemon::driver: the only loop
//!                                        v            |  ^
//!                                   supervisor  <-----'  '--- effects, probes
//!                                   PURE: handle(now, input) -> actions; next_deadline(); snapshot()
//! ```
//!
//! # Layers, from those who know nobody to those who know many
//! - [`service`] is the vocabulary: names, specs, runs. [`exit`] and [`paths`] are numbers and places.
//! - [`supervisor`] decides everything and does nothing: no clock, no I/O, no async.
//! - [`config`] turns services.toml into specs, or tells every mistake. [`api`] is what crosses the socket.
//! - [`process`] is the only door to the kernel for processes; [`ports`] knows who listens where and who may
//!   be asked to leave; [`probe`] asks one service one question; [`logs`] is a file format and its readers;
//!   [`lock`] says who is at it; [`redact`] keeps secrets out of all that is said.
//! - [`daemon`] is the shell around the supervisor. [`client`] is what a person sees; the two meet only in
//!   [`api`], at the socket. [`cli`] is the command line as a value.
//!
//! `tests/architecture` holds who may import whom, as a table.
//!
//! # Invariants
//! - All decisions are made in pure values, by time and facts that they are given ([`supervisor`] lists its
//!   laws; `ports::judge` decides about flushing; `verdict` about exit codes).
//! - Two runs of a service never overlap: a new one starts when the old process tree is proven gone.
//! - A process is signalled through a pidfd that was proven to be it, never by a bare pid, never by name.
//! - One mailbox, one loop, one thread in the daemon. Nothing polls: while nothing happens, nothing wakes.
//! - Whoever asks may leave: a request goes on without its client, and its result is logged.
//! - unsafe code is a few lines in `process` and `descriptor`; `tests/architecture` names the files.
//!
//! # Where to start
//! The promises are the README. The machine is `supervisor/mod.rs`, then its stories in `supervisor/test/`.
//! What happens to an order: `client/command/`, `daemon/server.rs`, `daemon/driver.rs`, `daemon/effects.rs`.
//! A new key of services.toml begins in `config/keys.rs`, a new field of `status --json` in `api/status.rs`.

pub mod alerts;
pub mod api;
pub mod cli;
pub mod client;
pub mod config;
pub mod daemon;
pub mod deliver;
pub mod descriptor;
pub mod diary;
pub mod exit;
pub mod ledger;
pub mod lock;
pub mod logs;
pub mod moving;
pub mod paths;
pub mod ports;
pub mod probe;
pub mod process;
pub mod redact;
pub mod schedule;
pub mod selector;
pub mod service;
pub mod supervisor;
pub mod systemd;
pub mod verdict;
