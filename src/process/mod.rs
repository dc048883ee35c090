//! The only door to the kernel for processes: who lives, who is whose, and signals that cannot miss.
//!
//! A pid alone names nothing: the kernel gives it to another process once its owner is reaped. So
//! everything here speaks of an [`Identity`] (pid and start time), and every signal goes through a
//! [`Handle`], a pidfd that was proven to be that identity.
//!
//! "Gone" and "could not look" are two different answers. Whoever must prove that nothing is left
//! behind needs the difference, so a process that vanished is `None` and a failed look (descriptors
//! exhausted, no /proc) is an error.

mod account;
pub mod activate;
mod allowance;
mod cgroup;
mod children;
mod command;
mod consumption;
mod container;
mod descent;
pub mod descriptors;
pub mod detach;
mod ended;
mod fetch;
mod handle;
mod hush;
mod identity;
mod lineage;
mod mark;
mod marked;
mod procfs;
mod reap;
mod replace;
mod spawn;
mod stage;
mod table;
mod trim;
mod vfork;
mod weigh;

pub use account::{Account, Refused, user_name};
pub use allowance::{as_account, refusals};
pub use cgroup::{Cgroup, Nursery, is_told_to_divide};
pub use children::own_children;
pub use command::command;
pub use consumption::{Consumption, consumption};
pub use container::carries_container;
pub use descent::{descendants, process};
pub use fetch::fetch_socket;
pub use handle::Handle;
pub use hush::Hush;
pub use identity::{Identity, boot_id};
pub use lineage::lineage;
pub use mark::{MARK, Mark, mark, variable};
pub use marked::{Marked, marked};
pub(crate) use procfs::{folder, numbers, read_lines, vanished};
pub use reap::{adopt_orphans, reap};
pub use replace::{become_program, hear_again, hold_signals};
pub use spawn::{Held, Launch, equip, held, spawn};
pub use table::{Process, Table};
pub use trim::trim;
pub use weigh::weigh;
