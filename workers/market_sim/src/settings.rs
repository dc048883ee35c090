//! What can be chosen about the simulated market.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::{Faults, Recording, Scheduled};

/// The choices. The default is what a free Alpaca account sees, at ten trades a second and symbol.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Trades per second for each subscribed symbol, on average; they come at random.
    pub rate: f64,
    /// Decides all that is random, so that a run can be repeated.
    pub seed: u64,
    /// Symbols (trades and quotes together) one connection to `/v2/iex` may have; `None` for no limit.
    pub symbol_limit: Option<usize>,
    /// The only key and secret that are accepted; `None` accepts any that are not empty.
    pub credentials: Option<(String, String)>,
    /// What the market's clock shows at the start; `None` for the host's time. It is only told in
    /// timestamps: trades are made at any hour.
    pub market_time: Option<Timestamp>,
    /// How long a symbol goes on being traded when nobody is subscribed to it any more: with zero,
    /// nothing is made that nobody sees.
    pub goes_on: Duration,
    /// The trades that are kept of each symbol on each feed, for those who ask by REST.
    pub keep_trades: usize,
    /// What is played instead of made-up trades.
    pub replay: Option<Recording>,
    /// What goes wrong from the beginning.
    pub faults: Faults,
    /// What goes wrong at its time.
    pub schedule: Vec<Scheduled>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rate: 10.0,
            seed: 1,
            symbol_limit: Some(30),
            credentials: None,
            market_time: None,
            goes_on: Duration::ZERO,
            keep_trades: 20_000,
            replay: None,
            faults: Faults::default(),
            schedule: Vec::new(),
        }
    }
}

impl Settings {
    /// By how much the market's clock is ahead of the host's.
    pub(crate) fn shift(&self) -> SignedDuration {
        self.market_time
            .map_or(SignedDuration::ZERO, |time| time.duration_since(Timestamp::now()))
    }

    /// Whether these credentials are accepted.
    pub(crate) fn accept(&self, key: &str, secret: &str) -> bool {
        match &self.credentials {
            Some((good_key, good_secret)) => key == good_key && secret == good_secret,
            None => !key.is_empty() && !secret.is_empty(),
        }
    }
}
