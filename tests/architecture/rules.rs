//! The rules as data: each row with its reason.

/// What a module of sentinel may import, besides itself and other crates.
pub struct Row {
    /// A folder or file of `src/`.
    pub name: &'static str,
    pub may_import: &'static [&'static str],
    pub because: &'static str,
}

const fn row(name: &'static str, may_import: &'static [&'static str], because: &'static str) -> Row {
    Row {
        name,
        may_import,
        because,
    }
}

/// Who may import whom: from the vocabulary, which knows nobody, to main, which knows all.
pub const LAYERS: &[Row] = &[
    row("service", &[], "the vocabulary that all others share"),
    row("selector", &[], "a word means services wherever it is read"),
    row("schedule", &[], "what is due when is a function of the time"),
    row(
        "diary",
        &["schedule", "api", "paths", "lock"],
        "what schedules did outlives whoever ran them",
    ),
    row("exit", &["api"], "numbers that scripts rely on"),
    row("paths", &[], "where things lie follows from one path"),
    row("descriptor", &[], "one wrapped system call"),
    row(
        "redact",
        &[],
        "what may not be said; every exit of a process asks it",
    ),
    row("supervisor", &["service"], "it decides and never acts"),
    row("api", &["service"], "what crosses the socket, and nothing else"),
    row(
        "alerts",
        &["api"],
        "what is worth waking somebody for; it decides and delivers nothing",
    ),
    row(
        "deliver",
        &["alerts", "exit", "process"],
        "one message to one target, in a process of its own; the only TLS",
    ),
    row(
        "config",
        &[
            "service", "paths", "alerts", "process", "redact", "selector", "schedule",
        ],
        "a file becomes specs; it knows nobody who uses them, and asks the kernel only whether they could start",
    ),
    row("probe", &["service"], "asks one service, judges one answer"),
    row(
        "process",
        &["service", "descriptor"],
        "the only door to the kernel for processes",
    ),
    row(
        "logs",
        &["service"],
        "a file format and its readers; no supervisor needed",
    ),
    row(
        "ledger",
        &["api", "logs", "redact", "service"],
        "what happened, on disk; written by the daemon, read with or without it",
    ),
    row("lock", &["process"], "a lock names its holder"),
    row(
        "systemd",
        &["lock", "paths"],
        "which unit runs a house, and its text; it knows no client and no daemon",
    ),
    row(
        "ports",
        &["process", "api", "service"],
        "who listens where, and the rules of flushing",
    ),
    row(
        "moving",
        &["config", "service", "redact"],
        "other supervisors' files to ours and back; text in, text out",
    ),
    row(
        "cli",
        &["api", "service", "moving", "schedule"],
        "words become values",
    ),
    row(
        "daemon",
        &[
            "supervisor",
            "api",
            "config",
            "service",
            "paths",
            "probe",
            "ports",
            "process",
            "logs",
            "ledger",
            "alerts",
            "deliver",
            "lock",
            "descriptor",
            "exit",
            "selector",
            "schedule",
            "diary",
            "redact",
            "systemd",
            "verdict",
        ],
        "the shell around the supervisor; it knows no client",
    ),
    row("verdict", &["api", "exit"], "what a status means"),
    row(
        "client",
        &[
            "cli", "api", "config", "service", "paths", "probe", "ports", "process", "logs", "ledger",
            "lock", "exit", "alerts", "deliver", "moving", "redact", "selector", "schedule", "diary",
            "systemd", "verdict",
        ],
        "asks over the socket like anybody; never supervisor or daemon",
    ),
    row(
        "main",
        &["cli", "api", "client", "daemon", "deliver", "exit", "redact"],
        "parse, dispatch, exit code",
    ),
];

/// The members of the workspace that sentinel supervises, or that they are made of.
pub const MEMBERS: &[&str] = &[
    "alpaca",
    "browser_proxy",
    "chaos",
    "market_calendar",
    "market_sim",
    "stream_protocol",
    "trade_stream",
    "ws_listener",
];

/// The members that sentinel may import: the messages of the stream, and the days of the market, which the feed
/// and the schedules must agree on.
pub const SHARED: &[&str] = &["stream_protocol", "market_calendar"];

/// Words that may not stand in a place.
pub struct Pure {
    /// How the paths of its files begin.
    pub place: &'static str,
    pub denied: &'static [&'static str],
    pub because: &'static str,
}

