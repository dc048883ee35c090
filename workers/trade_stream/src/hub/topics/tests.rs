//! Who gets a trade, when a symbol goes, and what those who come back are told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use stream_protocol::{Gap, GapReason, Position};

use super::{Recovery, Topics};
use crate::client::{Format, Limits, Outbox, Slow};
use crate::hub::{ClientId, Retention};

const LINGER: Duration = Duration::from_secs(30);
const FIRST: ClientId = ClientId(1);
const SECOND: ClientId = ClientId(2);

const KEEP: Retention = Retention {
    trades: 1000,
    bytes: 1 << 20,
    total_bytes: 1 << 20,
};

fn topics() -> Topics {
    Topics::new(stream_protocol::Channel::Trades, LINGER, KEEP)
}

fn since(epoch: &str, seq: u64) -> Option<Position> {
    Some(Position {
        epoch: epoch.into(),
        seq,
    })
}

fn outbox() -> Arc<Outbox> {
    Arc::new(Outbox::new(
        Limits {
            bytes: 1 << 20,
            trades: 1 << 20,
            slow: Slow::Drop,
        },
        Format::Stream,
    ))
}

fn received(outbox: &Outbox) -> Vec<u8> {
    let mut buffer = vec![0; 1 << 20];
    let filled = outbox.fill(&mut buffer);
    buffer.truncate(filled);
    buffer
}

#[test]
fn a_trade_reaches_its_subscribers_and_nobody_else() {
    let mut topics = topics();
    let (first, second) = (outbox(), outbox());
    topics.subscribe("A", FIRST, &first, None);
    topics.subscribe("A", SECOND, &second, None);
    topics.subscribe("B", SECOND, &second, None);
    topics.add("A", |_, text, _| text.extend(b"a"));
    topics.add("B", |_, text, _| text.extend(b"b"));
    topics.add("C", |_, _, _| unreachable!("nobody wants C"));
    topics.publish();
    assert_eq!(received(&first), b"\x81\x01a");
    assert_eq!(received(&second), b"\x81\x01a\x81\x01b");
    topics.publish();
    assert_eq!(received(&first), b"");
}

#[test]
fn subscribing_twice_delivers_once() {
    let mut topics = topics();
    let first = outbox();
    topics.subscribe("A", FIRST, &first, None);
    topics.subscribe("A", FIRST, &first, None);
    topics.add("A", |_, text, _| text.extend(b"a"));
    topics.publish();
    assert_eq!(received(&first), b"\x81\x01a");
}

#[test]
fn the_last_to_leave_lets_the_symbol_linger_then_go() {
    let now = Instant::now();
    let mut topics = topics();
    let first = outbox();
    topics.subscribe("A", FIRST, &first, None);
    topics.subscribe("A", SECOND, &first, None);
    topics.unsubscribe("A", FIRST, now);
    assert_eq!(topics.next_expiry(), None, "one is left");
    topics.unsubscribe("A", SECOND, now);
    assert_eq!(topics.active(), [""; 0]);
    assert_eq!(topics.next_expiry(), Some(now + LINGER));
    topics.unsubscribe("A", SECOND, now + LINGER / 2);
    assert_eq!(topics.expire(now + LINGER / 2), [""; 0]);
    assert_eq!(topics.expire(now + LINGER), ["A"]);
    let anew = topics.subscribe("A", FIRST, &first, None);
    assert_eq!(anew.position.seq, 0, "a topic of its own");
}

#[test]
fn coming_back_in_time_asks_nothing_of_the_upstream() {
    let now = Instant::now();
    let mut topics = topics();
    let first = outbox();
    topics.subscribe("A", FIRST, &first, None);
    topics.unsubscribe("A", FIRST, now);
    topics.subscribe("A", FIRST, &first, None);
    assert_eq!(topics.expire(now + LINGER * 2), [""; 0]);
}

#[test]
fn a_refused_symbol_names_those_who_wanted_it() {
    let mut topics = topics();
    topics.subscribe("A", FIRST, &outbox(), None);
    topics.add("A", |_, text, _| text.extend(b"a"));
    let wanted: Vec<ClientId> = topics.remove("A").into_iter().map(|(id, _)| id).collect();
    assert_eq!(wanted, [FIRST]);
    assert!(topics.remove("A").is_empty());
    topics.publish();
}

#[test]
fn a_burst_is_passed_on_in_chunks_with_nothing_lost_or_doubled() {
    let mut topics = topics();
    let first = outbox();
    topics.subscribe("A", FIRST, &first, None);
    for _ in 0..1000 {
        topics.add("A", |_, text, _| text.extend([b'x'; 100]));
    }
    topics.publish();
    assert_eq!(received(&first).len(), 1000 * 102);
}

#[test]
fn who_comes_back_gets_what_came_meanwhile_in_order() {
    let now = Instant::now();
    let mut topics = topics();
    let first = outbox();
    let start = topics.subscribe("A", FIRST, &first, None).position;
    assert_eq!(start.seq, 0);
    topics.add("A", |_, text, seq| text.extend(seq.to_string().bytes()));
    topics.publish();
    topics.unsubscribe("A", FIRST, now);
    for _ in 0..3 {
        topics.add("A", |_, text, seq| text.extend(seq.to_string().bytes()));
    }
    let back = topics.subscribe("A", SECOND, &outbox(), since(&start.epoch, 2).as_ref());
    assert_eq!(back.position, since(&start.epoch, 4).expect("a position"));
    let Recovery::Whole(chunks) = back.recovery else {
        panic!("{:?}", back.recovery);
    };
    let frames: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.frames.to_vec()).collect();
    assert_eq!(frames, b"\x81\x013\x81\x014");
}

#[test]
fn who_was_elsewhere_or_away_too_long_is_told_what_is_lost() {
    let retention = Retention { trades: 2, ..KEEP };
    let mut topics = Topics::new(stream_protocol::Channel::Trades, LINGER, retention);
    let epoch = topics.subscribe("A", FIRST, &outbox(), None).position.epoch;
    for _ in 0..5 {
        topics.add("A", |_, text, _| text.extend(b"a"));
        topics.publish();
    }
    let mut lost = |epoch: &str, seq| match topics
        .subscribe("A", SECOND, &outbox(), since(epoch, seq).as_ref())
        .recovery
    {
        Recovery::Lost(gap) => gap,
        other => panic!("{other:?}"),
    };
    assert_eq!(lost(&epoch, 1), Gap::range("A", 2, 5, GapReason::History));
    assert_eq!(lost("another.1", 4), Gap::unknown("A", GapReason::History));
    assert_eq!(lost(&epoch, 6), Gap::unknown("A", GapReason::History));
}

#[test]
fn a_symbol_made_anew_has_a_numbering_of_its_own() {
    let mut topics = topics();
    let earlier = topics.subscribe("A", FIRST, &outbox(), None).position;
    topics.remove("A");
    let later = topics.subscribe("A", FIRST, &outbox(), Some(&earlier));
    assert_ne!(later.position.epoch, earlier.epoch);
    assert!(matches!(later.recovery, Recovery::Lost(_)));
}
