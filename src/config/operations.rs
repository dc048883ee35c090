//! `[alerts]` and `[metrics]`, decoded.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeTable;

use super::decode::{Surroundings, command, expand, path};
use super::item::Item;
use super::keys::{self, nearest};
use super::scalar;
use super::table::Table;
use crate::alerts::{DiskFree, Kind, Settings, Target, Way};
use crate::redact::Redactor;

/// What `[metrics]` declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Where Prometheus may ask, besides the control socket.
    pub listen: Option<SocketAddr>,
}

/// The ways that a table can name.
const WAYS: [&str; 3] = ["webhook", "command", "syslog"];

/// `[alerts]`; without one, no targets.
pub(super) fn alerts(file: &Table<'_>, surroundings: &Surroundings<'_>) -> Settings {
    let empty = DeTable::new();
    let declared = file.item("alerts").and_then(|item| item.table());
    let table = declared.unwrap_or_else(|| Table::new(&empty, &keys::ALERTS, file.report()));
    let kinds = table.item("kinds").map(kinds).unwrap_or_default();
    let plain = WAYS.iter().filter_map(|way| {
        Some(Target {
            name: (*way).to_owned(),
            way: self::way(way, &table, surroundings)?,
            kinds: kinds.clone(),
        })
    });
    let mut targets: Vec<Target> = plain.collect();
    for item in table.item("to").and_then(Item::entries).unwrap_or_default() {
        if targets.iter().any(|target| target.name == item.key) {
            let help = format!(
                "name it otherwise: `{}` of [alerts] has this name already",
                item.key
            );
            let _: Option<()> = item.wrong(format!("two targets are named `{}`", item.key), help);
        }
        targets.extend(target(item, surroundings));
    }
    let usual = Settings::default();
    Settings {
        targets,
        group: table.duration("group"),
        per_hour: table.number("per_hour"),
        repeat: table.item("repeat").map_or(usual.repeat, repeat),
        unhealthy_for: table.duration("unhealthy_for"),
        flapping: table.number("flapping"),
        flapping_within: table.duration("flapping_within"),
        silence: table.duration("silence"),
        disk_free: table
            .item("disk_free")
            .and_then(disk_free)
            .unwrap_or(usual.disk_free),
        retry: table.duration("retry"),
        retry_max: table.duration("retry_max"),
    }
}

fn target(item: Item<'_>, surroundings: &Surroundings<'_>) -> Option<Target> {
    let table = item.table()?;
    let named: Vec<&str> = WAYS.into_iter().filter(|way| table.item(way).is_some()).collect();
    let way = match named.as_slice() {
        [one] => way(one, &table, surroundings),
        [] => item.wrong(
            format!("`{}` says no way", item.key),
            "add one of webhook, command, syslog",
        ),
        [first, second, ..] => item.wrong(
            format!("`{}` has both `{first}` and `{second}`", item.key),
            "give each a table of its own",
        ),
    };
    let kinds = table.item("kinds").map(kinds).unwrap_or_default();
    Some(Target {
        name: item.key.to_owned(),
        way: way?,
        kinds,
    })
}

/// The way of this name, if the table has it.
fn way(name: &str, table: &Table<'_>, surroundings: &Surroundings<'_>) -> Option<Way> {
    let item = table.item(name)?;
    match name {
        "webhook" => webhook(item, table, surroundings),
        "command" => command(item, surroundings).map(Way::Command),
        _ => syslog(item, surroundings).map(Way::Syslog),
    }
}

/// The url is not repeated in what is said about it: it is a secret.
fn webhook(item: Item<'_>, table: &Table<'_>, surroundings: &Surroundings<'_>) -> Option<Way> {
    let url = expand(item, item.text()?, surroundings)?;
    let uri: Option<hyper::Uri> = url.parse().ok();
    let right = uri.as_ref().is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    });
    if !right {
        return item.wrong(
            "`webhook` is not a url",
            "write it like \"https://hooks.example.com/…\", or \"${NAME}\"",
        );
    }
    let host = uri.as_ref().and_then(hyper::Uri::host).unwrap_or_default();
    let slack = match table.item("format").and_then(|item| item.choice()) {
        Some(format) => format == "slack",
        None => host == "hooks.slack.com",
    };
    let header = |item: Item<'_>| Some((item.key.to_owned(), expand(item, item.text()?, surroundings)?));
    let headers = table.item("headers").and_then(Item::entries).unwrap_or_default();
    let headers = headers.into_iter().filter_map(header).collect();
    Some(Way::Webhook {
        url,
        slack,
        headers,
        ca_file: table.item("ca_file").and_then(|item| ca_file(item, surroundings)),
    })
}

