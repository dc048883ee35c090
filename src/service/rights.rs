//! As whom a service runs, and how much it may use.

use std::time::Duration;

/// As whom, with which limits; what is left out stays as sentinel has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// The user, by name or number.
    pub user: Option<String>,
    /// The group, by name or number. Default: the user's own.
    pub group: Option<String>,
    /// The file mode creation mask, 0 to 0o777.
    pub umask: Option<u32>,
    /// Niceness, -20 (first) to 19 (last).
    pub nice: Option<i32>,
    /// Resource limits (setrlimit(2)), each both soft and hard.
    pub limits: Limits,
    /// Added to the kernel's badness when memory runs out, -1000 (never) to 1000 (first).
    pub oom_score_adjust: Option<i32>,
    /// Set-user-id programs and file capabilities give it nothing (prctl(2), PR_SET_NO_NEW_PRIVS).
    pub no_new_privs: bool,
}

/// Resource limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Descriptors (RLIMIT_NOFILE).
    pub open_files: Option<Limit>,
    /// Address space in bytes (RLIMIT_AS), of each process.
    pub memory: Option<Limit>,
    /// Processes and threads of the user (RLIMIT_NPROC).
    pub processes: Option<Limit>,
    /// Size of a core dump in bytes (RLIMIT_CORE).
    pub core: Option<Limit>,
}

/// One limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So much and no more.
    At(u64),
    /// None (RLIM_INFINITY).
    Unlimited,
}

/// How much memory a run's processes may use together, and for how long more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryMax {
    /// In bytes, as the proportional share of each process (PSS) summed up.
    pub bytes: u64,
    /// It is restarted once it stayed over that for so long.
    pub lasting: Duration,
}

impl Limit {
    /// The number that setrlimit(2) takes.
    #[must_use]
    pub fn number(self) -> u64 {
        match self {
            Limit::At(number) => number,
            Limit::Unlimited => u64::MAX,
        }
    }
}

impl Limits {
    /// Those that are set, with the names of their keys.
    pub fn set(&self) -> impl Iterator<Item = (&'static str, Limit)> {
        [
            ("open_files", self.open_files),
            ("memory", self.memory),
            ("processes", self.processes),
            ("core", self.core),
        ]
        .into_iter()
        .filter_map(|(name, limit)| Some((name, limit?)))
    }
}
