//! market_sim

fn main() {}
