//! Messages that come rarely: statuses, corrections, cancels; and trades of crypto.

use jiff::Timestamp;
use serde::Serialize;

use super::Stamp;
use crate::trade::{Status, Trade};

#[derive(Serialize)]
pub(super) struct WireStatus<'a> {
    #[serde(rename = "T")]
    kind: &'static str,
    #[serde(rename = "S")]
    symbol: &'a str,
    sc: &'static str,
    sm: &'static str,
    rc: &'static str,
    rm: &'static str,
    t: Stamp,
    z: &'static str,
}

impl<'a> WireStatus<'a> {
    pub(super) fn of(status: &'a Status) -> Self {
        let (sc, sm, rc, rm) = if status.is_halted {
            (
                "H",
                "Trading Halt",
                "T12",
                "Trading Halted; For information requested by NASDAQ",
            )
        } else {
            ("T", "Trading Resumption", "", "")
        };
        Self {
            kind: "s",
            symbol: &status.symbol,
            sc,
            sm,
            rc,
            rm,
            t: Stamp(status.at),
            z: "C",
        }
    }
}

#[derive(Serialize)]
pub(super) struct WireCorrection<'a> {
    #[serde(rename = "T")]
    kind: &'static str,
    #[serde(rename = "S")]
    symbol: &'a str,
    x: &'static str,
    oi: u64,
    op: f64,
    os: u32,
    oc: &'static [&'static str],
    ci: u64,
    cp: f64,
    cs: u32,
    cc: &'static [&'static str],
    z: &'static str,
    t: Stamp,
}

impl<'a> WireCorrection<'a> {
    pub(super) fn of(trade: &'a Trade, price: f64) -> Self {
        Self {
            kind: "c",
            symbol: &trade.symbol,
            x: trade.exchange,
            oi: trade.id,
            op: trade.price,
            os: trade.size,
            oc: trade.conditions,
            // Far from the ids of trades.
            ci: trade.id + (1 << 40),
            cp: price,
            cs: trade.size,
            cc: trade.conditions,
            z: trade.tape,
            t: Stamp(trade.at),
        }
    }
}

#[derive(Serialize)]
pub(super) struct WireCancel<'a> {
    #[serde(rename = "T")]
    kind: &'static str,
    #[serde(rename = "S")]
    symbol: &'a str,
    i: u64,
    x: &'static str,
    p: f64,
    s: u32,
    a: &'static str,
    z: &'static str,
    t: Stamp,
}

impl<'a> WireCancel<'a> {
    pub(super) fn of(trade: &'a Trade) -> Self {
        Self {
            kind: "x",
            symbol: &trade.symbol,
            i: trade.id,
            x: trade.exchange,
            p: trade.price,
            s: trade.size,
            a: "C",
            z: trade.tape,
            t: Stamp(trade.at),
        }
    }
}

#[derive(Serialize)]
pub(super) struct WireCrypto<'a> {
    #[serde(rename = "T")]
    kind: &'static str,
    #[serde(rename = "S")]
    symbol: &'a str,
    p: f64,
    /// A part of a coin.
    s: f64,
    t: Stamp,
    i: u64,
    tks: &'static str,
}

impl<'a> WireCrypto<'a> {
    pub(super) fn of(trade: &'a Trade) -> Self {
        let at: Timestamp = trade.at;
        Self {
            kind: "t",
            symbol: &trade.symbol,
            p: trade.price,
            s: f64::from(trade.size) / 1000.0,
            t: Stamp(at),
            i: trade.id,
            tks: if trade.id.is_multiple_of(2) { "B" } else { "S" },
        }
    }
}
