//! A trade as the market makes it.

use std::sync::Arc;

use jiff::Timestamp;

/// One trade.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trade {
    pub(crate) symbol: Arc<str>,
    /// Counts up per symbol.
    pub(crate) id: u64,
    /// The exchange's one-letter code.
    pub(crate) exchange: &'static str,
    /// In dollars, to the cent.
    pub(crate) price: f64,
    /// In shares.
    pub(crate) size: u32,
    /// Sale conditions of the tape.
    pub(crate) conditions: &'static [&'static str],
    /// `A`, `B` or `C`.
    pub(crate) tape: &'static str,
    pub(crate) at: Timestamp,
}
