//! `ready` and `health`: one probe each, with the options that go with it.

use super::decode::{Surroundings, command, expand};
use super::item::Item;
use super::json;
use super::report::Finding;
use super::scalar::{self, Wrong};
use super::syntax;
use super::table::Table;
use crate::service::{Health, Hop, OnUnhealthy, Probe, Ready, Via};

/// Probe kinds of every table, and those that only `ready` has.
const KINDS: [&str; 4] = ["ws", "http", "tcp", "exec"];
const READY_KINDS: [&str; 6] = ["ws", "http", "tcp", "exec", "notify", "log"];

/// Options, and the kinds they go with.
const OPTIONS: [(&str, &[&str]); 3] = [
    ("send", &["ws"]),
    ("expect", &["ws", "http"]),
    ("status", &["http"]),
];

/// `ready` of a service.
pub(super) fn ready(item: Item<'_>, surroundings: &Surroundings<'_>) -> Option<Ready> {
    let table = item.table()?;
    match only_kind(item, &table, &READY_KINDS)? {
        "notify" => table.item("notify")?.yes().map(|()| Ready::Notify),
        "log" => pattern(table.item("log")?).map(Ready::Log),
        kind => probe(kind, &table, surroundings).map(|probe| Ready::Probe(Box::new(probe))),
    }
}

/// `health` of a service.
pub(super) fn health(item: Item<'_>, service: &Table<'_>, surroundings: &Surroundings<'_>) -> Option<Health> {
    let table = item.table()?;
    let on_unhealthy = on_unhealthy(&table, service);
    let via = table.item("via").map(|item| via(item, surroundings));
    let (every, timeout, failures) = (
        table.duration("every"),
        table.duration("timeout"),
        table.number("failures"),
    );
    let kind = only_kind(item, &table, &KINDS)?;
    let probe = probe(kind, &table, surroundings)?;
    Some(Health {
        probe,
        every,
        timeout,
        failures,
        on_unhealthy,
        via: via.unwrap_or_default(),
    })
}

/// What follows, from `health` itself or from beside it.
fn on_unhealthy(health: &Table<'_>, service: &Table<'_>) -> OnUnhealthy {
    let inner = health.item("on_unhealthy");
    if let (Some(_), Some(at)) = (inner, service.key_at("on_unhealthy")) {
        let finding = Finding::new(at, "`on_unhealthy` is in `health` already");
        health.report().add(finding.help("keep one of them"));
    }
    let item = inner.or(service.item("on_unhealthy"));
    match item.and_then(|item| item.choice()) {
        Some("alert") => OnUnhealthy::Alert,
        Some("ignore") => OnUnhealthy::Ignore,
        Some(_) | None => OnUnhealthy::Restart,
    }
}

/// The hops that are written out as probes. Those that are services are found once all are known.
fn via(item: Item<'_>, surroundings: &Surroundings<'_>) -> Via {
    let hops = if item.value.get_ref().is_array() {
        Vec::new()
    } else {
        let hops = item.entries().unwrap_or_default();
        hops.into_iter()
            .filter_map(|hop| one_hop(hop, surroundings))
            .collect()
    };
    Via { hops, declared: true }
}

fn one_hop(item: Item<'_>, surroundings: &Surroundings<'_>) -> Option<Hop> {
    let table = item.table()?;
    let timeout = table.duration("timeout");
    let kind = only_kind(item, &table, &KINDS)?;
    Some(Hop {
        name: item.key.to_owned(),
        probe: probe(kind, &table, surroundings)?,
        timeout,
    })
}

/// The services of `via`, with their places; none when there is no such list.
pub(super) fn via_services(service: &Table<'_>) -> Option<Vec<(String, usize)>> {
    let health = service.quiet_table("health")?;
    let item = health
        .item("via")
        .filter(|item| item.value.get_ref().is_array())?;
    Some(super::decode::places(item))
}

/// The one kind that the table names. Also reports options that do not go with it.
fn only_kind<'k>(item: Item<'_>, table: &Table<'_>, kinds: &[&'k str]) -> Option<&'k str> {
    let mut named: Vec<(usize, &str)> = kinds
        .iter()
        .filter_map(|kind| Some((table.key_at(kind)?, *kind)))
        .collect();
    named.sort_unstable();
    let Some((_, kind)) = named.first().copied() else {
        let finding = Finding::new(item.key_at(), format!("`{}` names no probe", item.key))
            .help(format!("add one of {}", kinds.join(", ")))
            .missing_in(item.key_at()..syntax::next_header(item.report.text(), item.span().end));
        item.report.add(finding);
        return None;
    };
    for (at, other) in &named[1..] {
        let message = format!("`{}` takes one probe, and `{kind}` is there already", item.key);
        item.report
            .add(Finding::new(*at, message).help(format!("keep `{kind}` or `{other}`")));
    }
    for (option, goes_with) in OPTIONS {
        if let Some(at) = table.key_at(option).filter(|_| !goes_with.contains(&kind)) {
            let message = format!("`{option}` does not go with `{kind}`");
            let help = format!("it goes with {}", goes_with.join(" and "));
            item.report.add(Finding::new(at, message).help(help));
        }
    }
    Some(kind)
}

fn probe(kind: &str, table: &Table<'_>, surroundings: &Surroundings<'_>) -> Option<Probe> {
    let send = table.item("send").and_then(json::object);
    let expect = table.item("expect").and_then(json::expectation);
    let status = table.item("status").and_then(|item| item.number());
    let item = table.item(kind)?;
    Some(match kind {
        "ws" => Probe::Ws {
            url: target(item, surroundings, |text| scalar::url("ws", text))?,
            send,
            expect,
        },
        "http" => Probe::Http {
            url: target(item, surroundings, |text| scalar::url("http", text))?,
            status: status.and_then(|status| u16::try_from(status).ok()),
            expect,
        },
        "tcp" => Probe::Tcp {
            address: target(item, surroundings, scalar::address)?,
        },
        _ => Probe::Exec {
            command: command(item, surroundings)?,
        },
    })
}

/// The expanded text, if it is what the probe can ask.
fn target(
    item: Item<'_>,
    surroundings: &Surroundings<'_>,
    judge: impl Fn(&str) -> Result<(), Wrong>,
) -> Option<String> {
    let text = expand(item, item.text()?, surroundings)?;
    match judge(&text) {
        Ok(()) => Some(text),
        Err(Wrong { message, help }) => item.wrong(message, help),
    }
}

/// A regular expression that compiles.
fn pattern(item: Item<'_>) -> Option<String> {
    let text = item.text()?;
    match crate::service::pattern(text) {
        Ok(_) => Some(text.to_owned()),
        Err(error) => item.wrong(
            format!("not a regular expression: {error}"),
            "a literal is written with `\\`, like \"\\\\(\"",
        ),
    }
}
