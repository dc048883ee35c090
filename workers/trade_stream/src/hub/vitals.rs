//! How the upstream's feed is, for `health`.

use std::time::{Duration, Instant, SystemTime};

use alpaca::Status;
use stream_protocol::{Latency, Quarantined, Vitals};

use super::Hub;

impl Hub {
    /// How the feed is now.
    pub(super) fn vitals(&mut self, status: &Status) -> Vitals {
        let now = SystemTime::now();
        let live = &status.liveness;
        Vitals {
            state: status.word().into(),
            sentence: status.sentence(now),
            expected_every_s: live.expected_every.map(seconds),
            alarm_after_s: seconds(live.alarm_after),
            round_trip_ms: live.round_trip.map(|took| round(took.as_secs_f64() * 1000.0)),
            flapping: status.is_flapping(now),
            quarantined: quarantined(status),
            orders_state: self.orders_state(),
            latency: Latency {
                inside_p50_ms: self.inside.within_ms(0.5),
                inside_p99_ms: self.inside.within_ms(0.99),
                feed_p50_ms: self.feed_latency.within_ms(0.5),
                feed_p99_ms: self.feed_latency.within_ms(0.99),
            },
            bars_per_minute: self.dashboard.bars_per_minute(Instant::now()),
            last_bar_age_s: self.dashboard.last_bar_age(Instant::now()).map(seconds),
            uptime_percent: self.dashboard.uptime_percent(Instant::now()).map(round),
        }
    }
}

fn quarantined(status: &Status) -> Vec<Quarantined> {
    let told = |one: &alpaca::Quarantined| Quarantined {
        symbol: one.topic.symbol.clone(),
        channel: one.topic.channel.name().into(),
        code: one.code,
        message: one.message.clone(),
    };
    status.quarantined.iter().map(told).collect()
}

fn seconds(duration: Duration) -> f64 {
    round(duration.as_secs_f64())
}

fn round(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}
