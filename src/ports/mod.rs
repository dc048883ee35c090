//! Who listens where, whose it is, and how a port is freed without hitting anybody else.
//!
//! ```text
//! listen    sock_diag or /proc/net/tcp: sockets that listen -.
//! holders   /proc/PID/fd: every process that has them      -+-> Listener
//! ownership marks and parent links: ours, left over, not ours
//! judge     PURE: what may be done about each holder, or the sentence why not
//! flush     does it: SIGTERM, grace, SIGKILL by pidfd, then proves the port free by binding it
//! ```
//!
//! What others got wrong (zinit's `kill_others`, `lsof -ti :PORT | xargs kill -9`): they match sockets
//! in any state, so they kill the clients of a port; they match ports and not inodes, so they kill
//! bystanders; they signal pids, so they kill successors; they take "I may not look" for "free". Here a
//! client is never seen at all, since only listening rows are read, and who cannot be seen is a holder
//! that nobody may touch.

mod end;
mod flush;
mod forwarder;
mod holders;
mod judge;
mod listen;
mod net_tcp;
mod ownership;
mod prove;
mod report;
mod sock_diag;
mod state;

pub use flush::Flush;
pub use judge::{Caller, PlannedHolder, PortPlan, Rules, Verdict, judge};
pub use listen::{Holder, Listener, held_by, is_listening, listeners, listening_among};
pub use ownership::{Keeper, LiveRun, Ownership, ownership};
pub use prove::prove_free;
pub use report::{HolderReport, Kind, Outcome, PortReport};
pub use state::port_state;
