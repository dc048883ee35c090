//! What the hub counts, for `health` and for `GET /metrics`.

use std::time::SystemTime;

use stream_protocol::Figures;
use ws_listener::Metrics;

use super::Hub;

impl Hub {
    /// The counts, with what only clients know added up.
    pub(super) fn figures(&self) -> Figures {
        let mut figures = self.counted;
        figures.trades_out = self.topics.delivered();
        for client in self.clients.values() {
            figures.missed += client.outbox.missed() as u64;
            figures.queue_bytes += client.outbox.bytes() as u64;
        }
        figures
    }

    /// Prometheus' text.
    pub(super) fn metrics(&self) -> String {
        let figures = self.figures();
        let status = self.status.borrow();
        let mut all = Metrics::default();
        let is_connected = f64::from(u8::from(status.state.is_connected()));
        all.gauge(
            "trade_stream_clients",
            "Clients connected now.",
            self.clients.len() as f64,
        );
        all.gauge(
            "trade_stream_symbols",
            "Symbols with subscribers.",
            self.topics.active().len() as f64,
        );
        all.gauge(
            "trade_stream_queue_bytes",
            "Bytes that wait for clients.",
            figures.queue_bytes as f64,
        );
        all.gauge(
            "trade_stream_upstream_connected",
            "1 while the upstream is connected.",
            is_connected,
        );
        if let Some(silence) = super::health::silence(&status, SystemTime::now()) {
            let help = "Seconds without a trade on the present connection.";
            all.gauge("trade_stream_upstream_silence_seconds", help, silence);
        }
        let reconnects = "Upstream connections made after the first.";
        all.counter(
            "trade_stream_upstream_reconnects_total",
            reconnects,
            status.reconnects,
        );
        all.counter(
            "trade_stream_trades_in_total",
            "Trades received.",
            figures.trades_in,
        );
        let out = "Trades queued for clients, once for each.";
        all.counter("trade_stream_trades_out_total", out, figures.trades_out);
        let missed = "Trades that clients missed since they were too slow.";
        all.counter("trade_stream_missed_total", missed, figures.missed);
        let gaps = [
            ("upstream", figures.gaps_upstream),
            ("overrun", figures.gaps_overrun),
            ("history", figures.gaps_history),
        ];
        all.counters(
            "trade_stream_gaps_total",
            "Gaps told, by where they arose.",
            "reason",
            &gaps,
        );
        let replays = "Subscriptions taken up where they had been left.";
        all.counter("trade_stream_replays_total", replays, figures.replays);
        all.text().to_owned()
    }
}
