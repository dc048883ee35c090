//! The answer to `health`: what is known about the upstream, judged for a supervisor and told to a
//! person.

use std::time::{Duration, Instant, SystemTime};

use alpaca::{State, Status, Verdict};
use stream_protocol::{Health, Market, TaskStatus, rfc3339};

use super::Hub;

/// Alpaca keeps the place of a connection that ended uncleanly for about 90 s. A supervisor that
/// restarts us within that time would only begin it anew.
const SLOT_GRACE: Duration = Duration::from_secs(120);

impl Hub {
    /// How things are now.
    pub(super) fn health(&mut self) -> Health {
        let now = Instant::now();
        let active_symbols = self.topics.active();
        let status = self.status.borrow().clone();
        let down = self.down_since.map(|since| now.saturating_duration_since(since));
        let reason = complaint(&status, down, active_symbols.len());
        let connected = status.state.is_connected();
        Health {
            alpaca_connected: connected,
            total_clients: self.count_clients(),
            alpaca_task_status: task_status(&status, down.is_some()),
            alpaca_subscribed: symbols(&status),
            last_data_received: status.last_data.map(rfc3339),
            connection_established_at: status.connected_at.filter(|_| connected).map(rfc3339),
            healthy: reason.is_none() || is_within_grace(&status, down, self.grace),
            reason,
            silence_s: silence(&status, SystemTime::now()),
            market: market(&status),
            reconnects: status.reconnects,
            feed: self.feed.clone(),
            trades_per_minute: self.rate.total(now),
            figures: self.figures(),
            active_symbols,
            vitals: self.vitals(&status),
        }
    }
}

/// The symbols of which anything is confirmed, each once.
fn symbols(status: &Status) -> Vec<String> {
    let mut symbols: Vec<String> = status
        .confirmed
        .iter()
        .map(|topic| topic.symbol.clone())
        .collect();
    symbols.dedup();
    symbols
}

/// The session's state in the words of the seeds. `wanted` is true from the first subscription
/// until the first connection, and whenever a connection is missed.
fn task_status(status: &Status, wanted: bool) -> TaskStatus {
    match status.state {
        State::Idle if !wanted => TaskStatus::NotStarted,
        State::Subscribing | State::Live => TaskStatus::Running,
        State::Closed | State::Fatal => TaskStatus::Dead,
        State::Idle
        | State::Connecting
        | State::AuthWait
        | State::SlotHeld
        | State::BackingOff
        | State::Closing => {
            if status.connected_at.is_some() || status.reconnects > 0 {
                TaskStatus::Reconnecting
            } else {
                TaskStatus::Connecting
            }
        }
    }
}

/// What the calendar says of the feed's market; asked of a session, which knows its feed.
fn market(status: &Status) -> Market {
    match (status.state.is_connected(), status.liveness.market.is_open()) {
        (false, _) => Market::Unknown,
        (true, true) => Market::Open,
        (true, false) => Market::Closed,
    }
}

/// What is wrong, if someone waits for it or only a person can mend it.
fn complaint(status: &Status, down: Option<Duration>, wanted: usize) -> Option<String> {
    let detail = status.detail.as_deref().unwrap_or("no reason is known yet");
    match status.state {
        State::Fatal | State::Closed => Some(format!("the upstream connection is given up: {detail}")),
        // Mute and dead connections are dropped by the session itself; until then they are not healthy.
        State::Subscribing | State::Live => match status.liveness.verdict {
            Some(Verdict::Mute | Verdict::Dead) => Some(status.sentence(SystemTime::now())),
            Some(Verdict::Live | Verdict::Quiet | Verdict::Suspect) | None => None,
        },
        State::Idle
        | State::Connecting
        | State::AuthWait
        | State::SlotHeld
        | State::BackingOff
        | State::Closing => {
            let down = down.filter(|_| wanted > 0)?.as_secs();
            if status.state == State::SlotHeld {
                return Some(format!("slot held elsewhere, {down} s: {detail}"));
            }
            let symbols = if wanted == 1 {
                "1 symbol waits".into()
            } else {
                format!("{wanted} symbols wait")
            };
            Some(format!(
                "no upstream connection for {down} s, {symbols}: {detail}"
            ))
        }
    }
}

