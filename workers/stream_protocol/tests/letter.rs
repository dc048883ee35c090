//! The contract's own texts, to the letter.

use std::borrow::Cow;

use stream_protocol::{
    BadRequest, Channel, ClientMessage, Figures, Gap, GapReason, Health, Market, Number, Position,
    ServerMessage, TaskStatus, TradeData, Vitals,
};

const TRADE: &str = r#"{"type":"trade","symbol":"AAPL","data":{"timestamp":"2025-12-14T10:30:45.123456Z","price":150.25,"size":100,"exchange":"NASDAQ","conditions":[]}}"#;
const HEALTH: &str = r#"{"type":"health","alpaca_connected":true,"active_symbols":["AAPL"],"total_clients":3,"alpaca_task_status":"not_started","alpaca_subscribed":["AAPL"],"last_data_received":null,"connection_established_at":"2025-12-14T10:30:45.123456Z","healthy":true,"reason":null,"silence_s":1.5,"market":"open","reconnects":0,"feed":"iex","trades_per_minute":42,"figures":{"trades_in":9,"trades_out":0,"missed":0,"gaps_upstream":0,"gaps_overrun":0,"gaps_history":0,"replays":0,"queue_bytes":0,"backfills":0,"backfilled":0,"backfills_failed":0,"mute_alarms":0,"renewed_symbols":0,"slow_closed":0,"slow_client":0,"data_in":0,"order_updates":0,"duplicates":0},"state":"LIVE","sentence":"","expected_every_s":null,"alarm_after_s":0.0,"round_trip_ms":null,"flapping":false,"quarantined":[],"orders_state":null,"latency":{"inside_p50_ms":null,"inside_p99_ms":null,"feed_p50_ms":null,"feed_p99_ms":null},"bars_per_minute":0,"last_bar_age_s":null,"uptime_percent":null}"#;

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
        backfill: false,
        seq: None,
    }
}

fn position() -> Position {
    Position {
        epoch: "5f3a.1".into(),
        seq: 42,
    }
}

/// What was added to the contract: after its own fields, so that these stay where they were.
fn additions() -> Vec<(ServerMessage<'static>, &'static str)> {
    let upstream = Gap {
        since: Some("2025-12-14T10:30:45.123456Z".into()),
        until: Some("2025-12-14T10:30:47.000000Z".into()),
        seq: Some(43),
        ..Gap::unknown("AAPL", GapReason::Upstream)
    };
    vec![
        (
            ServerMessage::subscribed_at(Channel::Trades, "AAPL", position(), None),
            r#"{"type":"subscribed","symbol":"AAPL","message":"Subscribed to AAPL trades","epoch":"5f3a.1","seq":42}"#,
        ),
        (
            ServerMessage::subscribed_at(Channel::Trades, "AAPL", position(), Some(true)),
            r#"{"type":"subscribed","symbol":"AAPL","message":"Subscribed to AAPL trades","epoch":"5f3a.1","seq":42,"recovered":true}"#,
        ),
        (
            ServerMessage::Gap(Gap::range("AAPL", 7, 9, GapReason::Slow)),
            r#"{"type":"gap","symbol":"AAPL","from":7,"to":9,"missed":3,"reason":"slow"}"#,
        ),
        (
            ServerMessage::Gap(upstream),
            r#"{"type":"gap","symbol":"AAPL","from":null,"to":null,"missed":null,"reason":"upstream","since":"2025-12-14T10:30:45.123456Z","until":"2025-12-14T10:30:47.000000Z","seq":43}"#,
        ),
        (
            ServerMessage::subscribed_at(Channel::Quotes, "AAPL", position(), None),
            r#"{"type":"subscribed","symbol":"AAPL","message":"Subscribed to AAPL quotes","epoch":"5f3a.1","seq":42,"channel":"quotes"}"#,
        ),
        (
            ServerMessage::unsubscribed(Channel::UpdatedBars, "AAPL"),
            r#"{"type":"unsubscribed","symbol":"AAPL","message":"Unsubscribed from AAPL updatedBars","channel":"updatedBars"}"#,
        ),
        (
            ServerMessage::OrdersGap {
                since: "2025-12-14T10:30:45.123456Z".into(),
                until: "2025-12-14T10:30:47.000000Z".into(),
            },
            r#"{"type":"orders_gap","since":"2025-12-14T10:30:45.123456Z","until":"2025-12-14T10:30:47.000000Z"}"#,
        ),
        (
            ServerMessage::Heartbeat {
                alpaca_connected: true,
                state: "LIVE".into(),
                silence_s: Some(1.5),
            },
            r#"{"type":"heartbeat","alpaca_connected":true,"state":"LIVE","silence_s":1.5}"#,
        ),
    ]
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
        figures: Figures {
            trades_in: 9,
            ..Figures::default()
        },
        vitals: Vitals {
            state: "LIVE".into(),
            ..Vitals::default()
        },
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
            ServerMessage::unsubscribed(Channel::Trades, "AAPL"),
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
        (ServerMessage::Health(Box::new(health())), HEALTH),
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
    for (message, text) in every_message().into_iter().chain(additions()) {
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
            ClientMessage::Subscribe {
                symbols: one.clone(),
                channels: vec![Channel::Trades],
                since: None,
            },
            r#"{"action":"subscribe","symbol":"AAPL"}"#,
        ),
        (
            ClientMessage::Subscribe {
                symbols: one,
                channels: vec![Channel::Trades],
                since: Some(position()),
            },
            r#"{"action":"subscribe","since":{"epoch":"5f3a.1","seq":42},"symbol":"AAPL"}"#,
        ),
        (
            ClientMessage::Unsubscribe {
                symbols: two.clone(),
                channels: vec![Channel::Trades],
            },
            r#"{"action":"unsubscribe","symbols":["AAPL","TSLA"]}"#,
        ),
        (
            ClientMessage::Unsubscribe {
                symbols: two,
                channels: vec![Channel::Quotes, Channel::DailyBars],
            },
            r#"{"action":"unsubscribe","channels":["quotes","dailyBars"],"symbols":["AAPL","TSLA"]}"#,
        ),
        (ClientMessage::Ping, r#"{"action":"ping"}"#),
        (ClientMessage::Health, r#"{"action":"health"}"#),
        (ClientMessage::Heartbeat, r#"{"action":"heartbeat"}"#),
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
    let more = TRADE.replace(r#""symbol""#, r#""venue":7,"symbol""#);
    assert_eq!(ServerMessage::parse(&more).expect("a trade"), trade());
    let late = TRADE.replace("}}", r#"},"backfill":true,"seq":7}"#);
    assert_eq!(ServerMessage::parse(&late).expect("a trade").to_json(), late);
    let numbered = TRADE.replace("}}", r#"},"seq":7}"#);
    assert_eq!(
        ServerMessage::parse(&numbered).expect("a trade").to_json(),
        numbered
    );
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
