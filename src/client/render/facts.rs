//! The ledger as text: one fact a line, wrapped below its cause.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::api::{Cause, Ending, Fact, OomProof, Record, What};
use crate::client::terminal::Terminal;

use super::Paint;
use super::words::{clean, shorten, wrap};

/// Columns of a cron mail.
const PAPER: usize = 80;
/// The widest name.
const NAME: usize = 18;
/// The widest word of [`What`].
const WHAT: usize = 11;

/// How facts are looked at.
#[derive(Clone, Debug)]
pub struct FactView {
    /// Columns.
    pub width: usize,
    /// The width of the names.
    pub name_width: usize,
    /// Whose clock.
    pub zone: TimeZone,
    /// Colours.
    pub paint: Paint,
}

impl FactView {
    /// For this terminal, and names as wide as these have.
    #[must_use]
    pub fn of(terminal: &Terminal, records: &[Record]) -> Self {
        Self::sized(terminal.width, terminal.paint, records)
    }

    /// For so many columns; those of paper without a number.
    #[must_use]
    pub fn sized(width: Option<usize>, paint: Paint, records: &[Record]) -> Self {
        let widths = records
            .iter()
            .filter_map(|record| record.fact.service.as_ref())
            .map(String::len);
        Self {
            width: width.unwrap_or(PAPER).max(60),
            name_width: widths.max().unwrap_or(8).clamp(8, NAME),
            zone: TimeZone::system(),
            paint,
        }
    }
}

/// `08:41:02 web      exited      exit code 1, after 12.0 s`; a line with the day before the first of it.
#[must_use]
pub fn fact_lines(record: &Record, view: &FactView, day: &mut Option<String>) -> String {
    let mut text = String::new();
    let at = record
        .at
        .parse::<Timestamp>()
        .ok()
        .map(|at| at.to_zoned(view.zone.clone()));
    let (date, time) = at.map_or_else(
        || (String::new(), record.at.clone()),
        |at| {
            (
                at.strftime("%Y-%m-%d, %Z").to_string(),
                at.strftime("%H:%M:%S").to_string(),
            )
        },
    );
    if day.as_ref() != Some(&date) {
        text.push_str(&format!("{}\n", view.paint.faint(&date)));
        *day = Some(date);
    }
    let fact = &record.fact;
    let name = shorten(&clean(fact.service.as_deref().unwrap_or("-")), view.name_width);
    let head = format!("{time} {name:<width$} ", width = view.name_width);
    let indent = head.chars().count() + WHAT + 1;
    let mut lines = wrap(&clean(&words(fact)), view.width.saturating_sub(indent)).into_iter();
    let what = painted(fact, view.paint, &format!("{:<WHAT$}", fact.what.as_str()));
    let first = format!(
        "{}{what} {}",
        view.paint.faint(&head),
        lines.next().unwrap_or_default()
    );
    text.push_str(first.trim_end());
    text.push('\n');
    for line in lines {
        text.push_str(&format!("{:indent$}{line}\n", ""));
    }
    text
}

fn painted(fact: &Fact, paint: Paint, text: &str) -> String {
    match fact.what {
        What::GivenUp
        | What::Silent
        | What::Flapping
        | What::Unhealthy
        | What::Died
        | What::NotStarted
        | What::Killed
        | What::PortTaken => paint.bad(text),
        What::DiskLow | What::MemoryHigh | What::Lost | What::AlertLost | What::Missed | What::Refused => {
            paint.bad(text)
        }
        What::Exited
            if fact.cause.is_none() && fact.exit.as_ref().is_none_or(|exit| exit.code != Some(0)) =>
        {
            paint.bad(text)
        }
        What::Exited | What::Started | What::Stopping | What::Stopped => paint.middling(text),
        What::Ready | What::Heard | What::Steady | What::MemoryFine | What::Healthy => paint.good(text),
        What::DiskFine | What::PortFree => paint.good(text),
        What::Began
        | What::Left
        | What::Upgraded
        | What::Adopted
        | What::Ended
        | What::Command
        | What::Reloaded
        | What::Scheduled => text.to_owned(),
        What::Flushed | What::Other => text.to_owned(),
    }
}

