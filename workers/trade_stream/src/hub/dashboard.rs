//! What the dashboard shows besides trades: bars of a minute, and the share of the time that the feed was
//! connected. Pure.

use std::time::{Duration, Instant};

use super::rate::PerMinute;

/// Bars, and the time with and without a connection.
#[derive(Debug)]
pub struct Dashboard {
    bars: PerMinute,
    last_bar: Option<Instant>,
    /// Whether there is a connection, since the last change; none before the first connection.
    now: Option<(bool, Instant)>,
    connected: Duration,
    missing: Duration,
}

impl Dashboard {
    /// Nothing came before `now`.
    pub fn new(now: Instant) -> Self {
        Self {
            bars: PerMinute::new(now),
            last_bar: None,
            now: None,
            connected: Duration::ZERO,
            missing: Duration::ZERO,
        }
    }

    /// Bars of a minute came.
    pub fn bars(&mut self, now: Instant, count: usize) {
        if count > 0 {
            self.bars.add(now, count);
            self.last_bar = Some(now);
        }
    }

    /// The connection stands from `now` on.
    pub fn connected(&mut self, now: Instant) {
        self.turn(now, true);
    }

    /// It is missing from `now` on. Before the first connection that is not counted: nothing was lost yet.
    pub fn disconnected(&mut self, now: Instant) {
        if self.now.is_some() {
            self.turn(now, false);
        }
    }

    fn turn(&mut self, now: Instant, is_connected: bool) {
        self.settle(now);
        self.now = Some((is_connected, now));
    }

    fn settle(&mut self, now: Instant) {
        if let Some((is_connected, since)) = &mut self.now {
            let passed = now.saturating_duration_since(*since);
            *if *is_connected {
                &mut self.connected
            } else {
                &mut self.missing
            } += passed;
            *since = now;
        }
    }

    /// Bars in the last minute.
    pub fn bars_per_minute(&mut self, now: Instant) -> u64 {
        self.bars.total(now)
    }

    /// Since the last bar.
    pub fn last_bar_age(&self, now: Instant) -> Option<Duration> {
        self.last_bar.map(|at| now.saturating_duration_since(at))
    }

    /// The connected part of the time since the first connection, in percent.
    pub fn uptime_percent(&mut self, now: Instant) -> Option<f64> {
        self.settle(now);
        self.now?;
        let all = (self.connected + self.missing).as_secs_f64();
        Some(if all > 0.0 {
            100.0 * self.connected.as_secs_f64() / all
        } else {
            100.0
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Dashboard;

    #[test]
    fn the_share_counts_from_the_first_connection() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut dashboard = Dashboard::new(start);
        dashboard.disconnected(at(1));
        assert_eq!(dashboard.uptime_percent(at(10)), None);
        dashboard.connected(at(10));
        assert_eq!(dashboard.uptime_percent(at(10)), Some(100.0));
        dashboard.disconnected(at(100));
        assert_eq!(dashboard.uptime_percent(at(110)), Some(90.0));
        dashboard.connected(at(110));
        assert_eq!(dashboard.uptime_percent(at(210)), Some(95.0));
    }

    #[test]
    fn bars_are_counted_and_their_age_is_told() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut dashboard = Dashboard::new(start);
        dashboard.bars(at(1), 0);
        assert_eq!(
            (dashboard.bars_per_minute(at(1)), dashboard.last_bar_age(at(1))),
            (0, None)
        );
        dashboard.bars(at(2), 3);
        assert_eq!(dashboard.bars_per_minute(at(50)), 3);
        assert_eq!(dashboard.last_bar_age(at(50)), Some(Duration::from_secs(48)));
        assert_eq!(dashboard.bars_per_minute(at(63)), 0);
    }
}