/// A file that can be read: what is wrong with it is told before it is needed at night.
fn ca_file(item: Item<'_>, surroundings: &Surroundings<'_>) -> Option<PathBuf> {
    let file = surroundings.root.join(path(item)?);
    match std::fs::read(&file) {
        Ok(text) if text.windows(CERTIFICATE.len()).any(|part| part == CERTIFICATE) => Some(file),
        Ok(_) => item.wrong(
            format!("{} holds no certificate", file.display()),
            "it should be PEM, with lines like -----BEGIN CERTIFICATE-----",
        ),
        Err(error) => item.wrong(
            format!("cannot read {}: {error}", file.display()),
            "name the file with the authority's certificate, as PEM",
        ),
    }
}

/// What every certificate in PEM begins with (RFC 7468).
const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

fn syslog(item: Item<'_>, surroundings: &Surroundings<'_>) -> Option<String> {
    let text = expand(item, item.text()?, surroundings)?;
    let remote = text
        .split_once("://")
        .map(|(scheme, place)| matches!(scheme, "udp" | "tcp") && scalar::address(place).is_ok());
    if remote.unwrap_or_else(|| text.starts_with('/')) {
        return Some(text);
    }
    item.wrong(
        format!("\"{text}\" is no way to a syslog"),
        "write \"/dev/log\", \"udp://host:514\" or \"tcp://host:601\"",
    )
}

fn kinds(item: Item<'_>) -> Vec<Kind> {
    let kind = |item: Item<'_>| {
        let word = item.text()?;
        Kind::parse(word).or_else(|| {
            let help = match nearest(word, keys::kind_words()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("there are {}", Kind::WORDS.join(", ")),
            };
            item.wrong(format!("\"{word}\" is no kind of alert"), help)
        })
    };
    item.texts().into_iter().filter_map(kind).collect()
}

fn repeat(item: Item<'_>) -> Option<Duration> {
    let text = item.text()?;
    if text == "never" {
        return None;
    }
    match scalar::duration(text) {
        Ok(duration) if !duration.is_zero() => Some(duration),
        Ok(_) | Err(_) => item.wrong(
            format!("\"{text}\" is not a duration"),
            "write one like \"4h\", or \"never\"",
        ),
    }
}

/// `5%`, `500MB`, `2GiB`.
fn disk_free(item: Item<'_>) -> Option<DiskFree> {
    let text = item.text()?;
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: Option<u64> = match unit.trim().to_ascii_lowercase().as_str() {
        "%" => None,
        "kb" | "k" => Some(1000),
        "mb" | "m" => Some(1_000_000),
        "gb" | "g" => Some(1_000_000_000),
        "kib" => Some(1 << 10),
        "mib" => Some(1 << 20),
        "gib" => Some(1 << 30),
        _ => Some(0),
    };
    match (number.parse::<u64>().ok(), factor) {
        (Some(percent @ 0..=100), None) => Some(DiskFree::Percent(u32::try_from(percent).unwrap_or(0))),
        (Some(number), Some(factor @ 1..)) => Some(DiskFree::Bytes(number.saturating_mul(factor))),
        _ => item.wrong(
            format!("\"{text}\" is no amount of room"),
            "write it like \"5%\" or \"500MB\"",
        ),
    }
}

/// What of the alerts may not be said: the paths of webhooks and the values of their headers.
pub(super) fn secrets(alerts: &Settings) -> Redactor {
    let of = |target: &Target| match &target.way {
        Way::Webhook { url, headers, .. } => {
            let path = url.splitn(4, '/').nth(3).unwrap_or_default().to_owned();
            let values = headers.iter().map(|(_, value)| value.clone());
            values.chain([path]).collect()
        }
        Way::Command(_) | Way::Syslog(_) => Vec::new(),
    };
    Redactor::new(
        alerts
            .targets
            .iter()
            .flat_map(of)
            .filter(|secret| secret.len() >= SECRET),
    )
}

/// Shorter than this it is a word like any other, and hiding it would hide half of every sentence.
const SECRET: usize = 8;

/// `[metrics]`.
pub(super) fn metrics(file: &Table<'_>) -> Metrics {
    let Some(table) = file.item("metrics").and_then(|item| item.table()) else {
        return Metrics::default();
    };
    let remote = table.item("allow_remote").and_then(|item| item.yes()).is_some();
    let listen = table.item("listen").and_then(|item| {
        let text = item.text()?;
        match text.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() || remote => Some(address),
            Ok(_) => item.wrong(
                format!("{text} is open to other hosts, and the metrics to whoever reaches it"),
                "write \"127.0.0.1:9109\", or add allow_remote = true",
            ),
            Err(_) => item.wrong(
                format!("\"{text}\" is not an address with a port"),
                "write it like \"127.0.0.1:9109\"",
            ),
        }
    });
    Metrics { listen }
}
