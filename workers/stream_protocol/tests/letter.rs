//! The contract's own texts, to the letter.

use std::borrow::Cow;

use stream_protocol::{
    BadRequest, ClientMessage, Health, Market, Number, ServerMessage, TaskStatus, TradeData,
};

const TRADE: &str = r#"{"type":"trade","symbol":"AAPL","data":{"timestamp":"2025-12-14T10:30:45.123456Z","price":150.25,"size":100,"exchange":"NASDAQ","conditions":[]}}"#;
const HEALTH: &str = r#"{"type":"health","alpaca_connected":true,"active_symbols":["AAPL"],"total_clients":3,"alpaca_task_status":"not_started","alpaca_subscribed":["AAPL"],"last_data_received":null,"connection_established_at":"2025-12-14T10:30:45.123456Z","healthy":true,"reason":null,"silence_s":1.5,"market":"open","reconnects":0,"feed":"iex","trades_per_minute":42}"#;

fn trade() -> ServerMessage<'static> {
    ServerMessage::Trade {
        symbol: "AAPL".into(),
        data: TradeData {
            timestamp: "2025-12-14T10:30:45.123456Z".into(),
            price: Cow::Owned(Number::parse("150.25").expect("a number")),
            size: Cow::Owned(Number::from(100_u64)),
            exchange: "NASDAQ".into(),
            conditions: Cow::Borrowed(&[]),
        },
    }
}

fn health() -> Health {
    Health {
        alpaca_connected: true,
        active_symbols: vec!["AAPL".into()],
        total_clients: 3,
        alpaca_task_status: TaskStatus::NotStarted,
        alpaca_subscribed: vec!["AAPL".into()],
        last_data_received: None,
        connection_established_at: Some("2025-12-14T10:30:45.123456Z".into()),
        healthy: true,
        reason: None,
        silence_s: Some(1.5),
        market: Market::Open,
        reconnects: 0,
        feed: "iex".into(),
        trades_per_minute: 42,
    }
}

fn every_message() -> Vec<(ServerMessage<'static>, &'static str)> {
    vec![
        (trade(), TRADE),
        (
            ServerMessage::subscribed("AAPL"),
            r#"{"type":"subscribed","symbol":"AAPL","message":"Subscribed to AAPL trades"}"#,
        ),
        (
            ServerMessage::unsubscribed("AAPL"),
            r#"{"type":"unsubscribed","symbol":"AAPL","message":"Unsubscribed from AAPL trades"}"#,
        ),
        (
            ServerMessage::connecting("AAPL"),
            r#"{"type":"connecting","symbol":"AAPL","message":"Connecting to Alpaca stream for AAPL. Subscription will be activated when ready."}"#,
        ),
        (
            ServerMessage::Pong {
                alpaca_connected: true,
            },
            r#"{"type":"pong","alpaca_connected":true}"#,
        ),
        (ServerMessage::Health(health()), HEALTH),
        (
            ServerMessage::reconnect_initiated(),
            r#"{"type":"reconnect_initiated","message":"Reconnecting to Alpaca stream. Subscriptions are kept."}"#,
        ),
        (
            ServerMessage::from(BadRequest("why".into())),
            r#"{"type":"error","code":"bad_request","message":"why"}"#,
        ),
    ]
}

#[test]
fn server_messages_are_written_to_the_letter_and_read_back() {
    for (message, text) in every_message() {
        assert_eq!(message.to_json(), text);
        assert_eq!(ServerMessage::parse(text).expect(text), message);
    }
}

#[test]
fn client_messages_are_written_to_the_letter() {
    let one = vec!["AAPL".to_owned()];
    let two = vec!["AAPL".to_owned(), "TSLA".to_owned()];
    for (message, text) in [
        (
            ClientMessage::Subscribe { symbols: one },
            r#"{"action":"subscribe","symbol":"AAPL"}"#,
        ),
        (
            ClientMessage::Unsubscribe { symbols: two },
            r#"{"action":"unsubscribe","symbols":["AAPL","TSLA"]}"#,
        ),
        (ClientMessage::Ping, r#"{"action":"ping"}"#),
        (ClientMessage::Health, r#"{"action":"health"}"#),
        (ClientMessage::Reconnect, r#"{"action":"reconnect"}"#),
    ] {
        assert_eq!(message.to_json(), text);
    }
}

#[test]
fn prices_keep_their_spelling() {
    let text = TRADE.replace("150.25", "0.10000000000000000555");
    let message = ServerMessage::parse(&text).expect("a trade");
    assert_eq!(message.to_json(), text);
}

#[test]
fn later_versions_may_add_fields_but_not_drop_any() {
    let more = TRADE.replace(r#""symbol""#, r#""seq":7,"symbol""#);
    assert_eq!(ServerMessage::parse(&more).expect("a trade"), trade());
    for text in [
        r#"{"type":"trade","symbol":"AAPL"}"#,
        r#"{"type":"news"}"#,
        r#"{"symbol":"AAPL"}"#,
        "[]",
        "",
    ] {
        assert!(ServerMessage::parse(text).is_err(), "{text}");
    }
}
