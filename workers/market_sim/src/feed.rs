//! The endpoints, and what differs between them.

/// An endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Feed {
    /// One exchange; the free plan's feed, with a limit of symbols.
    Iex,
    /// All exchanges.
    Sip,
    /// The symbol `FAKEPACA` only, day and night.
    Test,
    /// Pairs such as `BTC/USD`, day and night.
    Crypto,
}

impl Feed {
    /// The feed at this path; the query does not matter.
    pub(crate) fn at(path: &str) -> Option<Self> {
        match path.split('?').next().unwrap_or_default() {
            "/v2/iex" => Some(Self::Iex),
            "/v2/sip" => Some(Self::Sip),
            "/v2/test" => Some(Self::Test),
            "/v1beta3/crypto/us" => Some(Self::Crypto),
            _ => None,
        }
    }

    /// Its name, as in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Iex => "iex",
            Self::Sip => "sip",
            Self::Test => "test",
            Self::Crypto => "crypto",
        }
    }

    /// Whether this symbol is ever traded here.
    pub(crate) fn trades(self, symbol: &str) -> bool {
        match self {
            Self::Iex | Self::Sip => !symbol.contains('/'),
            Self::Crypto => symbol.contains('/'),
            Self::Test => symbol == "FAKEPACA",
        }
    }
}
