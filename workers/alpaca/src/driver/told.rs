//! How the driver tells of the session: its log lines, and the figures of a status.

use std::time::{Instant, SystemTime};

use tracing::{info, warn};

use crate::session::{Action, VitalSigns};
use crate::{Event, Liveness, topic};

/// When an instant is, by the clock on the wall.
pub(super) fn wall_clock(at: Instant) -> SystemTime {
    let (now, wall) = (Instant::now(), SystemTime::now());
    wall - now.saturating_duration_since(at) + at.saturating_duration_since(now)
}

pub(super) fn liveness(signs: VitalSigns) -> Liveness {
    Liveness {
        verdict: signs.verdict,
        market: signs.market,
        expected_every: signs.expected_every,
        alarm_after: signs.alarm_after,
        round_trip: signs.round_trip,
        mute_alarms: signs.mute_alarms,
        renewed_symbols: signs.renewed_symbols,
        flapping_until: signs.flapping_until.map(wall_clock),
    }
}

/// Whether this action's log line says what is wrong.
pub(super) fn says_why(action: &Action) -> bool {
    matches!(
        action,
        Action::Emit(Event::Disconnected { .. } | Event::Fatal { .. })
    )
}

pub(super) fn log(event: &Event) {
    match event {
        // Unreadable parts are logged where they are read; a pause may only have been lateness.
        Event::Trades(_) | Event::Data(_) | Event::Doubted { .. } | Event::Paused { .. } => {}
        Event::Connected => info!("connected to Alpaca"),
        Event::Disconnected { reason } => warn!("disconnected from Alpaca: {reason}"),
        Event::Subscribed { topics } => info!("subscribed at Alpaca: {}", topic::list(topics)),
        Event::Muted { symbols } => {
            warn!(
                "silent while others are not, subscribed anew: {}",
                silences(symbols)
            );
        }
        Event::Refused {
            topics,
            code,
            message,
        } => warn!("Alpaca refused {}: {message} (code {code})", topic::list(topics)),
        Event::Fatal { code, message } => warn!("giving up: {message} (code {code})"),
    }
}

fn silences(symbols: &[(String, std::time::Duration)]) -> String {
    let named = symbols.iter();
    let named = named.map(|(symbol, silence)| format!("{symbol} ({:.1} s)", silence.as_secs_f64()));
    named.collect::<Vec<_>>().join(", ")
}
