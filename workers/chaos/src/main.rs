//! chaos

fn main() {}
