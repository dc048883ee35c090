//! The market's own clock: it knows closures that no calendar foretold.

use std::time::SystemTime;

use hyper::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;

use super::target::trading_origin;
use super::{Rest, in_words};
use crate::Credentials;

/// Where `/v2/clock` can be asked for, and as whom.
#[derive(Clone, Debug)]
pub(crate) struct TradingApi(Rest);

/// What the clock says of the core session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MarketHours {
    pub(crate) is_open: bool,
    /// When the next core session begins.
    pub(crate) next_open: SystemTime,
}

#[derive(Deserialize)]
struct Answer {
    is_open: bool,
    next_open: String,
}

impl TradingApi {
    /// Beside a data URL; `None` where there is none that our keys may go to.
    pub(crate) fn beside(url: &str, credentials: &Credentials) -> Option<Self> {
        let origin = trading_origin(url, credentials.key())?;
        Some(Self(Rest::new(origin, credentials)))
    }

    /// The hours as Alpaca tells them. The error is for the log.
    pub(crate) async fn clock(self) -> Result<MarketHours, String> {
        let answer = self.0.get("/v2/clock").await?;
        if answer.status != StatusCode::OK {
            return Err(format!("HTTP {}", answer.status));
        }
        let answer: Answer = serde_json::from_slice(&answer.body).map_err(in_words)?;
        Ok(MarketHours {
            is_open: answer.is_open,
            next_open: answer.next_open.parse::<Timestamp>().map_err(in_words)?.into(),
        })
    }
}
