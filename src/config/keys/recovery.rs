//! The keys that say when a service starts, how it comes back after failures, and how its health is judged.

use std::time::Duration;

use super::probe::{EXEC, EXPECT, HTTP, SEND, STATUS, TCP, WS};
use super::{ANY, Key, SOME, Section, Wants, key};

/// `autostart`.
pub(super) const AUTOSTART: Key = key(
    "autostart",
    Wants::Flag,
    "Whether it is started with the rest. With false it waits until it is started by its name, by a schedule, or because a service that is `after` it starts; to be stopped is well for it then.",
)
.default("true")
.elsewhere(&["auto_start", "disabled", "enabled", "profiles"]);

/// `restart_window`.
pub(super) const RESTART_WINDOW: Key = key(
    "restart_window",
    ANY,
    "`max_restarts` is also the most failed runs within this time, though each was proven; \"0s\": only those in a row count.",
)
.default("1m")
.elsewhere(&["StartLimitIntervalSec", "start_limit_interval", "startlimitinterval"]);

/// `backoff`.
pub(super) const BACKOFF: Key = key(
    "backoff",
    Wants::Table(&BACKOFF_KEYS),
    "The pauses between tries, after failures.",
)
.elsewhere(&["restart_delay", "restart_sec", "RestartSec", "backoff_seconds"]);

/// `retry_fatal`.
pub(super) const RETRY_FATAL: Key = key(
    "retry_fatal",
    Wants::DurationOrNever(Duration::from_millis(1)),
    "How long after it was given up it is tried once more, again and again; it stays FATAL meanwhile.",
)
.default("5m")
.elsewhere(&["retry_in"]);

/// `success_exit`.
pub(super) const SUCCESS_EXIT: Key = key(
    "success_exit",
    Wants::Exits,
    "Exit codes and signals that mean its work is done: it is not started again, whatever `restart` says. Left out: 0, with `restart = \"on-failure\"`.",
)
.elsewhere(&["exitcodes", "success_exit_status", "SuccessExitStatus", "stop_exit_codes"]);

/// `fatal_exit`.
pub(super) const FATAL_EXIT: Key = key(
    "fatal_exit",
    Wants::Exits,
    "Exit codes and signals after which it is FATAL at once and not tried again, since that would only do harm.",
)
.default("[78]")
.elsewhere(&["restart_prevent_exit_status", "RestartPreventExitStatus"]);

/// `on_unhealthy`.
pub(super) const ON_UNHEALTHY: Key = key(
    "on_unhealthy",
    UNHEALTHY,
    "The same as in `health`: what follows when it is unhealthy.",
);

/// `watch`.
pub(super) const WATCH: Key = key(
    "watch",
    Wants::Texts,
    "Restart it when files change that one of these patterns matches, relative to services.toml: `*` within a name, `**` across folders.",
)
.default("[]")
.elsewhere(&["watch_files", "restart_on_change"]);

/// `on_unhealthy` of `health`.
pub(super) const HEALTH_ON_UNHEALTHY: Key =
    key("on_unhealthy", UNHEALTHY, "What follows when it is unhealthy.")
        .default("restart")
        .elsewhere(&["action"]);

/// `via` of `health`.
pub(super) const VIA: Key = key(
    "via",
    Wants::Hops(&HOP),
    "Who stands behind it: services, or probes by name, that are asked separately when its own probe fails, so that the broken hop is named. A service whose hop is broken is not restarted for it.",
)
.elsewhere(&["through", "upstream", "backend"]);

const UNHEALTHY: Wants = Wants::Choice(&["restart", "alert", "ignore"]);

/// `backoff` of a service.
pub const BACKOFF_KEYS: Section = Section {
    name: "backoff",
    keys: &[
        key(
            "min",
            SOME,
            "The pause after the first failure; it doubles with each further one.",
        )
        .default("100ms")
        .elsewhere(&["initial", "first", "delay"]),
        key(
            "max",
            SOME,
            "No pause is longer, save for up to a quarter of jitter.",
        )
        .default("30s")
        .elsewhere(&["cap", "limit"]),
    ],
};

/// One probe of `via`.
pub const HOP: Section = Section {
    name: "a hop of via",
    keys: &[WS, HTTP, TCP, EXEC, SEND, EXPECT, STATUS, TIMEOUT],
};

/// `timeout` of a probe.
pub(super) const TIMEOUT: Key = key("timeout", SOME, "How long one attempt may take.").default("2s");
