//! trade_stream

fn main() {}
