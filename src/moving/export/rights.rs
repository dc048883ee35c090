//! As whom a service runs and how much it may use, in the words of each target; and what a target has no words for.

use std::fmt::Write as _;

use crate::service::{Limit, Spec};

/// What a target says itself, by our names; the rest is told in comments.
pub const SAID_BY_SUPERVISORD: [&str; 5] = ["autostart", "user", "umask", "group", "success_exit"];
/// Those that compose says.
pub const SAID_BY_COMPOSE: [&str; 5] = [
    "autostart",
    "limits",
    "oom_score_adjust",
    "no_new_privs",
    "memory_max",
];
/// What launchd, Kubernetes and Nomad say.
pub const SAID_BY_OTHERS: [&str; 1] = ["autostart"];
/// Those that a unit says.
pub const SAID_BY_SYSTEMD: [&str; 13] = [
    "autostart",
    "user",
    "unix_group",
    "umask",
    "nice",
    "limits",
    "oom_score_adjust",
    "no_new_privs",
    "memory_max",
    "watchdog",
    "sockets",
    "success_exit",
    "fatal_exit",
];

/// The lines of a unit's `[Service]`.
pub fn systemd(spec: &Spec) -> String {
    let (rights, mut text) = (&spec.rights, String::new());
    let mut line = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(text, "{key}={}", value.replace('%', "%%"));
        }
    };
    line("User", rights.user.clone());
    line("Group", rights.group.clone());
    line("UMask", rights.umask.map(|mask| format!("{mask:04o}")));
    line("Nice", rights.nice.map(|nice| nice.to_string()));
    for (name, limit) in rights.limits.set() {
        line(rlimit(name).0, Some(number(limit, "infinity")));
    }
    line("OOMScoreAdjust", rights.oom_score_adjust.map(|by| by.to_string()));
    line("MemoryMax", spec.memory_max.map(|most| most.bytes.to_string()));
    line("NoNewPrivileges", rights.no_new_privs.then(|| "yes".to_owned()));
    line(
        "WatchdogSec",
        spec.watchdog.map(|time| format!("{}ms", time.as_millis())),
    );
    text
}

/// The lines of a `[program:x]`.
pub fn supervisord(spec: &Spec) -> String {
    let user = spec.rights.user.iter().map(|user| format!("user={user}\n"));
    let umask = spec.rights.umask.iter().map(|mask| format!("umask={mask:03o}\n"));
    user.chain(umask).collect()
}

/// The lines of a service of compose.
pub fn compose(spec: &Spec) -> String {
    let (rights, mut text) = (&spec.rights, String::new());
    let limits = rights.limits.set();
    let limits: Vec<String> = limits
        .map(|(name, limit)| format!("{}: {}", rlimit(name).1, number(limit, "-1")))
        .collect();
    if !limits.is_empty() {
        let _ = writeln!(text, "    ulimits: {{{}}}", limits.join(", "));
    }
    if let Some(by) = rights.oom_score_adjust {
        let _ = writeln!(text, "    oom_score_adj: {by}");
    }
    if let Some(most) = spec.memory_max {
        let _ = writeln!(text, "    mem_limit: {}", most.bytes);
    }
    if rights.no_new_privs {
        text.push_str("    security_opt: [\"no-new-privileges:true\"]\n");
    }
    text
}

/// What is set and not among what the target says: for comments.
pub fn unsaid(spec: &Spec, said: &[&str]) -> Vec<String> {
    let rights = &spec.rights;
    let limits: Vec<&str> = rights.limits.set().map(|(name, _)| name).collect();
    let all = [
        ("autostart", (!spec.autostart).then(|| "false".to_owned())),
        ("user", rights.user.clone()),
        ("unix_group", rights.group.clone()),
        ("umask", rights.umask.map(|mask| format!("{mask:03o}"))),
        ("nice", rights.nice.map(|nice| nice.to_string())),
        ("limits", (!limits.is_empty()).then(|| limits.join(", "))),
        (
            "oom_score_adjust",
            rights.oom_score_adjust.map(|by| by.to_string()),
        ),
        ("no_new_privs", rights.no_new_privs.then(|| "true".to_owned())),
        (
            "memory_max",
            spec.memory_max.map(|most| format!("{} bytes", most.bytes)),
        ),
        (
            "watchdog",
            spec.watchdog.map(|time| format!("{} ms", time.as_millis())),
        ),
        (
            "sockets",
            some(&spec.sockets).map(|addresses| {
                format!("{addresses}: sentinel listens there for it, so that clients wait while it restarts")
            }),
        ),
        ("group", spec.group.clone()),
        ("watch", some(&spec.watch)),
        ("success_exit", some(spec.recovery.success_exit.iter().flatten())),
        (
            "fatal_exit",
            some(&spec.recovery.fatal_exit).filter(|exits| exits != "exit code 78"),
        ),
    ];
    let unsaid = all.into_iter().filter(|(name, _)| !said.contains(name));
    unsaid
        .filter_map(|(name, value)| Some(format!("{name}: {}", value?)))
        .collect()
}

/// A list as text, if there is something in it.
fn some<T: ToString>(list: impl IntoIterator<Item = T>) -> Option<String> {
    let words: Vec<String> = list.into_iter().map(|one| one.to_string()).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// systemd's and compose's names of a limit.
fn rlimit(name: &str) -> (&'static str, &'static str) {
    match name {
        "open_files" => ("LimitNOFILE", "nofile"),
        "processes" => ("LimitNPROC", "nproc"),
        "core" => ("LimitCORE", "core"),
        _ => ("LimitAS", "as"),
    }
}

fn number(limit: Limit, unlimited: &str) -> String {
    match limit {
        Limit::At(number) => number.to_string(),
        Limit::Unlimited => unlimited.to_owned(),
    }
}
