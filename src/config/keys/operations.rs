//! The keys of `[alerts]` and `[metrics]`.

use super::{ANY, Key, SOME, Section, Wants, key};
use crate::alerts::Kind;

const WEBHOOK: Key = key(
    "webhook",
    Wants::Text,
    "POST the alert as JSON to this http or https url, which is kept secret: write it as \"${NAME}\".",
)
.elsewhere(&["url", "slack"]);
const COMMAND: Key = key(
    "command",
    Wants::Words,
    "Run this program: the alert as JSON on standard input, its gist in SENTINEL_ALERT_… variables.",
)
.elsewhere(&["exec", "cmd", "run"]);
const SYSLOG: Key = key(
    "syslog",
    Wants::Text,
    "Log the alert: a socket such as \"/dev/log\", or \"udp://host:514\", or \"tcp://host:601\".",
);
const KINDS: Key = key(
    "kinds",
    Wants::Texts,
    "Only these kinds: fatal, unhealthy, flapping, silence, port, disk, schedule, memory, supervisor.",
)
.elsewhere(&["on", "events", "only"]);
const FORMAT: Key = key(
    "format",
    Wants::Choice(&["json", "slack"]),
    "What a webhook gets: all of the alert as JSON, its `text` among it; or `text` alone, as hooks.slack.com wants.",
);
const HEADERS: Key = key(
    "headers",
    Wants::Variables,
    "More headers for a webhook, such as Authorization; kept secret.",
);
const CA_FILE: Key = key(
    "ca_file",
    Wants::Text,
    "For a webhook over https whose certificate no public authority has signed: the certificate of its authority, or its own, as PEM.",
)
.elsewhere(&["ca", "cafile", "cacert", "ca_cert", "tls_ca"]);

/// One target of `[alerts.to]`.
pub const TARGET: Section = Section {
    name: "[alerts.to.NAME]",
    keys: &[WEBHOOK, COMMAND, SYSLOG, KINDS, FORMAT, HEADERS, CA_FILE],
};

/// `[alerts]`.
pub const ALERTS: Section = Section {
    name: "[alerts]",
    keys: &[
        WEBHOOK,
        COMMAND,
        SYSLOG,
        KINDS,
        FORMAT,
        HEADERS,
        CA_FILE,
        key("to", Wants::Named(&TARGET), "More targets, by name.").elsewhere(&["targets", "receivers"]),
        key("group", ANY, "How long the first of several alerts waits for the others.")
            .default("5s")
            .elsewhere(&["group_wait"]),
        key(
            "per_hour",
            Wants::Number(1, 10_000),
            "The most messages an hour to one target; what is above waits and is told together.",
        )
        .default("20")
        .elsewhere(&["rate_limit", "limit"]),
        key(
            "repeat",
            Wants::Text,
            "When what is still wrong is told again, or \"never\".",
        )
        .default("4h")
        .elsewhere(&["repeat_interval", "remind"]),
        key(
            "unhealthy_for",
            ANY,
            "How long a health probe fails before that is an alert; a restart because of it is one at once.",
        )
        .default("30s")
        .elsewhere(&["for"]),
        key(
            "flapping",
            Wants::Number(1, 10_000),
            "More restarts than this within `flapping_within` are an alert.",
        )
        .default("3"),
        key("flapping_within", SOME, "The time in which restarts are counted.").default("10m"),
        key(
            "silence",
            SOME,
            "A stream whose health answer tells of this much `silence_s` while its market is not closed is an alert.",
        )
        .default("2m"),
        key(
            "disk_free",
            Wants::Text,
            "Less room than this on the disk of the logs is an alert: \"5%\" or \"500MB\"; \"0%\" never. Looked at each minute.",
        )
        .default("5%"),
        key("retry", SOME, "From a failed delivery to the next try; doubles each time.").default("1s"),
        key("retry_max", SOME, "The longest time between two tries.").default("5m"),
    ],
};

/// `[metrics]`.
pub const METRICS: Section = Section {
    name: "[metrics]",
    keys: &[
        key(
            "listen",
            Wants::Address,
            "Answer GET /metrics here, for Prometheus, besides on the control socket.",
        )
        .elsewhere(&["address", "bind", "port"]),
        key(
            "allow_remote",
            Wants::True,
            "Let `listen` be an address that other hosts reach: whoever reaches it may read all metrics.",
        ),
    ],
};

/// The words of `kinds`, checked where they stand.
pub(in crate::config) fn kind_words() -> impl Iterator<Item = &'static str> {
    Kind::WORDS.into_iter()
}