/// What makes a value impure: clocks, the network, files, processes, threads, other people's streams.
const WORLD: &[&str] = &[
    "tokio",
    "nix",
    "rustix::event",
    "rustix::fs",
    "rustix::io",
    "rustix::net",
    "std::env",
    "std::fs",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "ToSocketAddrs",
    "std::process",
    "std::thread",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "println!",
    "eprintln!",
];

/// The supervisor may not even name what the others may be given. It derives serde's traits, so that what
/// it knows can be written down; by whom and as what is none of its business.
const ALL: &[&str] = &[
    "tokio",
    "nix",
    "rustix",
    "hyper",
    "serde_json",
    "jiff",
    "tracing",
    "async",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::sync::Mutex",
    "std::thread",
    "Instant",
    "SystemTime",
    "println!",
    "eprintln!",
];

/// What decides and never acts.
pub const PURE: &[Pure] = &[
    Pure {
        place: "src/supervisor/",
        denied: ALL,
        because: "its whole reachable space is searched",
    },
    Pure {
        place: "src/service.rs",
        denied: WORLD,
        because: "a vocabulary",
    },
    Pure {
        place: "src/schedule/",
        denied: WORLD,
        because: "the time is an argument, what is due an answer",
    },
    Pure {
        place: "src/api/",
        denied: WORLD,
        because: "messages",
    },
    Pure {
        place: "src/alerts/",
        denied: WORLD,
        because: "who is told what, and when, is decided on values in virtual time",
    },
    Pure {
        place: "src/ports/judge.rs",
        denied: WORLD,
        because: "who may be signalled is decided on values",
    },
    Pure {
        place: "src/client/render/",
        denied: WORLD,
        because: "data in, text out",
    },
    Pure {
        place: "src/verdict.rs",
        denied: WORLD,
        because: "the exit code is a function of the status",
    },
    Pure {
        place: "src/client/trouble.rs",
        denied: WORLD,
        because: "values in, sentences out",
    },
    Pure {
        place: "src/client/stages.rs",
        denied: WORLD,
        because: "events in, stages out",
    },
    Pure {
        place: "src/client/transaction.rs",
        denied: WORLD,
        because: "events in, result out",
    },
    Pure {
        place: "workers/alpaca/src/session/",
        denied: WORLD,
        because: "the session is a machine like the supervisor",
    },
];

/// A word that may stand in few places only.
pub struct Confined {
    pub word: &'static str,
    pub places: &'static [&'static str],
    pub because: &'static str,
}

/// What must not spread.
pub const CONFINED: &[Confined] = &[
    Confined {
        word: "unsafe",
        places: &[
            "src/process/spawn.rs",
            "src/process/vfork.rs",
            "src/process/trim.rs",
            "src/process/activate.rs",
            "src/process/ended.rs",
            "src/descriptor.rs",
            "workers/chaos/src/signals.rs",
            "workers/chaos/src/inherit.rs",
        ],
        because: "each is a few lines with a SAFETY comment, reviewed as such",
    },
    Confined {
        word: "Command::new",
        places: &[
            "src/process/",
            "src/deliver/command.rs",
            "src/client/launch.rs",
            "src/client/place.rs",
            "src/client/crontab.rs",
            "src/client/command/schedule.rs",
            "src/systemd/",
            "workers/chaos/",
            "workers/main_app/src/command.rs",
        ],
        because: "services are started by crate::process alone; the client starts a supervisor, systemctl and `exec` probes; the web app starts `sentinel` for what a supervisor cannot do to itself",
    },
    Confined {
        word: "pidfd_send_signal",
        places: &["src/process/handle.rs"],
        because: "a signal goes to a proven identity, through Handle",
    },
    Confined {
        word: "signal::kill",
        places: &[],
        because: "a pid may be another process by now: use crate::process::Handle",
    },
    Confined {
        word: "Mutex",
        // Three descriptors of the whole process, which one start at a time puts to use.
        places: &["workers/", "src/process/vfork.rs"],
        because: "state has one owner; others get messages or snapshots",
    },
    Confined {
        word: "killpg",
        places: &[],
        because: "a group may hold what is not ours: signal each proven process",
    },
];

/// The most lines of a file, tests included.
pub const SMALL: usize = 400;
