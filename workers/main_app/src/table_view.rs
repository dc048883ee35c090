//! Ports and schedules as rows of text.

use jiff::Timestamp;
use serde::Serialize;

use crate::status::{Port, Schedule};
use crate::view::Tone;
use crate::words::duration;

/// A row of a table that is only read: a tone, and its cells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plain {
    /// How much it wants the eye.
    pub tone: Tone,
    /// The texts, from left to right; the first names the row.
    pub cells: Vec<String>,
}

/// The columns of [`ports`].
pub const PORTS: [&str; 4] = ["Port", "Service", "State", "Held by"];
/// The columns of [`schedules`].
pub const SCHEDULES: [&str; 5] = ["Schedule", "Does", "When", "Next", "Last run"];

/// Who holds the assigned ports; what should not be comes first.
#[must_use]
pub fn ports(ports: &[Port]) -> Vec<Plain> {
    let mut rows: Vec<Plain> = ports.iter().map(port).collect();
    rows.sort_by_key(|row| row.tone);
    rows
}

fn port(port: &Port) -> Plain {
    let (tone, state) = match port.state.as_str() {
        "ok" => (Tone::Good, "held by its service"),
        "free" => (Tone::Idle, "free"),
        "down" => (Tone::Bad, "nobody listens, though its service runs"),
        "stray" => (Tone::Bad, "held by a stray of ours"),
        "foreign" => (Tone::Bad, "held by a stranger"),
        other => (Tone::Warn, other),
    };
    let holder = match (&port.command, port.pid) {
        (Some(command), Some(pid)) => format!("{command} (pid {pid})"),
        (None, Some(pid)) => format!("pid {pid}"),
        (_, None) if port.state == "foreign" => "a process that we may not see".into(),
        (_, None) => "–".into(),
    };
    Plain {
        tone,
        cells: vec![port.port.to_string(), port.service.clone(), state.into(), holder],
    }
}

/// What is done by the clock.
#[must_use]
pub fn schedules(schedules: &[Schedule], now: Timestamp) -> Vec<Plain> {
    schedules.iter().map(|one| schedule(one, now)).collect()
}

fn schedule(schedule: &Schedule, now: Timestamp) -> Plain {
    let next = match (&schedule.next, schedule.next_in_s) {
        (Some(at), Some(seconds)) => format!("{}, in {}", minute(at), duration(seconds)),
        _ => "never".into(),
    };
    let zone = &schedule.timezone;
    let (tone, last) = last(schedule, now);
    Plain {
        tone,
        cells: vec![
            schedule.name.clone(),
            schedule.deed.clone(),
            format!("{} ({zone})", schedule.cron),
            next,
            last,
        ],
    }
}

fn last(schedule: &Schedule, now: Timestamp) -> (Tone, String) {
    let Some(run) = &schedule.last else {
        return (Tone::Idle, "not yet".into());
    };
    let tone = match run.result.as_str() {
        "done" => Tone::Good,
        "running" => Tone::Busy,
        "failed" | "missed" => Tone::Bad,
        _ => Tone::Idle,
    };
    let ago = run.began.parse::<Timestamp>().ok();
    let ago = ago.map(|at| format!(", {} ago", duration(now.duration_since(at).as_secs_f64())));
    let took = run.took_s.map(|took| format!(", took {}", duration(took)));
    let line = run.line.as_deref().filter(|line| !line.is_empty());
    let line = line.map(|line| format!(": {line}"));
    let parts = [ago, took, line];
    let rest: String = parts.into_iter().flatten().collect();
    (tone, format!("{}{rest}", run.result))
}

/// `2026-11-22 03:00` of an RFC 3339 time, by the clock it was told by.
fn minute(at: &str) -> String {
    at.get(..16).unwrap_or(at).replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::{Plain, Tone, ports, schedules};
    use serde_json::json;

    fn cells(row: &Plain) -> Vec<&str> {
        row.cells.iter().map(String::as_str).collect()
    }

    #[test]
    fn a_port_that_a_stranger_holds_comes_first_with_its_holder() {
        let rows = ports(
            &serde_json::from_value::<Vec<_>>(json!([
                {"port": 8765, "service": "stream", "state": "ok", "pid": 5, "command": "trade-stream"},
                {"port": 8766, "service": "proxy", "state": "foreign", "pid": 7, "command": "python3"},
                {"port": 3000, "service": "web", "state": "free", "pid": null, "command": null},
            ]))
            .expect("ports"),
        );
        assert_eq!(rows[0].tone, Tone::Bad);
        assert_eq!(
            cells(&rows[0]),
            ["8766", "proxy", "held by a stranger", "python3 (pid 7)"]
        );
        assert_eq!(
            cells(&rows[1]),
            ["8765", "stream", "held by its service", "trade-stream (pid 5)"]
        );
        assert_eq!(cells(&rows[2]), ["3000", "web", "free", "–"]);
    }

    #[test]
    fn a_schedule_tells_when_and_how_it_went() {
        let one = json!([{"name": "open", "do": "restart", "cron": "30 9 * * 1-5", "timezone": "America/New_York",
            "next": "2026-11-23T09:30:00-05:00", "next_in_s": 7200.0,
            "last": {"result": "failed", "began": "2026-01-05T14:00:00Z", "took_s": 2.5, "exit_code": 1, "line": "a failed"}},
            {"name": "never", "do": "flush", "cron": "0 0 30 2 *", "timezone": "local", "next": null, "last": null}]);
        let schedules = schedules(
            &serde_json::from_value::<Vec<_>>(one).expect("schedules"),
            "2026-01-05T15:00:00Z".parse().expect("a time"),
        );
        assert_eq!(schedules[0].tone, Tone::Bad);
        assert_eq!(
            cells(&schedules[0])[3..],
            [
                "2026-11-23 09:30, in 2h 00m",
                "failed, 1h 00m ago, took 2.5 s: a failed"
            ]
        );
        assert_eq!(cells(&schedules[1])[3..], ["never", "not yet"]);
    }
}
