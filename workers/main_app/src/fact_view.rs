//! One line of the ledger as the page shows it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::view::Tone;

/// A fact as the supervisor wrote it, as far as it is shown.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Record {
    seq: u64,
    at: String,
    what: String,
    service: Option<String>,
    pid: Option<i32>,
    exit: Option<Exit>,
    cause: Value,
    detail: Option<String>,
}

/// How a process ended.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Exit {
    code: Option<i32>,
    signal: Option<String>,
    oom: Option<String>,
}

/// A row of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FactRow {
    /// Its number in the ledger.
    pub seq: u64,
    /// When, RFC 3339.
    pub at: String,
    /// How much it wants the eye.
    pub tone: Tone,
    /// What happened, in a word or two.
    pub what: String,
    /// To which service.
    pub service: Option<String>,
    /// How and why.
    pub words: String,
}

impl FactRow {
    /// The row of this fact.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        let what = match record.what.as_str() {
            "given_up" => "FATAL".to_owned(),
            word => word.replace('_', " "),
        };
        Self {
            seq: record.seq,
            at: record.at.clone(),
            tone: tone(record),
            what,
            service: record.service.clone(),
            words: words(record),
        }
    }
}

fn tone(record: &Record) -> Tone {
    let clean = record
        .exit
        .as_ref()
        .is_some_and(|exit| exit.code == Some(0) && exit.signal.is_none());
    match record.what.as_str() {
        "given_up" | "silent" | "unhealthy" | "died" | "not_started" | "killed" | "port_taken" => Tone::Bad,
        "exited" if record.cause.is_null() && !clean => Tone::Bad,
        "disk_low" | "memory_high" | "lost" | "alert_lost" | "missed" | "refused" => Tone::Warn,
        "ready" | "heard" | "healthy" | "memory_fine" | "disk_fine" => Tone::Good,
        "started" | "stopping" | "exited" | "stopped" => Tone::Busy,
        _ => Tone::Idle,
    }
}

fn words(record: &Record) -> String {
    let pid = record.pid.filter(|_| record.what != "exited");
    let parts = [
        pid.map(|pid| format!("pid {pid}")),
        record.exit.as_ref().map(ending),
        record.detail.clone(),
        cause(&record.cause),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect();
    parts.join("; ")
}

fn ending(exit: &Exit) -> String {
    let how = match (exit.code, &exit.signal) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => signal.clone(),
        (None, None) => "nobody can tell how".into(),
    };
    match &exit.oom {
        Some(_) => format!("{how} by the kernel's OOM killer"),
        None => how,
    }
}

/// Why, in words; nothing for what is not known.
fn cause(cause: &Value) -> Option<String> {
    let text = |name: &str| cause[name].as_str().unwrap_or_default();
    let words = text("words");
    Some(match text("by") {
        "operator" => operator(text("name"), text("command"), text("via")),
        "schedule" => format!("schedule {}", text("name")),
        "dependency" => format!("{} needs it", text("service")),
        "health" => format!("health: {words}"),
        "not_ready" => format!("not ready: {words}"),
        "exit" => format!("it ended: {words}"),
        "not_started" => format!("could not be started: {words}"),
        "memory" => format!("memory: {words}"),
        "watchdog" => format!("watchdog: {words}"),
        "change" => format!("{} changed", text("path")),
        "reload" => "services.toml was changed".into(),
        "grace" => "it did not end within its grace".into(),
        "signal" => format!("the supervisor got {}", text("signal")),
        "supervisor" => words.to_owned(),
        _ => return None,
    })
}

fn operator(name: &str, command: &str, via: &str) -> String {
    let who = if name.is_empty() { "somebody" } else { name };
    let mut told = who.to_owned();
    if !command.is_empty() {
        told = format!("{told}: {command}");
    }
    if !via.is_empty() {
        told = format!("{told} (from {via})");
    }
    told
}

#[cfg(test)]
mod tests {
    use super::{FactRow, Record, Tone};
    use serde_json::{Value, json};

    fn row(record: Value) -> FactRow {
        FactRow::of(&serde_json::from_value::<Record>(record).expect("a record"))
    }

    #[test]
    fn a_fact_is_told_with_its_cause() {
        let told = row(
            json!({"v": 1, "seq": 7, "at": "2026-01-05T15:00:00Z", "what": "exited", "service": "web", "pid": 5,
            "exit": {"signal": "SIGKILL", "oom": "kernel_log"}, "detail": "after 2.0 s"}),
        );
        assert_eq!(
            (told.tone, told.what.as_str(), told.seq),
            (Tone::Bad, "exited", 7)
        );
        assert_eq!(told.words, "SIGKILL by the kernel's OOM killer; after 2.0 s");
        let asked = json!({"what": "stopping", "pid": 5, "cause": {"by": "operator", "uid": 0, "name": "root",
            "command": "sentinel restart web", "via": "cron"}});
        assert_eq!(row(asked).words, "pid 5; root: sentinel restart web (from cron)");
    }

    #[test]
    fn trouble_has_its_tone_and_words_of_later_versions_pass() {
        let tone = |record: Value| row(record).tone;
        assert_eq!(tone(json!({"what": "given_up"})), Tone::Bad);
        assert_eq!(tone(json!({"what": "exited", "exit": {"code": 0}})), Tone::Busy);
        assert_eq!(
            tone(json!({"what": "exited", "exit": {"code": 1}, "cause": {"by": "operator"}})),
            Tone::Busy
        );
        assert_eq!(tone(json!({"what": "exited", "exit": {"code": 1}})), Tone::Bad);
        let odd = row(json!({"what": "some_thing_new", "cause": {"by": "magic"}}));
        assert_eq!((odd.what.as_str(), odd.words.as_str()), ("some thing new", ""));
        assert_eq!(row(json!({"what": "given_up"})).what, "FATAL");
    }
}
