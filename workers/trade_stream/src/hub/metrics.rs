//! What the hub counts, for `health` and for `GET /metrics`.

use std::time::SystemTime;

use alpaca::Status;
use stream_protocol::Figures;
use ws_listener::Metrics;

use super::Hub;

impl Hub {
    /// The counts, with what only clients know added up.
    pub(super) fn figures(&self) -> Figures {
        let mut figures = self.counted;
        figures.trades_out = self.topics.delivered();
        figures.duplicates = self.late.doubles();
        let status = self.status.borrow();
        figures.mute_alarms = status.liveness.mute_alarms;
        figures.renewed_symbols = status.liveness.renewed_symbols;
        figures.slow_client = status.slow_client;
        drop(status);
        for client in self.clients.values() {
            figures.missed += client.outbox.missed() as u64;
            figures.slow_closed += u64::from(client.outbox.was_too_slow());
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
            self.count_clients() as f64,
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
        let closed = "Clients closed since they were too slow.";
        all.counter("trade_stream_slow_closed_total", closed, figures.slow_closed);
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
        self.more_metrics(&mut all, &figures, &status);
        let replays = "Subscriptions taken up where they had been left.";
        all.counter("trade_stream_replays_total", replays, figures.replays);
        all.text().to_owned()
    }

    /// What is known of the upstream's feed, of backfills, and of time.
    fn more_metrics(&self, all: &mut Metrics, figures: &Figures, status: &Status) {
        if let Some(took) = status.liveness.round_trip {
            let help = "Round trip of the last answered ping.";
            all.gauge(
                "trade_stream_upstream_round_trip_seconds",
                help,
                took.as_secs_f64(),
            );
        }
        let help = "Silence after which something is done about it.";
        let alarm = status.liveness.alarm_after.as_secs_f64();
        all.gauge("trade_stream_upstream_alarm_after_seconds", help, alarm);
        let flapping = f64::from(u8::from(status.is_flapping(SystemTime::now())));
        let help = "1 while there were more than 3 reconnects within 10 minutes.";
        all.gauge("trade_stream_upstream_flapping", help, flapping);
        let help = "Symbols and channels that Alpaca refused of late.";
        all.gauge("trade_stream_quarantined", help, status.quarantined.len() as f64);
        more_counts(all, figures);
        self.durations(all);
    }

    fn durations(&self, all: &mut Metrics) {
        let help = "Seconds from the upstream's socket to the clients' queues.";
        all.histogram(
            "trade_stream_latency_seconds",
            help,
            &self.inside.buckets(),
            self.inside.sum,
        );
        let help = "Seconds from the exchange's timestamp, by this host's clock.";
        let feed = &self.feed_latency;
        all.histogram(
            "trade_stream_feed_latency_seconds",
            help,
            &feed.buckets(),
            feed.sum,
        );
    }
}

/// What is only counted.
fn more_counts(all: &mut Metrics, figures: &Figures) {
    for (name, help, count) in [
        (
            "trade_stream_data_in_total",
            "Data besides trades received.",
            figures.data_in,
        ),
        (
            "trade_stream_mute_alarms_total",
            "Times that the feed was found mute.",
            figures.mute_alarms,
        ),
        (
            "trade_stream_renewed_symbols_total",
            "Symbols subscribed anew since they alone were silent.",
            figures.renewed_symbols,
        ),
        (
            "trade_stream_slow_client_total",
            "Times that Alpaca called us too slow.",
            figures.slow_client,
        ),
        (
            "trade_stream_backfilled_trades_total",
            "Trades that were fetched later.",
            figures.backfilled,
        ),
        (
            "trade_stream_duplicate_trades_total",
            "Trades that came twice and were passed on once.",
            figures.duplicates,
        ),
        (
            "trade_stream_order_updates_total",
            "Updates of orders received.",
            figures.order_updates,
        ),
    ] {
        all.counter(name, help, count);
    }
    let outcomes = [
        ("filled", figures.backfills),
        ("failed", figures.backfills_failed),
    ];
    let help = "Gaps that were to be filled from REST, by what became of it.";
    all.counters("trade_stream_backfills_total", help, "outcome", &outcomes);
}
