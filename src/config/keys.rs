//! Every key of services.toml, once: what the decoder, its suggestions and the JSON schema all go by.

mod fleet;
mod log;
mod operations;
mod probe;
mod recovery;
mod rights;
mod suggest;
mod web;

use std::time::Duration;

use fleet::SCHEDULE;
pub use log::LOG;
pub(in crate::config) use operations::kind_words;
pub use operations::{ALERTS, METRICS, TARGET};
pub use probe::{HEALTH, READY};
pub use recovery::{BACKOFF_KEYS, HOP};
use rights::LIMIT_KEYS;
pub(super) use suggest::nearest;
use web::WEB;

/// One table of the file and the keys it may hold.
#[derive(Debug)]
pub struct Section {
    /// How a person writes it, for example `[sentinel]`.
    pub name: &'static str,
    /// Its keys, in the order in which they are documented.
    pub keys: &'static [Key],
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub wants: Wants,
    /// What stands when it is left out, as one would write it in the file.
    pub default: Option<&'static str>,
    /// What other systems call it: no synonyms, only a better "did you mean".
    pub elsewhere: &'static [&'static str],
    /// What it is for, in one sentence.
    pub about: &'static str,
}

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub enum Wants {
    /// A string.
    Text,
    /// A list of strings.
    Texts,
    /// A command: a string that is split, or a list of words.
    Words,
    /// A list of TCP ports, 1 to 65535.
    Ports,
    /// A duration of at least this length.
    Duration(Duration),
    /// A duration of at least this length, or "never".
    DurationOrNever(Duration),
    /// A list of exit codes, 0 to 255, and signals by name.
    Exits,
    /// A table of probes by the names of what they ask, or a list of services.
    Hops(&'static Section),
    /// A whole number in these bounds, both included.
    Number(u32, u32),
    /// `true`, the only value that makes sense.
    True,
    /// `true` or `false`.
    Flag,
    /// A whole number in these bounds, which may be below zero.
    Integer(i32, i32),
    /// A file mode mask in octal digits.
    Mask,
    /// A number of bytes, with or without a unit.
    Size,
    /// A number, a size, or `unlimited`.
    Limit,
    /// A signal by name or number.
    Signal,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A number of bytes a second, like `10MiB/s`.
    Rate,
    /// A duration that may be days or weeks long.
    Days,
    /// The same, or `hourly`, `daily`, `weekly`.
    Age,
    /// A table of names and strings.
    Variables,
    /// A JSON object, written as a table.
    Json,
    /// A url of this scheme.
    Url(&'static str),
    /// `host:port`.
    Address,
    /// A table with known keys.
    Table(&'static Section),
    /// A table of services by name.
    Services(&'static Section),
    /// A table of such tables, by name.
    Named(&'static Section),
    /// The instances of a service: their names, or a table for each of what differs.
    Instances,
}

impl Wants {
    /// The same in words, for "`stop` wants …".
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Wants::Text => "a string".into(),
            Wants::Texts => "an array of strings, like [\"first\", \"second\"]".into(),
            Wants::Words => "a string or an array of strings, like [\"program\", \"--option\"]".into(),
            Wants::Ports => "an array of port numbers, like [8765]".into(),
            Wants::Duration(_) => "a duration, like \"250ms\", \"10s\", \"5m\" or \"1h\"".into(),
            Wants::DurationOrNever(_) => "a duration, like \"5m\", or \"never\"".into(),
            Wants::Exits => "an array of exit codes and signals, like [0, 3, \"SIGTERM\"]".into(),
            Wants::Hops(_) => {
                "an array of services, like [\"backend\"], or a table of probes, like { backend = { tcp = \"127.0.0.1:8765\" } }".into()
            }
            Wants::Number(least, u32::MAX) => format!("a whole number of at least {least}"),
            Wants::Number(least, most) => format!("a whole number between {least} and {most}"),
            Wants::True => "true".into(),
            Wants::Flag => "true or false".into(),
            Wants::Integer(least, most) => format!("a whole number between {least} and {most}"),
            Wants::Mask => "an octal mask, like \"027\"".into(),
            Wants::Size => "a size, like \"512MiB\" or \"2GiB\"".into(),
            Wants::Limit => "a number, a size like \"2GiB\", or \"unlimited\"".into(),
            Wants::Signal => "a signal, like \"SIGTERM\" or 15".into(),
            Wants::Choice(words) => {
                let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
                format!("one of {}", quoted.join(", "))
            }
            Wants::Rate => "a rate, like \"512KiB/s\" or \"10MiB/s\"".into(),
            Wants::Days => "a duration, like \"12h\", \"7d\" or \"4w\"".into(),
            Wants::Age => "an age, like \"12h\", \"7d\", \"hourly\", \"daily\" or \"weekly\"".into(),
            Wants::Variables => "a table of strings, like { NAME = \"value\" }".into(),
            Wants::Json => "a table, like { action = \"health\" }".into(),
            Wants::Url(scheme) => format!("a url, like \"{scheme}://127.0.0.1:8765\""),
            Wants::Address => "an address, like \"127.0.0.1:8765\"".into(),
            Wants::Table(section) => match section.keys.first() {
                Some(key) => format!("a table of its own, with keys like `{}`", key.name),
                None => "a table".into(),
            },
            Wants::Services(_) => "a table for each service, like [services.NAME]".into(),
            Wants::Named(section) => format!("a table for each, like {}", section.name),
            Wants::Instances => "an array of names, like [\"BTC\", \"ETH\"], or a table for each".into(),
        }
    }
}

const fn key(name: &'static str, wants: Wants, about: &'static str) -> Key {
    Key {
        name,
        wants,
        default: None,
        elsewhere: &[],
        about,
    }
}

impl Key {
    const fn default(self, default: &'static str) -> Self {
        Self {
            default: Some(default),
            ..self
        }
    }

    const fn elsewhere(self, elsewhere: &'static [&'static str]) -> Self {
        Self { elsewhere, ..self }
    }
}

const ANY: Wants = Wants::Duration(Duration::ZERO);
const SOME: Wants = Wants::Duration(Duration::from_millis(1));

/// The file itself.
pub const FILE: Section = Section {
    name: "services.toml",
    keys: &[
        key(
            "sentinel",
            Wants::Table(&SENTINEL),
            "What holds for all services.",
        ),
        key(
            "logs",
            Wants::Table(&LOG),
            "How the output of all services is kept; `log` of a service says otherwise.",
        )
        .elsewhere(&["logging", "log"]),
        key("services", Wants::Services(&SERVICE), "The services, by name.").elsewhere(&[
            "processes",
            "programs",
            "apps",
        ]),
        fleet::TEMPLATES,
        fleet::SCHEDULES,
        fleet::INCLUDE,
        key(
            "alerts",
            Wants::Table(&ALERTS),
            "Whom to tell when something is wrong.",
        )
        .elsewhere(&["alert", "notify", "notifications"]),
        key("metrics", Wants::Table(&METRICS), "Numbers for Prometheus.").elsewhere(&["prometheus"]),
        key("web", Wants::Table(&WEB), "What the pages of main_app may do.")
            .elsewhere(&["main_app", "inet_http_server"]),
    ],
};

/// `[sentinel]`.
pub const SENTINEL: Section = Section {
    name: "[sentinel]",
    keys: &[
        key("log_dir", Wants::Text, "Folder of sentinel.log and of each service's log.")
            .default("logs")
            .elsewhere(&["logs", "logdir"]),
        key(
            "log_max_total",
            Wants::Size,
            "What all logs may take together, sentinel.log too; the oldest rotated files go first.",
        )
        .default("1GiB")
        .elsewhere(&["max_total", "log_total", "logs_max_total"]),
        key("env_file", Wants::Text, "File of KEY=VALUE lines for every service; mode 0600.")
            .elsewhere(&["dotenv", "environment_file"]),
        key("protected_ports", Wants::Ports, "Ports that `flush` never touches.")
            .default("[5000, 7000, 9000, 10000]"),
        fleet::MARKET_CALENDAR,
        key(
            "pass_env",
            Wants::Texts,
            "Variables that every service gets from the caller's environment when they are set; NAME_* takes all that begin so.",
        )
        .default("[]")
        .elsewhere(&["inherit_env", "keep_env"]),
    ],
};

/// `[templates.NAME]`: the keys of a service.
pub const TEMPLATE: Section = Section {
    name: "[templates.NAME]",
    keys: SERVICE.keys,
};

/// `[services.NAME]`.
pub const SERVICE: Section = Section {
    name: "[services.NAME]",
    keys: &[
        key(
            "command",
            Wants::Words,
            "Program and arguments; no shell runs it.",
        )
        .elsewhere(&["cmd", "exec", "run"]),
        key("ports", Wants::Ports, "TCP ports that the service listens on.").default("[]"),
        key(
            "sockets",
            Wants::Texts,
            "Addresses that sentinel listens on for the service and hands over (sd_listen_fds), so that clients wait while it restarts; their ports need not stand in `ports`.",
        )
        .default("[]")
        .elsewhere(&["listen", "socket"]),
        key("env", Wants::Variables, "Variables of this service alone.").elsewhere(&["environment"]),
        key(
            "after",
            Wants::Texts,
            "Services that must be ready before it starts, and that stop after it.",
        )
        .default("[]")
        .elsewhere(&["depends_on", "needs", "requires", "start_after", "priority"]),
        key(
            "restart",
            Wants::Choice(&["always", "on-failure", "never"]),
            "When it is started again after it ended by itself.",
        )
        .default("always")
        .elsewhere(&["autorestart", "respawn"]),
        key(
            "ready",
            Wants::Table(&READY),
            "What proves that it is ready, beyond holding its ports.",
        ),
        key(
            "health",
            Wants::Table(&HEALTH),
            "What proves, again and again, that it is healthy.",
        )
        .elsewhere(&["healthcheck", "health_check", "liveness"]),
        key("log", Wants::Table(&LOG), "How its output is kept, where not as `[logs]` says.").elsewhere(&[
            "logs",
            "logging",
            "stdout_logfile",
            "log_file",
        ]),
        key("stop", Wants::Table(&STOP), "How it is stopped.").elsewhere(&[
            "stopsignal",
            "stop_signal",
            "stopwaitsecs",
            "stop_timeout",
            "kill_timeout",
        ]),
        recovery::AUTOSTART,
        fleet::GROUP,
        fleet::TEMPLATE_OF,
        fleet::INSTANCES,
        key("cwd", Wants::Text, "Working folder, relative to services.toml.")
            .default(".")
            .elsewhere(&["directory", "dir", "workdir", "working_dir", "working_directory"]),
        key("min_uptime", ANY, "How long a run must live to count as proven.")
            .default("1s")
            .elsewhere(&["startsecs"]),
        key("start_timeout", SOME, "How long a run may take to be ready.").default("30s"),
        key(
            "max_restarts",
            Wants::Number(0, u32::MAX),
            "Failed runs in a row, or within `restart_window`, before it is given up as FATAL.",
        )
        .default("5")
        .elsewhere(&["startretries", "retries"]),
        recovery::RESTART_WINDOW,
        recovery::BACKOFF,
        recovery::RETRY_FATAL,
        recovery::SUCCESS_EXIT,
        recovery::FATAL_EXIT,
        recovery::ON_UNHEALTHY,
        recovery::WATCH,
        rights::USER,
        rights::UNIX_GROUP,
        rights::UMASK,
        rights::NICE,
        rights::LIMITS,
        rights::OOM_SCORE_ADJUST,
        rights::NO_NEW_PRIVS,
        rights::MEMORY_MAX,
        rights::MEMORY_MAX_FOR,
        rights::WATCHDOG,
    ],
};

/// `stop` of a service.
pub const STOP: Section = Section {
    name: "stop",
    keys: &[
        key("signal", Wants::Signal, "The signal that asks it to end.").default("SIGTERM"),
        key("timeout", ANY, "The grace before SIGKILL.")
            .default("10s")
            .elsewhere(&["grace", "wait"]),
    ],
};

/// All sections: for suggestions across tables, for the schema, for the guide.
pub const SECTIONS: [&Section; 13] = [
    &FILE,
    &SENTINEL,
    &SERVICE,
    &READY,
    &HEALTH,
    &STOP,
    &BACKOFF_KEYS,
    &LIMIT_KEYS,
    &SCHEDULE,
    &LOG,
    &ALERTS,
    &TARGET,
    &METRICS,
];
