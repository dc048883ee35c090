//! As whom a service ran elsewhere and how much it could use, as services.toml has it.

use super::super::draft::{Service, quote};
use super::super::ledger::{Branch, Ledger};
use super::super::node::Node;
use super::{span, truth};

type Read = fn(&Node) -> Result<String, String>;

/// Their key, ours (`table.key` in a table), and how its value is read.
type Row = (&'static str, &'static str, Read);

const SYSTEMD: [Row; 12] = [
    ("User", "user", account),
    ("Group", "unix_group", account),
    ("UMask", "umask", mask),
    ("Nice", "nice", whole),
    ("LimitNOFILE", "limits.open_files", limit),
    ("LimitNPROC", "limits.processes", limit),
    ("LimitCORE", "limits.core", limit),
    ("LimitAS", "limits.memory", limit),
    ("OOMScoreAdjust", "oom_score_adjust", whole),
    ("MemoryMax", "memory_max", memory),
    ("NoNewPrivileges", "no_new_privs", flag),
    ("WatchdogSec", "watchdog", watchdog),
];

const SUPERVISORD: [Row; 2] = [("user", "user", account), ("umask", "umask", mask)];

const COMPOSE: [Row; 2] = [
    ("mem_limit", "memory_max", memory),
    ("oom_score_adj", "oom_score_adjust", whole),
];

/// PM2's `300M` is of powers of 1024, as ours.
const PM2: [Row; 3] = [
    ("max_memory_restart", "memory_max", memory),
    ("uid", "user", account),
    ("gid", "unix_group", account),
];

const ULIMITS: [Row; 4] = [
    ("nofile", "limits.open_files", limit),
    ("nproc", "limits.processes", limit),
    ("core", "limits.core", limit),
    ("as", "limits.memory", limit),
];

pub(super) fn systemd(ledger: &mut Ledger, service: &mut Service, keys: &mut Branch) {
    carry(ledger, service, keys, &SYSTEMD);
}

pub(super) fn supervisord(ledger: &mut Ledger, service: &mut Service, keys: &mut Branch) {
    carry(ledger, service, keys, &SUPERVISORD);
}

pub(super) fn pm2(ledger: &mut Ledger, service: &mut Service, keys: &mut Branch) {
    carry(ledger, service, keys, &PM2);
}

pub(super) fn compose(ledger: &mut Ledger, service: &mut Service, keys: &mut Branch) {
    carry(ledger, service, keys, &COMPOSE);
    if let Some(mut ulimits) = keys.enter("ulimits") {
        carry(ledger, service, &mut ulimits, &ULIMITS);
        ulimits.close(ledger, "`limits` has open_files, memory, processes and core");
    }
}

fn carry(ledger: &mut Ledger, service: &mut Service, keys: &mut Branch, rows: &[Row]) {
    for &(theirs, ours, read) in rows {
        let Some(value) = keys.carry(ledger, theirs, ours, |node| read(&counting(node))) else {
            continue;
        };
        match ours.split_once('.') {
            Some((_, key)) => service.put("limits", key, value),
            None => service.lines.push((ours.to_owned(), value)),
        }
    }
}

/// Of a key that stands several times, the last counts.
fn counting(node: &Node) -> Node {
    match node {
        Node::List(values) => values.last().cloned().unwrap_or(Node::Empty),
        other => other.clone(),
    }
}

fn words(node: &Node) -> &str {
    node.text().unwrap_or_default().trim()
}

fn account(node: &Node) -> Result<String, String> {
    match words(node) {
        "" => Err("it is empty: as whoever runs sentinel".into()),
        name if name.contains(['%', '$', ':', '/']) => Err(format!("`{name}` is not the plain name of one")),
        name => Ok(quote(name)),
    }
}

fn mask(node: &Node) -> Result<String, String> {
    let text = words(node);
    match u32::from_str_radix(text, 8) {
        Ok(mask) if mask <= 0o777 => Ok(quote(&format!("{mask:03o}"))),
        _ => Err(format!("`{text}` is not a mask of octal digits")),
    }
}

fn whole(node: &Node) -> Result<String, String> {
    let text = words(node);
    let number: Result<i32, _> = text.parse();
    number
        .map(|number| number.to_string())
        .map_err(|_| format!("`{text}` is not a whole number"))
}

fn flag(node: &Node) -> Result<String, String> {
    truth(node).map(|flag| flag.to_string())
}

/// systemd's and compose's letters are powers of 1024, as ours.
fn size(text: &str) -> Result<String, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let known = ["", "k", "m", "g", "t", "b", "kb", "mb", "gb"].contains(&unit.to_ascii_lowercase().as_str());
    match number.parse::<u64>() {
        Ok(bytes) if known && ["", "b", "B"].contains(&unit) => Ok(bytes.to_string()),
        // `mb` means 1024 * 1024 in compose.
        Ok(_) if known => Ok(quote(&format!("{number}{}iB", unit[..1].to_ascii_uppercase()))),
        _ => Err(format!("`{text}` is not a plain size")),
    }
}

/// `soft:hard`, a table of the two, or one number for both.
fn limit(node: &Node) -> Result<String, String> {
    let part = |name: &str| match node {
        Node::Table(pairs) => pairs
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| words(value)),
        Node::Text(text) => text.trim().split(':').nth(usize::from(name == "hard")),
        Node::Empty | Node::List(_) => None,
    };
    match (part("soft"), part("hard")) {
        (Some(soft), Some(hard)) if soft != hard => {
            Err("soft and hard differ, and here one number is both".into())
        }
        (Some("infinity" | "unlimited" | "-1"), _) => Ok(quote("unlimited")),
        (Some(number), _) => size(number),
        (None, _) => Err("no number stands there".into()),
    }
}

fn memory(node: &Node) -> Result<String, String> {
    match words(node) {
        "infinity" | "0" | "-1" => Err("it sets no limit".into()),
        text => match size(text)? {
            // A bare number is a size too, and needs no quotes.
            size if size.parse::<u64>().is_ok_and(|bytes| bytes < 4096) => {
                Err("no program can keep to so little".into())
            }
            size => Ok(size),
        },
    }
}

fn watchdog(node: &Node) -> Result<String, String> {
    match span(node)?.as_str() {
        "\"0s\"" => Err("it sets no watchdog".into()),
        time => Ok(time.to_owned()),
    }
}
