//! What is learned from frames in either direction, and asked of the next backend.

use ws_listener::frame::{self, Next};

use super::Wishes;

fn whole(bytes: &[u8]) -> frame::Whole<'_> {
    match frame::next(bytes) {
        Next::Whole(whole) => whole,
        other => panic!("{other:?}"),
    }
}

fn wishes() -> Wishes {
    Wishes::new(true)
}

fn asked(wishes: &mut Wishes, texts: &[&str]) {
    for text in texts {
        wishes.note(&whole(&frame::masked_text(text.as_bytes())));
    }
}

fn told(wishes: &mut Wishes, texts: &[&str]) {
    for text in texts {
        wishes.heard(&whole(&frame::text(text.as_bytes())));
    }
}

/// What the next backend is asked, in order.
fn requests(wishes: &mut Wishes) -> Vec<String> {
    let bytes = wishes.begin_anew();
    let (mut rest, mut texts) = (&bytes[..], Vec::new());
    while !rest.is_empty() {
        let frame = whole(rest);
        rest = &rest[frame.bytes.len()..];
        texts.push(String::from_utf8(frame.payload().into_owned()).expect("text"));
    }
    texts
}

fn trade(symbol: &str, seq: u64) -> String {
    format!(r#"{{"type":"trade","symbol":"{symbol}","data":{{"price":1}},"seq":{seq}}}"#)
}

const SUBSCRIBE: &str = r#"{"action":"subscribe","symbol":"A"}"#;
const SUBSCRIBED: &str = r#"{"type":"subscribed","symbol":"A","message":"","epoch":"e.1","seq":40}"#;
const UNSUBSCRIBE: &str = r#"{"action":"unsubscribe","symbol":"A"}"#;
const PING: &str = r#"{"action":"ping"}"#;
const HEALTH: &str = r#"{"action":"health"}"#;
const PONG: &str = r#"{"type":"pong","alpaca_connected":true}"#;

#[test]
fn what_was_asked_is_asked_again_with_the_place_reached() {
    let mut wishes = wishes();
    let both = r#"{"action":"subscribe","symbols":["a","b"]}"#;
    asked(&mut wishes, &[both, "hello"]);
    told(
        &mut wishes,
        &[
            SUBSCRIBED,
            &trade("A", 41),
            &trade("B", 7),
            &trade("A", 42),
            &trade("A", 43),
        ],
    );
    assert_eq!(
        requests(&mut wishes),
        [
            r#"{"action":"subscribe","since":{"epoch":"e.1","seq":43},"symbol":"A"}"#,
            both,
            "hello"
        ],
        "B's subscription was never answered, so nothing of it was missed; nor was the other"
    );
}

#[test]
fn what_is_answered_is_not_asked_again() {
    let mut wishes = wishes();
    asked(&mut wishes, &[PING, HEALTH, "hello", PING, SUBSCRIBE]);
    told(&mut wishes, &[PONG]);
    assert_eq!(requests(&mut wishes), [HEALTH, "hello", PING, SUBSCRIBE]);
    let health = r#"{"type":"health","alpaca_connected":false,"active_symbols":[],"total_clients":1}"#;
    let error = r#"{"type":"error","code":"bad_request","message":"what?"}"#;
    let refused = r#"{"type":"error","code":"refused","message":"Alpaca refused X"}"#;
    told(&mut wishes, &[refused, error, PONG, SUBSCRIBED]);
    assert_eq!(
        requests(&mut wishes)[1..],
        [HEALTH],
        "the first is the subscription"
    );
    told(&mut wishes, &[SUBSCRIBED, health]);
    assert_eq!(requests(&mut wishes).len(), 1);
}

#[test]
fn answers_to_what_the_proxy_asked_are_not_taken_for_the_browsers() {
    let mut wishes = wishes();
    asked(&mut wishes, &[SUBSCRIBE]);
    told(&mut wishes, &[SUBSCRIBED]);
    let other = r#"{"action":"subscribe","symbol":"B"}"#;
    asked(&mut wishes, &[other]);
    assert_eq!(requests(&mut wishes)[1], other);
    told(&mut wishes, &[SUBSCRIBED]);
    assert_eq!(requests(&mut wishes)[1], other, "only A was answered");
}

#[test]
fn gaps_with_numbers_count_and_a_replay_begins_where_the_browser_was() {
    let mut wishes = wishes();
    let since = r#"{"action":"subscribe","symbol":"A","since":{"epoch":"e.1","seq":10}}"#;
    asked(&mut wishes, &[since]);
    let recovered = SUBSCRIBED.replace('}', r#","recovered":true}"#);
    told(&mut wishes, &[&recovered]);
    assert!(requests(&mut wishes)[0].contains(r#""seq":10"#));
    let gap = r#"{"type":"gap","symbol":"A","from":11,"to":20,"missed":10,"reason":"slow"}"#;
    told(&mut wishes, &[&recovered, gap]);
    assert!(requests(&mut wishes)[0].contains(r#""seq":20"#));
}

#[test]
fn an_unsubscription_is_repeated_until_it_is_answered() {
    for (channel, answer) in [
        ("", r#"{"type":"unsubscribed","symbol":"A","message":""}"#),
        (
            r#","channel":"quotes""#,
            r#"{"type":"unsubscribed","symbol":"A","message":"","channel":"quotes"}"#,
        ),
    ] {
        let mut wishes = wishes();
        let with_channel = |text: &str| text.replace(r#""A""#, &format!(r#""A"{channel}"#));
        asked(&mut wishes, &[&with_channel(SUBSCRIBE)]);
        told(&mut wishes, &[&with_channel(SUBSCRIBED)]);
        assert_eq!(requests(&mut wishes).len(), 1);
        told(&mut wishes, &[&with_channel(SUBSCRIBED)]);
        let unsubscribe = with_channel(UNSUBSCRIBE);
        asked(&mut wishes, &[&unsubscribe]);
        assert_eq!(requests(&mut wishes)[1..], [unsubscribe]);
        told(&mut wishes, &[&with_channel(SUBSCRIBED), answer]);
        assert_eq!(requests(&mut wishes), [""; 0]);
        assert_eq!(wishes.subscribed_symbols().count(), 0);
    }
}

#[test]
fn the_last_ping_is_owed_until_its_pong_comes() {
    let mut wishes = wishes();
    for payload in ["one", "two"] {
        let mut ping = frame::masked_text(payload.as_bytes()).to_vec();
        ping[0] = 0x89;
        wishes.note(&whole(&ping));
    }
    wishes.heard(&whole(&frame::pong(b"one")));
    assert_eq!(wishes.take_pong(), Some(frame::pong(b"two")));
    assert_eq!(wishes.take_pong(), None);
}

#[test]
fn what_is_not_the_streams_own_protocol_is_not_remembered() {
    let mut wishes = Wishes::new(false);
    asked(&mut wishes, &[PING, SUBSCRIBE]);
    told(&mut wishes, &[SUBSCRIBED]);
    assert_eq!(requests(&mut wishes), [""; 0]);
}
