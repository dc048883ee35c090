//! The keys that say as whom a service runs, how much it may use, and how it proves that it is alive.

use std::time::Duration;

use super::{ANY, Key, Section, Wants, key};

/// `user`.
pub(super) const USER: Key = key(
            "user",
            Wants::Text,
            "The user it runs as, by name or number (sentinel must be root): HOME, USER, LOGNAME and SHELL are set, and all groups of the user.",
        )
        .elsewhere(&["uid", "run_as", "setuid"]);

/// `group`.
pub(super) const GROUP: Key = key(
    "group",
    Wants::Text,
    "The group it runs as, if not the user's own.",
)
.elsewhere(&["gid", "setgid"]);

/// `umask`.
pub(super) const UMASK: Key = key("umask", Wants::Mask, "The mask of the files it makes, in octal digits. Left out: 022, or that of the caller of `sentinel run`.")
            .elsewhere(&["file_mask"]);

/// `nice`.
pub(super) const NICE: Key = key(
    "nice",
    Wants::Integer(-20, 19),
    "Its niceness: 19 runs last, -20 first.",
)
.elsewhere(&["priority_nice", "niceness"]);

/// `limits`.
pub(super) const LIMITS: Key = key(
    "limits",
    Wants::Table(&LIMIT_KEYS),
    "Resource limits of each of its processes (setrlimit), soft and hard.",
)
.elsewhere(&["rlimits", "ulimit", "ulimits", "rlimit"]);

/// `oom_score_adjust`.
pub(super) const OOM_SCORE_ADJUST: Key = key(
    "oom_score_adjust",
    Wants::Integer(-1000, 1000),
    "Who dies when memory runs out: 1000 first, -1000 never.",
)
.elsewhere(&["oom_score_adj", "oom_adjust"]);

/// `no_new_privs`.
pub(super) const NO_NEW_PRIVS: Key = key(
    "no_new_privs",
    Wants::Flag,
    "Set-user-id programs and file capabilities give it nothing.",
)
.default("false")
.elsewhere(&["no_new_privileges"]);

/// `memory_max`.
pub(super) const MEMORY_MAX: Key = key(
    "memory_max",
    Wants::Size,
    "It is restarted when its processes' memory (PSS, summed) stays over this for `memory_max_for`.",
)
.elsewhere(&["max_memory", "max_memory_restart", "memory_limit"]);

/// `memory_max_for`.
pub(super) const MEMORY_MAX_FOR: Key =
    key("memory_max_for", ANY, "How long it may stay over `memory_max`.").default("30s");

/// `watchdog`.
pub(super) const WATCHDOG: Key = key(
            "watchdog",
            Wants::Duration(Duration::from_millis(10)),
            "While it is ready it must say WATCHDOG=1 on $NOTIFY_SOCKET at least this often, or it is sent SIGABRT and restarted.",
        )
        .elsewhere(&["watchdog_sec", "heartbeat", "watchdog_usec"]);

/// `limits` of a service.
pub const LIMIT_KEYS: Section = Section {
    name: "limits",
    keys: &[
        key("open_files", Wants::Limit, "Open descriptors (RLIMIT_NOFILE).")
            .elsewhere(&["nofile", "minfds", "fds"]),
        key(
            "memory",
            Wants::Limit,
            "Address space of each process, in bytes (RLIMIT_AS): beyond it malloc fails.",
        )
        .elsewhere(&["as", "address_space"]),
        key(
            "processes",
            Wants::Limit,
            "Processes and threads of its user, other services of that user included (RLIMIT_NPROC).",
        )
        .elsewhere(&["nproc", "minprocs", "threads"]),
        key("core", Wants::Limit, "Bytes of a core dump (RLIMIT_CORE).").elsewhere(&["core_size"]),
    ],
};
