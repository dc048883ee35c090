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