/// Whether what is wrong may still mend itself soon.
fn is_within_grace(status: &Status, down: Option<Duration>, grace: Duration) -> bool {
    let grace = match status.state {
        State::Fatal | State::Closed => return false,
        State::SlotHeld => grace.max(SLOT_GRACE),
        State::Idle
        | State::Connecting
        | State::AuthWait
        | State::Subscribing
        | State::Live
        | State::BackingOff
        | State::Closing => grace,
    };
    down.is_none_or(|down| down < grace)
}

/// Seconds without a trade on this connection.
pub(super) fn silence(status: &Status, now: SystemTime) -> Option<f64> {
    let connected_at = status.connected_at.filter(|_| status.state.is_connected())?;
    let since = status
        .last_data
        .map_or(connected_at, |last| last.max(connected_at));
    let silence = now.duration_since(since).unwrap_or_default();
    Some((silence.as_secs_f64() * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use alpaca::{State, Status};
    use stream_protocol::TaskStatus;

    use super::{complaint, is_within_grace, silence, task_status};

    const GRACE: Duration = Duration::from_secs(30);

    fn status(state: State) -> Status {
        Status {
            state,
            since: SystemTime::UNIX_EPOCH,
            desired: Vec::new(),
            confirmed: Vec::new(),
            quarantined: Vec::new(),
            slow_client: 0,
            reconnects: 0,
            last_data: None,
            connected_at: None,
            dropped_trades: 0,
            detail: Some("connection refused".into()),
            liveness: alpaca::Liveness::default(),
        }
    }

    fn seconds(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn nothing_is_wrong_while_connected_or_not_needed() {
        assert_eq!(complaint(&status(State::Idle), None, 0), None);
        assert_eq!(complaint(&status(State::Live), None, 3), None);
        assert_eq!(
            complaint(&status(State::BackingOff), seconds(999), 0),
            None,
            "nobody waits"
        );
    }

    #[test]
    fn a_missing_connection_is_told_at_once_and_unhealthy_after_its_grace() {
        let lost = status(State::BackingOff);
        assert_eq!(
            complaint(&lost, seconds(7), 3).as_deref(),
            Some("no upstream connection for 7 s, 3 symbols wait: connection refused")
        );
        assert!(is_within_grace(&lost, seconds(29), GRACE));
        assert!(!is_within_grace(&lost, seconds(30), GRACE));
    }

    #[test]
    fn a_held_slot_has_the_time_that_alpaca_takes_to_free_it() {
        assert!(is_within_grace(&status(State::SlotHeld), seconds(90), GRACE));
        assert!(!is_within_grace(&status(State::SlotHeld), seconds(120), GRACE));
    }

    #[test]
    fn given_up_is_unhealthy_at_once() {
        let fatal = status(State::Fatal);
        let complaint = complaint(&fatal, seconds(0), 0).expect("a complaint");
        assert_eq!(
            complaint,
            "the upstream connection is given up: connection refused"
        );
        assert!(!is_within_grace(&fatal, seconds(0), GRACE));
        assert_eq!(task_status(&fatal, true), TaskStatus::Dead);
    }

    #[test]
    fn states_have_the_seeds_words() {
        assert_eq!(task_status(&status(State::Idle), false), TaskStatus::NotStarted);
        assert_eq!(task_status(&status(State::Idle), true), TaskStatus::Connecting);
        assert_eq!(
            task_status(&status(State::SlotHeld), true),
            TaskStatus::Connecting
        );
        assert_eq!(
            task_status(&status(State::Subscribing), false),
            TaskStatus::Running
        );
        let lost = Status {
            reconnects: 1,
            ..status(State::Connecting)
        };
        assert_eq!(task_status(&lost, true), TaskStatus::Reconnecting);
    }

    #[test]
    fn silence_counts_from_the_last_trade_of_this_connection() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut live = Status {
            connected_at: Some(at(100)),
            ..status(State::Live)
        };
        assert_eq!(silence(&live, at(104)), Some(4.0));
        live.last_data = Some(at(90));
        assert_eq!(
            silence(&live, at(104)),
            Some(4.0),
            "a trade of an earlier connection"
        );
        live.last_data = Some(at(103));
        assert_eq!(silence(&live, at(104)), Some(1.0));
        live.state = State::BackingOff;
        assert_eq!(silence(&live, at(104)), None);
    }
}
