//! Who is at the other end of the socket, as far as the kernel vouches for it.

use std::fmt;

use crate::api::Cause;
use crate::process::{self, Process};

/// Programs whose descendants nobody sits at.
const UNATTENDED: [&str; 5] = ["cron", "crond", "CRON", "anacron", "atd"];

/// A caller's credentials (SO_PEERCRED).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Effective uid at connect(2).
    pub uid: u32,
    /// 0 when it is from another pid namespace.
    pub pid: i32,
}

impl Peer {
    /// This process itself.
    #[must_use]
    pub fn own() -> Self {
        Self {
            uid: nix::unistd::geteuid().as_raw(),
            pid: std::process::id().cast_signed(),
        }
    }

    /// The cause of what they ask for with this command.
    #[must_use]
    pub fn asks(self, command: &str) -> Cause {
        let user = nix::unistd::User::from_uid(self.uid.into()).ok().flatten();
        Cause::Operator {
            uid: self.uid,
            name: user.map(|user| user.name),
            command: Some(command.to_owned()),
            via: self.via(),
        }
    }

    /// The cron daemon that is behind it, if one is.
    fn via(self) -> Option<String> {
        let line = process::lineage(self.pid).ok()?;
        let unattended = |process: &Process| UNATTENDED.contains(&process.comm.as_str());
        line.iter().skip(1).any(unattended).then(|| "cron".to_owned())
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid {}, pid {}", self.uid, self.pid)
    }
}
