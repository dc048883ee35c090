//! What the proxy counts, for `GET /metrics`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ws_listener::Metrics;

/// Counts since the start; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Counts(Arc<Figures>);

#[derive(Debug, Default)]
struct Figures {
    connected: AtomicU64,
    ended: AtomicU64,
    kept: AtomicU64,
}

/// Counts a browser as ended when dropped.
pub(crate) struct Counted(Counts);

impl Counts {
    /// A browser has connected.
    pub(crate) fn connected(&self) -> Counted {
        self.0.connected.fetch_add(1, Ordering::Relaxed);
        Counted(self.clone())
    }

    /// A browser was kept while its backend went away.
    pub(crate) fn kept(&self) {
        self.0.kept.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (connected, ended) = (of(&self.0.connected), of(&self.0.ended));
        let mut metrics = Metrics::default();
        let now = connected.saturating_sub(ended);
        metrics.gauge("browser_proxy_browsers", "Browsers connected now.", now as f64);
        metrics.counter(
            "browser_proxy_browsers_total",
            "Browsers ever connected.",
            connected,
        );
        let help = "Times that a browser was kept while its backend went away.";
        metrics.counter("browser_proxy_kept_total", help, of(&self.0.kept));
        metrics
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}