/// Everything but the time, the name and the word: how it ended, its cause, the rest.
#[must_use]
pub fn words(fact: &Fact) -> String {
    let pid = fact
        .pid
        .filter(|_| fact.what != What::Exited)
        .map(|pid| format!("pid {pid}"));
    let exit = fact.exit.as_ref().map(ending);
    let cause = fact.cause.as_ref().map(|cause| match cause {
        // Tried again, to the same end: it is said once.
        Cause::NotStarted { words } if fact.detail.as_ref() == Some(words) => "as the time before".to_owned(),
        other => self::cause(other),
    });
    let parts = [pid, exit, fact.detail.clone(), cause];
    parts
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}

fn ending(ending: &Ending) -> String {
    let how = match (ending.code, &ending.signal) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => signal.clone(),
        (None, None) => "nobody can tell how".into(),
    };
    match ending.oom {
        None => how,
        Some(OomProof::KernelLog) => format!("{how} by the kernel's OOM killer"),
        Some(OomProof::Cgroup) => format!("{how} by the kernel's OOM killer (its control group counted one)"),
        Some(OomProof::HostCount) => {
            format!("{how}, most likely by the kernel's OOM killer (the host counted one)")
        }
    }
}

/// A cause in words.
#[must_use]
pub fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Operator {
            uid,
            name,
            command,
            via,
        } => {
            let who = name
                .as_ref()
                .map_or_else(|| format!("uid {uid}"), |name| format!("{name} (uid {uid})"));
            let via = via.as_ref().map(|via| format!(" from {via}")).unwrap_or_default();
            match command {
                Some(command) => format!("`{command}` by {who}{via}"),
                None => format!("by {who}{via}"),
            }
        }
        Cause::Schedule { name } => format!("schedule {name}"),
        Cause::Dependency { service } => format!("{service} needs it"),
        Cause::Health { words } => format!("health: {words}"),
        Cause::NotReady { words } => words.clone(),
        Cause::Exit { words } => format!("it ended with {words}"),
        Cause::NotStarted { words } => format!("could not start: {words}"),
        Cause::Memory { words } => format!("memory: {words}"),
        Cause::Watchdog { words } => format!("watchdog: {words}"),
        Cause::Change { path } => format!("{path} changed"),
        Cause::Reload => "services.toml differs".into(),
        Cause::Grace => "its grace was over".into(),
        Cause::Signal { signal } => format!("the supervisor got {signal}"),
        Cause::Supervisor { words } => words.clone(),
        Cause::Other => "for a reason that a later version knows".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(fact: Fact) -> Record {
        Record {
            v: 1,
            seq: 1,
            at: "2026-11-21T08:41:02.123Z".into(),
            boot_ms: 0,
            fact,
        }
    }

    fn shown(fact: Fact) -> String {
        let view = FactView {
            width: 80,
            name_width: 12,
            zone: TimeZone::UTC,
            paint: Paint::PLAIN,
        };
        fact_lines(&record(fact), &view, &mut Some("2026-11-21, UTC".into()))
    }

    #[test]
    fn a_fact_is_a_line_that_fits() {
        let mut fact = Fact::of(&"trade_stream", What::Exited)
            .pid(7)
            .detail("after 12.0 s");
        fact.exit = Some(Ending {
            signal: Some("SIGKILL".into()),
            oom: Some(OomProof::HostCount),
            ..Ending::default()
        });
        let text = shown(fact);
        assert_eq!(
            text,
            "08:41:02 trade_stream exited      SIGKILL, most likely by the kernel's OOM\n                                  killer (the host counted one); after 12.0 s\n"
        );
        assert!(text.lines().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn who_asked_is_named_and_control_characters_are_not_passed_on() {
        let asked = Cause::Operator {
            uid: 1000,
            name: Some("ann".into()),
            command: Some("sentinel stop web\x1b".into()),
            via: Some("cron".into()),
        };
        let text = shown(Fact::of(&"web", What::Stopping).because(asked));
        assert_eq!(
            text,
            "08:41:02 web          stopping    `sentinel stop web?` by ann (uid 1000) from\n                                  cron\n"
        );
    }

    #[test]
    fn a_new_day_has_a_line() {
        let view = FactView {
            width: 80,
            name_width: 8,
            zone: TimeZone::UTC,
            paint: Paint::PLAIN,
        };
        let mut day = None;
        let text = fact_lines(&record(Fact::new(What::Began)), &view, &mut day);
        assert_eq!(text, "2026-11-21, UTC\n08:41:02 -        began\n");
        assert!(!fact_lines(&record(Fact::new(What::Left)), &view, &mut day).contains("2026"));
    }
}
