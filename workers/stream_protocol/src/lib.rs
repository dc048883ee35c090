//! The messages between the stream workers and their clients (CONTRACT §3), written once.
