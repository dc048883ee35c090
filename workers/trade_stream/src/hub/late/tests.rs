//! Every lost trade once, none twice, whatever comes between.

use std::time::{Duration, Instant, SystemTime};

use alpaca::{Trade, wire};

use super::Late;

const HOLD: Duration = Duration::from_millis(500);

fn trade(symbol: &str, id: u64) -> Trade {
    trade_on("2025-12-14", symbol, id)
}

fn trade_on(day: &str, symbol: &str, id: u64) -> Trade {
    let text = format!(
        r#"[{{"T":"t","S":"{symbol}","i":{id},"x":"V","p":1,"s":1,"t":"{day}T10:{:02}:{:02}Z"}}]"#,
        id / 60 % 60,
        id % 60
    );
    wire::decode(text.as_bytes()).trades.remove(0)
}

fn ids(trades: &[Trade]) -> Vec<u64> {
    trades.iter().map(Trade::id).collect()
}

fn lose(late: &mut Late) -> Vec<Trade> {
    late.disconnected("10:00", SystemTime::UNIX_EPOCH)
}

/// A symbol that had trades 1..=3, was lost, and is confirmed again.
fn holed() -> Late {
    let mut late = Late::default();
    assert!(
        late.confirmed(["A"], Instant::now(), HOLD).is_empty(),
        "never had"
    );
    for id in 1..=3 {
        assert!(late.pass(trade("A", id)).is_some());
    }
    lose(&mut late);
    let holes = late.confirmed(["A", "B"], Instant::now(), HOLD);
    assert_eq!(holes.len(), 1, "B had nothing to lose");
    assert_eq!((holes[0].0.as_str(), holes[0].1.since.as_str()), ("A", "10:00"));
    late
}

#[test]
fn what_is_fetched_overlaps_and_each_comes_once_before_what_waited() {
    let mut late = holed();
    assert!(late.pass(trade("A", 6)).is_none(), "it waits");
    assert!(late.pass(trade("B", 1)).is_some(), "others do not");
    let fetched: Vec<u64> = (1..=6).filter(|id| late.is_new(&trade("A", *id))).collect();
    assert_eq!(fetched, [4, 5]);
    assert!(!late.is_new(&trade("A", 5)), "two pages overlap");
    assert_eq!(ids(&late.finish(&["A".into()])), [6]);
    assert!(late.pass(trade("A", 7)).is_some());
    assert!(!late.is_new(&trade("A", 9)), "nothing is being filled");
}

#[test]
fn a_slow_backfill_does_not_hold_up_live_trades_for_long() {
    let mut late = holed();
    assert!(late.pass(trade("A", 6)).is_none());
    let due = late.next_overdue().expect("something waits");
    assert!(late.overdue(due - Duration::from_millis(1)).is_empty());
    assert_eq!(ids(&late.overdue(due)), [6]);
    assert_eq!(late.next_overdue(), None);
    assert!(late.pass(trade("A", 7)).is_some());
    assert!(late.is_new(&trade("A", 5)), "it is still filled");
    assert!(!late.is_new(&trade("A", 7)), "that has come");
}

#[test]
fn a_loss_during_a_backfill_is_filled_from_the_first_one_on() {
    let mut late = holed();
    assert!(late.is_new(&trade("A", 4)));
    assert!(late.pass(trade("A", 6)).is_none());
    assert_eq!(
        ids(&late.disconnected("10:05", SystemTime::now())),
        [6],
        "not lost"
    );
    let holes = late.confirmed(["A"], Instant::now(), HOLD);
    assert_eq!(holes[0].1.since, "10:00");
    let fetched: Vec<u64> = (1..=8).filter(|id| late.is_new(&trade("A", *id))).collect();
    assert_eq!(fetched, [5, 7, 8]);
}

