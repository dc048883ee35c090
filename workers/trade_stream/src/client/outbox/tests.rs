//! The queue's promises: bounded, in order, and every loss told.

use std::sync::Arc;

use bytes::Bytes;
use ws_listener::frame;

use super::{Chunk, Format, Limits, Outbox, Slow};

const LIMITS: Limits = Limits {
    bytes: 100,
    trades: 5,
    slow: Slow::Drop,
};

/// Trades of a symbol; the first number is the one that the texts' own numbers begin with.
fn chunk(symbol: &str, first: u64, texts: &[&str]) -> Chunk {
    let frames: Vec<u8> = texts
        .iter()
        .flat_map(|text| frame::text(text.as_bytes()))
        .collect();
    Chunk {
        channel: stream_protocol::Channel::Trades,
        symbol: Arc::from(symbol),
        first,
        trades: texts.len(),
        frames: Bytes::from(frames),
        is_late: false,
    }
}

/// The texts of short unmasked frames.
fn texts(mut bytes: &[u8]) -> Vec<String> {
    let mut texts = Vec::new();
    while let [opcode, length, rest @ ..] = bytes {
        let (text, rest) = rest.split_at(usize::from(*length));
        let text = if *opcode == 0x88 { &text[2..] } else { text };
        texts.push(String::from_utf8_lossy(text).into_owned());
        bytes = rest;
    }
    texts
}

fn drain(outbox: &Outbox) -> Vec<String> {
    let mut buffer = [0; 4096];
    let filled = outbox.fill(&mut buffer);
    texts(&buffer[..filled])
}

#[test]
fn what_fits_comes_out_in_order() {
    let outbox = Outbox::new(LIMITS, Format::Stream);
    outbox.reply("subscribed");
    outbox.push_trades(chunk("A", 1, &["a1", "a2"]));
    outbox.reply("pong");
    outbox.push_trades(chunk("B", 1, &["b1"]));
    assert_eq!(drain(&outbox), ["subscribed", "a1", "a2", "pong", "b1"]);
    assert_eq!(drain(&outbox), [""; 0]);
}

#[test]
fn the_oldest_trades_make_room_and_a_gap_says_so() {
    let outbox = Outbox::new(LIMITS, Format::Stream);
    outbox.push_trades(chunk("A", 1, &["a1", "a2"]));
    outbox.reply("pong");
    for (text, first) in ["b1", "b2", "b3", "b4"].iter().zip(1..) {
        outbox.push_trades(chunk("B", first, &[text]));
    }
    assert_eq!(
        drain(&outbox),
        [
            "pong",
            r#"{"type":"gap","symbol":"A","from":1,"to":2,"missed":2,"reason":"slow"}"#,
            "b1",
            "b2",
            "b3",
            "b4"
        ]
    );
    assert_eq!(outbox.missed(), 2);
    outbox.push_trades(chunk("A", 3, &["a3"]));
    assert_eq!(drain(&outbox), ["a3"], "a gap is told once");
}

#[test]
fn losses_add_up_until_they_are_told() {
    let outbox = Outbox::new(LIMITS, Format::Stream);
    for number in 1..=1000 {
        outbox.push_trades(chunk("A", number, &["a"]));
        outbox.push_trades(chunk("B", number, &["b"]));
    }
    let drained = drain(&outbox);
    assert_eq!(drained.len(), 2 + 5);
    assert_eq!(outbox.missed(), 1995);
    let told: usize = drained[..2]
        .iter()
        .map(|gap| serde_json::from_str::<serde_json::Value>(gap).expect("JSON"))
        .map(|gap| gap["missed"].as_u64().expect("a number") as usize)
        .sum();
    assert_eq!(told, 1995);
}

#[test]
fn bytes_are_bounded_too() {
    let outbox = Outbox::new(LIMITS, Format::Stream);
    let long = "x".repeat(60);
    outbox.push_trades(chunk("A", 1, &[&long]));
    outbox.push_trades(chunk("A", 2, &[&long]));
    assert_eq!(
        drain(&outbox),
        [
            r#"{"type":"gap","symbol":"A","from":1,"to":1,"missed":1,"reason":"slow"}"#,
            &long
        ]
    );
}

