//! The keys of many services at once: templates, instances, groups, included files, schedules.

use super::{ANY, Key, SOME, Section, TEMPLATE, Wants, key};

/// `templates`.
pub(super) const TEMPLATES: Key = key(
    "templates",
    Wants::Named(&TEMPLATE),
    "What services have in common: [services.\"NAME@INSTANCE\"] takes all keys of [templates.NAME] that it does not set itself, with {instance}, {index}, {port} and {name} filled in.",
)
.elsewhere(&["defaults", "anchors"]);

/// `include`.
pub(super) const INCLUDE: Key = key(
    "include",
    Wants::Texts,
    "More files with services, templates and schedules, like \"services.d/*.toml\"; relative paths in them are relative to services.toml.",
)
.default("[]")
.elsewhere(&["includes", "import"]);

/// `group`.
pub(super) const GROUP: Key = key(
    "group",
    Wants::Text,
    "The group of services that it belongs to; commands take it as @GROUP. Instances without one form a group of their template's name. Beside `user` and without `unix_group`, and as a number, it is the Unix group as well.",
)
.elsewhere(&["groups", "namespace"]);

/// `template`.
pub(super) const TEMPLATE_OF: Key = key(
    "template",
    Wants::Text,
    "The template whose keys it takes when it does not set them; for NAME@INSTANCE, [templates.NAME] without being named.",
)
.elsewhere(&["extends", "inherits"]);

/// `instances`.
pub(super) const INSTANCES: Key = key(
    "instances",
    Wants::Instances,
    "Runs it once for each, as NAME@INSTANCE, with {instance}, {index} (from 0), {port} (the first of `ports`) and {name} filled in; `ports` may be sums like \"8100+{index}\".",
)
.elsewhere(&["numprocs", "replicas", "scale"]);

/// `market_calendar`.
pub(super) const MARKET_CALENDAR: Key = key(
    "market_calendar",
    Wants::Text,
    "File of days on which the New York market is not as its rules say, one per line, like 2025-01-09 closed; for `unless` and `only`.",
);

/// `schedules`.
pub(super) const SCHEDULES: Key = key(
    "schedules",
    Wants::Named(&SCHEDULE),
    "What is done by the clock, by name.",
)
.elsewhere(&["crons", "cron", "jobs", "timers"]);

/// `[schedules.NAME]`.
pub(super) const SCHEDULE: Section = Section {
    name: "[schedules.NAME]",
    keys: &[
        key(
            "cron",
            Wants::Text,
            "When: minute hour day-of-month month day-of-week, as crontab(5) has it, or @hourly, @daily, @weekly, @monthly, @yearly. When clocks change, named hours happen once a day: a time that is skipped when the clocks jump, one that comes twice the first time; hours of * follow elapsed time.",
        )
        .elsewhere(&["at", "when", "schedule", "time", "on_calendar"]),
        key(
            "timezone",
            Wants::Text,
            "Whose clock counts, like \"America/New_York\"; this host's without it.",
        )
        .elsewhere(&["tz", "zone", "time_zone"]),
        key(
            "do",
            Wants::Words,
            "A sentinel command: restart, start, stop, flush, reload or shutdown, with its services, @groups or mode.",
        )
        .elsewhere(&["action", "command"]),
        key(
            "run",
            Wants::Words,
            "A program instead; good is exit code 0, and 75 means that it skipped it.",
        )
        .elsewhere(&["exec", "program"]),
        key(
            "unless",
            Wants::Choice(crate::schedule::WORDS),
            "Skip it when this holds of the New York market.",
        ),
        key(
            "only",
            Wants::Choice(crate::schedule::WORDS),
            "Skip it unless this holds of the New York market.",
        )
        .elsewhere(&["if", "when_market"]),
        key(
            "missed",
            Wants::Choice(&["skip", "run"]),
            "What becomes of a time at which the host slept or no supervisor was there: noted as missed, or run once as soon as somebody is there.",
        )
        .default("skip")
        .elsewhere(&["catch_up", "persistent"]),
        key("missed_within", SOME, "How late `missed = \"run\"` still runs it.").default("1h"),
        key(
            "spread",
            ANY,
            "Put off each run by up to this much, always the same on one host, so that not all hosts act at once.",
        )
        .default("0s")
        .elsewhere(&["jitter", "splay", "random_delay"]),
    ],
};
