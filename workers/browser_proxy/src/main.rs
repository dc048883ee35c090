//! browser_proxy

fn main() {}
