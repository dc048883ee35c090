//! The keys of `ready` and `health`: what is asked, and what answer is good.

use super::recovery::{HEALTH_ON_UNHEALTHY, TIMEOUT, VIA};
use super::{Key, SOME, Section, Wants, key};

/// `ws`.
pub(super) const WS: Key = key(
    "ws",
    Wants::Url("ws"),
    "Connect a WebSocket; with `send` and `expect`, ask and judge the answer.",
);
/// `http`.
pub(super) const HTTP: Key = key("http", Wants::Url("http"), "GET; good is `status`, or any 2xx.");
/// `tcp`.
pub(super) const TCP: Key = key("tcp", Wants::Address, "Connect to host:port.");
/// `exec`.
pub(super) const EXEC: Key = key("exec", Wants::Words, "Run a command; good is exit code 0.");
/// `send`.
pub(super) const SEND: Key = key("send", Wants::Json, "Message that `ws` sends, as JSON.");
/// `expect`.
pub(super) const EXPECT: Key = key(
    "expect",
    Wants::Json,
    "What the answer of `ws` or `http` must hold, as JSON; it may hold more. A string like \"< 120\", \">= 1\", \"!= dead\" or \"< 120 or null\" compares; \"== text\" means a text as it stands.",
);
/// `status`.
pub(super) const STATUS: Key = key(
    "status",
    Wants::Number(100, 599),
    "The one status of `http` that is good.",
);

/// `ready` of a service.
pub const READY: Section = Section {
    name: "ready",
    keys: &[
        WS,
        HTTP,
        TCP,
        EXEC,
        key(
            "notify",
            Wants::True,
            "The service says READY=1 on $NOTIFY_SOCKET, as under systemd.",
        ),
        key(
            "log",
            Wants::Text,
            "A regular expression that a line of its output matches.",
        ),
        SEND,
        EXPECT,
        STATUS,
    ],
};

/// `health` of a service.
pub const HEALTH: Section = Section {
    name: "health",
    keys: &[
        WS,
        HTTP,
        TCP,
        EXEC,
        SEND,
        EXPECT,
        STATUS,
        key("every", SOME, "From the end of one attempt to the next.")
            .default("10s")
            .elsewhere(&["interval", "period"]),
        TIMEOUT,
        key(
            "failures",
            Wants::Number(1, u32::MAX),
            "Failed attempts in a row that make it unhealthy.",
        )
        .default("3")
        .elsewhere(&["retries", "failure_threshold"]),
        HEALTH_ON_UNHEALTHY,
        VIA,
    ],
};
