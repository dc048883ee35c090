//! What the proxy counts, for `GET /metrics` and in the answers to `health`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ws_listener::{Histogram, Metrics};

/// Counts since the start; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Counts(Arc<Figures>);

#[derive(Debug, Default)]
struct Figures {
    connected: AtomicU64,
    ended: AtomicU64,
    refused: AtomicU64,
    kept: AtomicU64,
    reconnected: AtomicU64,
    gave_up: AtomicU64,
    asked_again: AtomicU64,
    trades: AtomicU64,
    gaps: AtomicU64,
    bytes_down: AtomicU64,
    bytes_up: AtomicU64,
    queue_bytes: AtomicU64,
    /// How long browsers were without a backend.
    away: Mutex<Histogram>,
    /// How long it took to be connected to the backend, handshake included.
    dialled: Mutex<Histogram>,
}

/// What has passed from a backend to a browser.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Passed {
    pub(crate) trades: u64,
    pub(crate) gaps: u64,
}

/// Counts a browser as ended when dropped.
pub(crate) struct Counted(Counts);

/// The bytes that wait for one browser; none when dropped.
pub(crate) struct Waiting<'a>(&'a Counts, u64);

impl Counts {
    /// A browser has connected.
    pub(crate) fn connected(&self) -> Counted {
        add(&self.0.connected, 1);
        Counted(self.clone())
    }

    /// A visitor was turned away.
    pub(crate) fn refused(&self) {
        add(&self.0.refused, 1);
    }

    /// A browser was kept while its backend went away; so many of its requests are asked again.
    pub(crate) fn kept(&self, asked_again: usize) {
        add(&self.0.kept, 1);
        add(&self.0.asked_again, asked_again as u64);
    }

    /// A connection to the backend was made in this time; `away`: for a browser that had been without
    /// one for so long.
    pub(crate) fn dialled(&self, took: Duration, away: Option<Duration>) {
        lock(&self.0.dialled).add(took, 1);
        if let Some(away) = away {
            add(&self.0.reconnected, 1);
            lock(&self.0.away).add(away, 1);
        }
    }

    /// A browser was closed since there was no backend for it.
    pub(crate) fn gave_up(&self) {
        add(&self.0.gave_up, 1);
    }

    /// Bytes came from a backend, with so much in them.
    pub(crate) fn down(&self, bytes: usize, passed: Passed) {
        add(&self.0.bytes_down, bytes as u64);
        add(&self.0.trades, passed.trades);
        add(&self.0.gaps, passed.gaps);
    }

    /// Bytes came from a browser.
    pub(crate) fn up(&self, bytes: usize) {
        add(&self.0.bytes_up, bytes as u64);
    }

    /// Nothing waits for a browser yet.
    pub(crate) fn waiting(&self) -> Waiting<'_> {
        Waiting(self, 0)
    }

    /// A part of the answer to `health`: the figures of this hop, as JSON.
    pub(crate) fn health(&self) -> String {
        let mut text = String::from("{");
        for (name, _, count) in self.all() {
            text.push_str(&format!("\"{name}\":{count},"));
        }
        let (away, dialled) = (lock(&self.0.away).clone(), lock(&self.0.dialled).clone());
        let within = |histogram: &Histogram| match histogram.within_ms(0.99) {
            Some(ms) => ms.to_string(),
            None => "null".to_owned(),
        };
        let (away, dialled) = (within(&away), within(&dialled));
        text.push_str(&format!("\"away_p99_ms\":{away},\"dial_p99_ms\":{dialled}}}"));
        text
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let mut metrics = Metrics::default();
        for (name, help, count) in self.all() {
            match name {
                "browsers" | "queue_bytes" => {
                    metrics.gauge(&format!("browser_proxy_{name}"), help, count as f64);
                }
                name => metrics.counter(&format!("browser_proxy_{name}_total"), help, count),
            }
        }
        let (away, dialled) = (lock(&self.0.away).clone(), lock(&self.0.dialled).clone());
        let help = "Seconds that a browser was without a backend.";
        metrics.histogram("browser_proxy_away_seconds", help, &away.buckets(), away.sum);
        let help = "Seconds until a connection to the backend stood, waiting for it included.";
        metrics.histogram(
            "browser_proxy_dial_seconds",
            help,
            &dialled.buckets(),
            dialled.sum,
        );
        metrics
    }

    /// Each count with its name and what it is.
    fn all(&self) -> [(&'static str, &'static str, u64); 12] {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let all = &self.0;
        let (connected, ended) = (of(&all.connected), of(&all.ended));
        let now = connected.saturating_sub(ended);
        [
            ("browsers", "Browsers connected now.", now),
            (
                "queue_bytes",
                "Bytes that wait for browsers.",
                of(&all.queue_bytes),
            ),
            ("connected", "Browsers ever connected.", connected),
            ("refused", "Visitors turned away.", of(&all.refused)),
            (
                "kept",
                "Times that a browser was kept while its backend went away.",
                of(&all.kept),
            ),
            (
                "reconnects",
                "Times that such a browser got a backend again.",
                of(&all.reconnected),
            ),
            (
                "gave_up",
                "Browsers closed since there was no backend.",
                of(&all.gave_up),
            ),
            (
                "asked_again",
                "Requests asked of the next backend.",
                of(&all.asked_again),
            ),
            ("trades", "Trades passed on to browsers.", of(&all.trades)),
            ("gaps", "Gaps passed on to browsers.", of(&all.gaps)),
            ("bytes_down", "Bytes from the backend.", of(&all.bytes_down)),
            ("bytes_up", "Bytes from browsers.", of(&all.bytes_up)),
        ]
    }
}

impl Waiting<'_> {
    /// So many bytes wait now.
    pub(crate) fn are(&mut self, bytes: usize) {
        let (before, now) = (self.1, bytes as u64);
        if now != before {
            // Both steps wrap around, so that less is added as the complement.
            self.0
                .0
                .queue_bytes
                .fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
            self.1 = now;
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.are(0);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        add(&self.0.0.ended, 1);
    }
}

fn add(count: &AtomicU64, more: u64) {
    if more > 0 {
        count.fetch_add(more, Ordering::Relaxed);
    }
}

/// A panic while holding it would leave a time uncounted at worst.
fn lock(histogram: &Mutex<Histogram>) -> std::sync::MutexGuard<'_, Histogram> {
    histogram.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Counts, Passed};

    #[test]
    fn metrics_and_health_tell_the_same() {
        let counts = Counts::default();
        let browser = counts.connected();
        counts.down(300, Passed { trades: 2, gaps: 1 });
        counts.dialled(Duration::from_millis(3), Some(Duration::from_millis(40)));
        let mut waiting = counts.waiting();
        waiting.are(500);
        waiting.are(200);
        let health = counts.health();
        for said in [
            "\"browsers\":1",
            "\"queue_bytes\":200",
            "\"trades\":2",
            "\"away_p99_ms\":50",
        ] {
            assert!(health.contains(said), "{said}: {health}");
        }
        let metrics = counts.metrics();
        for line in [
            "browser_proxy_queue_bytes 200\n",
            "browser_proxy_trades_total 2\n",
            "browser_proxy_away_seconds_count 1\n",
        ] {
            assert!(metrics.text().contains(line), "{line}: {}", metrics.text());
        }
        drop((waiting, browser));
        let health = counts.health();
        assert!(
            health.starts_with("{\"browsers\":0,\"queue_bytes\":0,"),
            "{health}"
        );
    }
}
