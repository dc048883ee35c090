//! Alpaca's messages.
