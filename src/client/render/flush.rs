//! What became of the ports, in lines.

use std::fmt::Write as _;

use crate::ports::{HolderReport, Kind, Outcome, PortReport};

use super::Paint;
use super::words::{clean, count};

/// The ports that are as wanted, and the verdict on them as the last line. See [`not_free`] for the others.
#[must_use]
pub fn flushed(ports: &[PortReport], dry_run: bool, paint: Paint) -> String {
    let mut text = String::new();
    for port in ports.iter().filter(|port| port.outcome.ok()) {
        let _ = writeln!(text, "{}", flushed_port(port, paint));
    }
    let all_good = ports.iter().all(|port| port.outcome.ok());
    let verdict = match (dry_run, ports.len()) {
        (true, _) => Some("nothing was touched".to_owned()),
        (false, 0) => Some("no port is assigned".to_owned()),
        (false, _) => all_good.then(|| proven(ports)),
    };
    if let Some(verdict) = verdict {
        let _ = writeln!(text, "{}", paint.good(&verdict));
    }
    text
}

/// The ports that are not as wanted: a sentence, and a line for each.
#[must_use]
pub fn not_free(ports: &[PortReport]) -> Option<(String, Vec<String>)> {
    let bad: Vec<&PortReport> = ports.iter().filter(|port| !port.outcome.ok()).collect();
    let lines = bad.iter().map(|port| flushed_port(port, Paint::PLAIN)).collect();
    (!bad.is_empty()).then(|| (format!("{} not free", are(bad.len())), lines))
}

/// `2 ports are free, 1 is left to its service`.
fn proven(ports: &[PortReport]) -> String {
    let kept = ports.iter().filter(|port| is_left(port)).count();
    let free = ports.len() - kept;
    let left = match (free, kept) {
        (_, 0) => return format!("{} free", are(free)),
        (0, 1) => return "1 port is left to its service".to_owned(),
        (0, _) => return format!("{} left to their services", are(kept)),
        (_, 1) => "1 is left to its service".to_owned(),
        (_, more) => format!("{more} are left to their services"),
    };
    format!("{} free, {left}", are(free))
}

/// Whether a running service keeps it, as was asked for.
fn is_left(port: &PortReport) -> bool {
    port.outcome == Outcome::Free && !port.holders.is_empty()
}

fn are(number: usize) -> String {
    format!(
        "{} {}",
        count(number as u64, "port"),
        if number == 1 { "is" } else { "are" }
    )
}

/// `port 8765: freed from python3 (pid 12, not ours, SIGTERM)`.
#[must_use]
pub fn flushed_port(port: &PortReport, paint: Paint) -> String {
    let holders: Vec<String> = port.holders.iter().map(holder).collect();
    let holders = if holders.is_empty() {
        "its holder".into()
    } else {
        holders.join(", ")
    };
    let why = port.error.as_deref().map(clean);
    let words = match (port.outcome, why) {
        (Outcome::Free, _) if is_left(port) => format!("left to {holders}"),
        (Outcome::Free, _) => "free".to_owned(),
        (Outcome::Freed, _) => paint.good(&format!("freed from {holders}")),
        (Outcome::WouldFree, _) => paint.middling(&format!("would be freed from {holders}")),
        (Outcome::Refused, Some(why)) => paint.bad(&format!("refused: {why}")),
        (Outcome::Refused, None) => paint.bad(&format!("refused, held by {holders}")),
        (Outcome::Failed, Some(why)) => paint.bad(&format!("failed: {why}")),
        (Outcome::Failed, None) => paint.bad(&format!("failed, held by {holders}")),
    };
    format!("port {}: {words}", port.port)
}

/// `python3 (pid 12, not ours, SIGTERM)`.
#[must_use]
pub fn holder(holder: &HolderReport) -> String {
    let kind = match holder.kind {
        Kind::Managed => "a running service",
        Kind::Stray => "a leftover of ours",
        Kind::Foreign => "not ours",
    };
    let signal = holder
        .signal
        .as_deref()
        .map(|signal| format!(", {signal}"))
        .unwrap_or_default();
    format!("{} (pid {}, {kind}{signal})", clean(&holder.command), holder.pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports() -> Vec<PortReport> {
        let json = serde_json::json!([
            {"port": 8764, "outcome": "free", "holders": [], "error": null},
            {"port": 8765, "outcome": "freed", "error": null,
             "holders": [{"pid": 12, "command": "python3", "kind": "foreign", "signal": "SIGTERM"}]},
            {"port": 8766, "outcome": "refused", "error": "port 8766 is listed in protected_ports",
             "holders": [{"pid": 13, "command": "nginx", "kind": "foreign", "signal": null}]}
        ]);
        serde_json::from_value(json).expect("as in the contract")
    }

    #[test]
    fn each_good_port_has_a_line_and_the_verdict_is_last() {
        insta::assert_snapshot!(flushed(&ports()[..2], false, Paint::PLAIN), @r"
        port 8764: free
        port 8765: freed from python3 (pid 12, not ours, SIGTERM)
        2 ports are free
        ");
        assert_eq!(not_free(&ports()[..2]), None);
    }

    #[test]
    fn a_bad_port_takes_the_verdict_with_it() {
        assert!(!flushed(&ports(), false, Paint::PLAIN).contains("are free"));
        assert_eq!(
            not_free(&ports()),
            Some((
                "1 port is not free".into(),
                vec!["port 8766: refused: port 8766 is listed in protected_ports".into()]
            ))
        );
    }

    #[test]
    fn a_port_that_its_service_keeps_is_not_free() {
        let mut ports = ports();
        ports.truncate(2);
        ports[1].outcome = Outcome::Free;
        let last = |ports: &[PortReport]| {
            let text = flushed(ports, false, Paint::PLAIN);
            text.lines().last().map(str::to_owned)
        };
        assert_eq!(
            last(&ports).as_deref(),
            Some("1 port is free, 1 is left to its service")
        );
        assert_eq!(
            last(&ports[1..]).as_deref(),
            Some("1 port is left to its service")
        );
    }

    #[test]
    fn a_dry_run_says_that_nothing_was_touched() {
        let text = flushed(&ports()[..1], true, Paint::PLAIN);
        assert_eq!(text, "port 8764: free\nnothing was touched\n");
    }
}