#[test]
fn a_trade_that_can_never_fit_is_told_too() {
    let outbox = Outbox::new(LIMITS, Format::Stream);
    outbox.push_trades(chunk("A", 1, &[&"x".repeat(120)]));
    outbox.finish();
    assert!(!outbox.is_done());
    assert_eq!(
        drain(&outbox),
        [r#"{"type":"gap","symbol":"A","from":1,"to":1,"missed":1,"reason":"slow"}"#]
    );
    assert!(outbox.is_done());
}

#[test]
fn a_frame_once_begun_is_finished_whatever_is_dropped() {
    let outbox = Outbox::new(LIMITS, Format::Stream);
    outbox.push_trades(chunk("A", 1, &["begun"]));
    let mut taken = vec![0; 3];
    assert_eq!(outbox.fill(&mut taken), 3);
    for (text, first) in ["1", "2", "3", "4", "5", "6"].iter().zip(2..) {
        outbox.push_trades(chunk("A", first, &[text]));
    }
    let mut rest = [0; 4096];
    let filled = outbox.fill(&mut rest);
    taken.extend_from_slice(&rest[..filled]);
    let gap = r#"{"type":"gap","symbol":"A","from":2,"to":2,"missed":1,"reason":"slow"}"#;
    assert_eq!(texts(&taken), ["begun", gap, "2", "3", "4", "5", "6"]);
}

#[test]
fn conflation_keeps_the_newest_of_each_symbol_and_tells_the_rest() {
    let outbox = Outbox::new(
        Limits {
            slow: Slow::Conflate,
            ..LIMITS
        },
        Format::Stream,
    );
    outbox.push_trades(chunk("A", 1, &["a1", "a2"]));
    outbox.push_trades(chunk("B", 1, &["b1"]));
    outbox.reply("pong");
    outbox.push_trades(chunk("A", 3, &["a3", "a4", "a5"]));
    outbox.push_trades(chunk("A", 6, &["a6"]));
    let told = drain(&outbox);
    let gap = r#"{"type":"gap","symbol":"A","from":1,"to":4,"missed":4,"reason":"slow"}"#;
    assert_eq!(told, [gap, "b1", "pong", "a5", "a6"]);
    assert_eq!(outbox.missed(), 4);
}

#[test]
fn the_other_policy_closes_with_a_reason() {
    let outbox = Outbox::new(
        Limits {
            slow: Slow::Close,
            ..LIMITS
        },
        Format::Stream,
    );
    for (text, first) in ["1", "2", "3", "4", "5", "6", "7"].iter().zip(1..) {
        outbox.push_trades(chunk("A", first, &[text]));
    }
    assert_eq!(drain(&outbox), ["too slow: over 100 bytes or 5 trades waited"]);
    assert!(outbox.is_done());
}

#[test]
fn nothing_follows_the_close() {
    let outbox = Outbox::new(LIMITS, Format::Stream);
    outbox.push_trades(chunk("A", 1, &["last"]));
    outbox.close(1001, "stopping");
    outbox.close(1011, "another");
    outbox.push_trades(chunk("A", 2, &["late"]));
    outbox.reply("late");
    assert!(!outbox.is_done());
    assert_eq!(drain(&outbox), ["last", "stopping"]);
    assert!(outbox.is_done());
}

#[test]
fn what_comes_late_does_not_count_as_slowness() {
    let limits = Limits {
        bytes: 100,
        trades: 3,
        slow: Slow::Drop,
    };
    let outbox = Outbox::new(limits, Format::Stream);
    for first in 0..10 {
        let late = chunk("A", 1 + 2 * first, &["x", "y"]);
        outbox.push_trades(Chunk {
            is_late: true,
            ..late
        });
    }
    outbox.push_trades(chunk("A", 21, &["x", "y"]));
    assert_eq!(outbox.missed(), 0, "twenty late ones and two others");
    outbox.push_trades(chunk("A", 23, &["x", "y"]));
    assert_eq!(
        outbox.missed(),
        22,
        "four others are too many, and the oldest go first"
    );
    let mut written = [0; 4096];
    while outbox.fill(&mut written) > 0 {}
    assert_eq!(outbox.bytes(), 0);
    outbox.push_trades(chunk("A", 25, &["x", "y"]));
    assert_eq!(outbox.missed(), 22);
}
