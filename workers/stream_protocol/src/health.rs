//! The answer to `health`: the seeds' fields, and the verdict that a probe reads.

use serde::{Deserialize, Serialize};

/// How the backend and its upstream are. The first three fields are what old clients read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// The upstream connection is authenticated and in use.
    pub alpaca_connected: bool,
    /// The symbols that clients are subscribed to.
    pub active_symbols: Vec<String>,
    /// Clients connected now, the asking one included.
    pub total_clients: usize,
    /// What the upstream is doing.
    pub alpaca_task_status: TaskStatus,
    /// The symbols whose subscription the upstream has confirmed.
    pub alpaca_subscribed: Vec<String>,
    /// When the last trade came, RFC 3339.
    pub last_data_received: Option<String>,
    /// Since when the present upstream connection stands, RFC 3339.
    pub connection_established_at: Option<String>,
    /// The verdict: false means that a person or a supervisor should act.
    pub healthy: bool,
    /// One sentence for a person whenever `healthy` is false.
    pub reason: Option<String>,
    /// Seconds since the last trade, or since the connection stood if none came; null while there
    /// is no connection.
    pub silence_s: Option<f64>,
    /// Whether trades are due at all.
    pub market: Market,
    /// Upstream connections made after the first one.
    pub reconnects: u64,
    /// The feed's name, such as `iex`.
    pub feed: String,
    /// Trades received from upstream in the last minute.
    pub trades_per_minute: u64,
    /// What is also told at `GET /metrics`.
    #[serde(default)]
    pub figures: Figures,
    /// How the upstream's feed is.
    #[serde(default, flatten)]
    pub vitals: Vitals,
}

/// How the upstream's feed is, beyond what old clients read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Vitals {
    /// What the upstream connection is doing, in one word: `LIVE`, `QUIET_OK`, `SLOT_HELD`, `MUTE` …
    pub state: String,
    /// The state in a sentence: age of the last data, what is expected, what the market does.
    pub sentence: String,
    /// The mean time between two arrivals of data, where enough is known.
    pub expected_every_s: Option<f64>,
    /// The silence after which something is done.
    pub alarm_after_s: f64,
    /// The round trip of the last answered ping.
    pub round_trip_ms: Option<f64>,
    /// More than 3 reconnects within 10 minutes.
    pub flapping: bool,
    /// What Alpaca refused of late, and why.
    pub quarantined: Vec<Quarantined>,
    /// The order stream's state in one word; null where order updates are not relayed.
    pub orders_state: Option<String>,
    /// How long trades take, since the start of the backend.
    pub latency: Latency,
    /// Bars of a minute received from upstream in the last minute.
    pub bars_per_minute: u64,
    /// Seconds since the last of them; null before the first.
    pub last_bar_age_s: Option<f64>,
    /// The connected part of the time since the first upstream connection; null before it.
    pub uptime_percent: Option<f64>,
}

/// A symbol that Alpaca will not send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// The symbol, upper-case.
    pub symbol: String,
    /// Of which channel, such as `trades`.
    pub channel: String,
    /// Alpaca's code.
    pub code: u16,
    /// Alpaca's words.
    pub message: String,
}

/// Times that half, or all but one in a hundred, of the trades were within, in milliseconds; null
/// before there are any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Latency {
    /// From the upstream's socket to the clients' queues.
    pub inside_p50_ms: Option<f64>,
    /// The same.
    pub inside_p99_ms: Option<f64>,
    /// From the exchange's timestamp to the clients' queues, by this host's clock.
    pub feed_p50_ms: Option<f64>,
    /// The same.
    pub feed_p99_ms: Option<f64>,
}

/// Counts since the start of the backend, and what waits now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Figures {
    /// Trades received from upstream.
    pub trades_in: u64,
    /// Trades queued for clients, one for each client that gets it.
    pub trades_out: u64,
    /// Trades that clients missed since they were too slow for them.
    pub missed: u64,
    /// Gaps for want of an upstream connection, one for each symbol.
    pub gaps_upstream: u64,
    /// Gaps since the backend itself was too slow, one for each symbol.
    pub gaps_overrun: u64,
    /// Clients that came back too late for a replay, one for each symbol.
    pub gaps_history: u64,
    /// Clients that came back and got all they had missed, one for each symbol.
    pub replays: u64,
    /// Bytes that wait for clients now.
    pub queue_bytes: u64,
    /// Gaps that were filled from Alpaca's REST endpoint, one for each symbol.
    pub backfills: u64,
    /// Trades that came so.
    pub backfilled: u64,
    /// Gaps that could not be filled so, one for each symbol.
    pub backfills_failed: u64,
    /// Times that the feed was found mute and the connection was made anew.
    pub mute_alarms: u64,
    /// Symbols that were subscribed anew since they alone were silent.
    pub renewed_symbols: u64,
    /// Clients that were closed since they were too slow.
    pub slow_closed: u64,
    /// Times that Alpaca called this backend too slow.
    pub slow_client: u64,
    /// Data besides trades received from upstream.
    pub data_in: u64,
    /// Updates of orders received.
    pub order_updates: u64,
    /// Trades that came twice from upstream and were passed on once.
    pub duplicates: u64,
}

/// The life of the upstream connection, in the seeds' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// No client has asked for a symbol yet.
    NotStarted,
    /// On the way to the first connection.
    Connecting,
    /// Connected and authenticated.
    Running,
    /// The connection was lost or could not be made, and is being made again.
    Reconnecting,
    /// Given up: only a person can help, for example with other credentials.
    Dead,
}

/// Whether the market that feeds the stream is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Market {
    /// Trades are due.
    Open,
    /// Silence is normal.
    Closed,
    /// Not known, so silence proves nothing.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::{Market, TaskStatus};

    #[test]
    fn the_words_are_the_contracts() {
        let statuses = [
            TaskStatus::NotStarted,
            TaskStatus::Connecting,
            TaskStatus::Running,
            TaskStatus::Reconnecting,
            TaskStatus::Dead,
        ];
        let text = serde_json::to_string(&statuses).expect("words");
        assert_eq!(
            text,
            r#"["not_started","connecting","running","reconnecting","dead"]"#
        );
        let markets = [Market::Open, Market::Closed, Market::Unknown];
        let text = serde_json::to_string(&markets).expect("words");
        assert_eq!(text, r#"["open","closed","unknown"]"#);
    }
}