#[test]
fn what_is_older_than_anything_remembered_had_come() {
    let mut late = Late::default();
    late.confirmed(["A"], Instant::now(), HOLD);
    for id in 1..=3000 {
        late.pass(trade("A", id));
    }
    lose(&mut late);
    late.confirmed(["A"], Instant::now(), HOLD);
    let fetched: Vec<u64> = (1..=3010).filter(|id| late.is_new(&trade("A", *id))).collect();
    assert_eq!(fetched, (3001..=3010).collect::<Vec<u64>>());
}

#[test]
fn a_symbol_that_was_dropped_has_no_hole() {
    let mut late = holed();
    late.forget("A");
    lose(&mut late);
    assert!(late.confirmed(["A"], Instant::now(), HOLD).is_empty());
}

#[test]
fn what_an_earlier_process_knew_is_taken_up() {
    let mut before = Late::default();
    before.confirmed(["A"], Instant::now(), HOLD);
    for id in 1..=3 {
        before.pass(trade("A", id));
    }
    let recent = before.recent("A").expect("traded").clone();
    let mut after = Late::default();
    after.resume("A", "10:00", SystemTime::UNIX_EPOCH, recent);
    assert_eq!(after.confirmed(["A"], Instant::now(), HOLD).len(), 1);
    let fetched: Vec<u64> = (1..=5).filter(|id| after.is_new(&trade("A", *id))).collect();
    assert_eq!(fetched, [4, 5]);
}

#[test]
fn what_was_fetched_and_comes_live_too_comes_once() {
    let mut late = holed();
    assert!(late.is_new(&trade("A", 4)) && late.is_new(&trade("A", 5)));
    assert!(late.pass(trade("A", 5)).is_none());
    assert_eq!(
        ids(&late.finish(&["A".into()])),
        [0_u64; 0],
        "5 is not held, it has come"
    );
    assert!(late.pass(trade("A", 4)).is_none(), "after the backfill, too");
    assert!(late.pass(trade("A", 6)).is_some());
}

#[test]
fn what_was_fetched_is_known_at_the_next_loss() {
    let mut late = holed();
    assert!(late.is_new(&trade("A", 4)));
    late.finish(&["A".into()]);
    lose(&mut late);
    late.confirmed(["A"], Instant::now(), HOLD);
    let fetched: Vec<u64> = (1..=6).filter(|id| late.is_new(&trade("A", *id))).collect();
    assert_eq!(fetched, [5, 6]);
}

#[test]
fn what_comes_twice_is_passed_on_once_and_counted() {
    let mut late = Late::default();
    for id in [1, 2, 2, 1, 3] {
        late.pass(trade("A", id));
    }
    assert!(late.pass(trade("A", 3)).is_none());
    assert!(late.pass(trade("B", 3)).is_some(), "another symbol");
    assert_eq!(late.doubles(), 3);
    let begun_anew = trade_on("2025-12-15", "A", 3);
    assert!(late.pass(begun_anew).is_some(), "ids begin anew each day");
    let no_id = trade("A", 0);
    assert!(late.pass(no_id.clone()).is_some() && late.pass(no_id).is_some());
}

#[test]
fn what_comes_twice_while_it_waits_is_one() {
    let mut late = holed();
    assert!(late.pass(trade("A", 6)).is_none() && late.pass(trade("A", 6)).is_none());
    assert_eq!(ids(&late.finish(&["A".into()])), [6]);
    assert_eq!(late.doubles(), 1);
}

#[test]
fn a_symbol_that_was_mute_has_a_hole_of_its_own() {
    let mut late = Late::default();
    late.confirmed(["A", "B"], Instant::now(), HOLD);
    for symbol in ["A", "B"] {
        late.pass(trade(symbol, 1));
    }
    late.muted("A", "10:00", SystemTime::UNIX_EPOCH);
    for id in 4..4000 {
        assert!(late.pass(trade("A", id)).is_some(), "it came back by itself");
    }
    let holes = late.confirmed(["A"], Instant::now(), HOLD);
    assert_eq!((holes.len(), holes[0].0.as_str()), (1, "A"));
    let fetched: Vec<u64> = (1..4000).filter(|id| late.is_new(&trade("A", *id))).collect();
    assert_eq!(fetched, [2, 3]);
}
