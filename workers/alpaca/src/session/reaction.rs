//! What each of Alpaca's error codes means for the session.

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// Only a person can help: this is what they can do.
    Fatal(&'static str),
    /// Another connection of this key has the place; ask again patiently.
    SlotHeld,
    /// The request in flight was not applied.
    Refusal,
    /// We are authenticated already.
    Authenticated,
    /// This connection is of no use; make another.
    Reconnect,
    /// The same, and it is our own fault.
    SlowClient,
    /// The feed speaks msgpack only; make another connection that does.
    Msgpack,
}

/// The reaction to an error code; `None` for a code nobody documents, which is only logged.
pub(crate) fn to(code: u16) -> Option<Reaction> {
    Some(match code {
        400 | 405 | 410 | 413 => Reaction::Refusal,
        401 | 404 | 500 => Reaction::Reconnect,
        407 => Reaction::SlowClient,
        412 => Reaction::Msgpack,
        402 => Reaction::Fatal("check ALPACA_API_KEY and ALPACA_SECRET_KEY"),
        403 => Reaction::Authenticated,
        406 => Reaction::SlotHeld,
        408 => Reaction::Fatal("this account may not use the v2 streams"),
        409 => Reaction::Fatal("this feed is not in your Alpaca plan; the free plan has iex"),
        411 => Reaction::Fatal("the OAuth token lacks the scope for market data"),
        _ => return None,
    })
}
