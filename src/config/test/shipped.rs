//! The services.toml that comes with the source.

use std::path::Path;

use crate::config::{Environment, load};

#[test]
fn the_shipped_services_run_as_they_are() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("services.toml");
    let config = load(&file, &Environment::new()).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let services: Vec<_> = config
        .services
        .iter()
        .map(|spec| (spec.name.as_str(), &spec.ports[..]))
        .collect();
    assert_eq!(
        services,
        [
            ("market_sim", &[8764][..]),
            ("trade_stream", &[8765]),
            ("browser_proxy", &[8766]),
            ("main_app", &[3000])
        ]
    );
    assert_eq!(
        config.services[1].env["ALPACA_DATA_URL"],
        "ws://127.0.0.1:8764/v2/iex"
    );
}

#[test]
fn the_real_feed_needs_only_the_environment() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("services.toml");
    let variables = [
        ("ALPACA_DATA_URL", "wss://feed"),
        ("ALPACA_API_KEY", "k"),
        ("ALPACA_SECRET_KEY", "s"),
    ];
    let environment: Environment = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let config = load(&file, &environment).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(*config.services[1].env, environment);
}
