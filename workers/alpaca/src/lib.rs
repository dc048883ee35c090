//! The Alpaca client: a pure session machine, and a thin shell around it.
