//! Quotes, bars, statuses, corrections and cancels, as they are told to clients.

use serde::Serialize;

/// `{"type":"quote","symbol":"AAPL","data":{…},"seq":7}`: one datum of a channel besides trades.
///
/// Names in `data`, where Alpaca tells the field: quotes `bid_price bid_size bid_exchange ask_price
/// ask_size ask_exchange conditions tape`, bars `open high low close volume trade_count vwap`,
/// statuses `status_code status_message reason_code reason_message tape`, corrections `exchange
/// original_id original_price original_size original_conditions corrected_id …`, cancels `id exchange
/// price size action`, and `timestamp` in all. Ids are texts: they have more digits than JavaScript
/// keeps.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DatumMessage<'a, D> {
    /// `quote`, `bar`, `updated_bar`, `daily_bar`, `status`, `luld`, `orderbook`, `correction`, `cancel`.
    pub r#type: &'a str,
    /// The symbol, upper-case.
    pub symbol: &'a str,
    /// The fields.
    pub data: D,
    /// Its number within the symbol and channel.
    pub seq: u64,
}

/// What a field of Alpaca's is called here; what is not listed keeps its name.
pub fn field_name<'a>(message: &str, wire: &'a str) -> &'a str {
    match (message, wire) {
        (_, "t") => "timestamp",
        (_, "z") => "tape",
        ("quote", "ap") => "ask_price",
        ("quote", "as") => "ask_size",
        ("quote", "ax") => "ask_exchange",
        ("quote", "bp") => "bid_price",
        ("quote", "bs") => "bid_size",
        ("quote", "bx") => "bid_exchange",
        ("quote", "c") => "conditions",
        ("bar" | "updated_bar" | "daily_bar", "o") => "open",
        ("bar" | "updated_bar" | "daily_bar", "h") => "high",
        ("bar" | "updated_bar" | "daily_bar", "l") => "low",
        ("bar" | "updated_bar" | "daily_bar", "c") => "close",
        ("bar" | "updated_bar" | "daily_bar", "v") => "volume",
        ("bar" | "updated_bar" | "daily_bar", "n") => "trade_count",
        ("bar" | "updated_bar" | "daily_bar", "vw") => "vwap",
        ("status", "sc") => "status_code",
        ("status", "sm") => "status_message",
        ("status", "rc") => "reason_code",
        ("status", "rm") => "reason_message",
        ("luld", "u") => "limit_up",
        ("luld", "d") => "limit_down",
        ("luld", "i") => "indicator",
        ("orderbook", "b") => "bids",
        ("orderbook", "a") => "asks",
        ("orderbook", "r") => "reset",
        ("orderbook" | "cancel", "p") => "price",
        ("orderbook" | "cancel", "s") => "size",
        ("correction" | "cancel", "x") => "exchange",
        ("cancel", "i") => "id",
        ("cancel", "a") => "action",
        ("correction", "oi") => "original_id",
        ("correction", "op") => "original_price",
        ("correction", "os") => "original_size",
        ("correction", "oc") => "original_conditions",
        ("correction", "ci") => "corrected_id",
        ("correction", "cp") => "corrected_price",
        ("correction", "cs") => "corrected_size",
        ("correction", "cc") => "corrected_conditions",
        (_, other) => other,
    }
}
