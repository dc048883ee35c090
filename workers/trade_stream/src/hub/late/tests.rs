//! Every lost trade once, none twice, whatever comes between.

use std::time::{Duration, Instant, SystemTime};

use alpaca::{Trade, wire};

use super::{Hole, Late, Loss};

const HOLD: Duration = Duration::from_millis(500);

fn trade(symbol: &str, id: u64) -> Trade {
    let text = format!(
        r#"[{{"T":"t","S":"{symbol}","i":{id},"x":"V","p":1,"s":1,"t":"2025-12-14T{:02}:{:02}:{:02}Z"}}]"#,
        10 + id / 3600 % 14,
        id / 60 % 60,
        id % 60
    );
    wire::decode(text.as_bytes()).trades.remove(0)
}

fn ids(trades: &[Trade]) -> Vec<u64> {
    trades.iter().map(|trade| trade.id).collect()
}

/// The market's time at so many seconds after ten.
fn at(seconds: u64) -> SystemTime {
    let ten: jiff::Timestamp = "2025-12-14T10:00:00Z".parse().expect("a time");
    SystemTime::from(ten) + Duration::from_secs(seconds)
}

fn loss(since: &str, seconds: u64) -> Loss {
    Loss {
        since: since.into(),
        start: at(seconds),
    }
}

fn lose(late: &mut Late) {
    late.disconnected(&loss("10:00", 0));
}

/// Confirmed so many seconds after ten, and being fetched.
fn confirm(late: &mut Late, symbols: &[&str], seconds: u64) -> Vec<Hole> {
    let holes = late.confirmed(symbols.iter().copied(), at(seconds), Instant::now() + HOLD);
    late.fetch(&holes);
    holes
}

/// Which of these are new when they are fetched.
fn fetch(late: &mut Late, ids: impl IntoIterator<Item = u64>) -> Vec<u64> {
    ids.into_iter()
        .filter(|id| late.is_new(&trade("A", *id)))
        .collect()
}

/// A symbol that had trades 1..=3, was lost, and is confirmed again at 6.
fn holed() -> (Late, Vec<Hole>) {
    let mut late = Late::default();
    assert!(confirm(&mut late, &["A"], 0).is_empty(), "never had");
    for id in 1..=3 {
        assert!(late.pass(trade("A", id)).is_some());
    }
    lose(&mut late);
    let holes = confirm(&mut late, &["A", "B"], 6);
    assert_eq!(holes.len(), 1, "B had nothing to lose");
    assert_eq!(
        (holes[0].symbol.as_str(), holes[0].since.as_str()),
        ("A", "10:00")
    );
    (late, holes)
}

#[test]
fn what_is_fetched_overlaps_and_each_comes_once_before_what_waited() {
    let (mut late, holes) = holed();
    assert!(late.pass(trade("A", 6)).is_none(), "it waits");
    assert!(late.pass(trade("B", 1)).is_some(), "others do not");
    assert_eq!(fetch(&mut late, 1..=6), [4, 5]);
    assert_eq!(fetch(&mut late, [5]), [0; 0], "two pages overlap");
    assert_eq!(ids(&late.finish(&holes)), [6]);
    assert!(late.pass(trade("A", 7)).is_some());
    assert_eq!(fetch(&mut late, [9]), [0; 0], "nothing is being filled");
}

#[test]
fn a_slow_backfill_does_not_hold_up_live_trades_for_long() {
    let (mut late, _) = holed();
    assert!(late.pass(trade("A", 6)).is_none());
    let due = late.next_overdue().expect("something waits");
    assert!(late.overdue(due - Duration::from_millis(1)).is_empty());
    assert_eq!(ids(&late.overdue(due)), [6]);
    assert_eq!(late.next_overdue(), None);
    assert!(late.pass(trade("A", 7)).is_some());
    assert_eq!(
        fetch(&mut late, [5, 7]),
        [5],
        "it is still filled, and 7 has come"
    );
}

#[test]
fn a_loss_during_a_backfill_is_a_hole_of_its_own_and_the_first_is_filled() {
    let (mut late, first) = holed();
    assert_eq!(fetch(&mut late, [4]), [4]);
    assert!(late.pass(trade("A", 6)).is_none());
    assert!(late.pass(trade("A", 7)).is_none());
    late.disconnected(&loss("10:05", 7));
    assert_eq!(
        fetch(&mut late, [5, 6, 7, 8]),
        [5, 8],
        "the first is still filled"
    );
    assert_eq!(late.open(), [("A".to_owned(), "10:00".to_owned())]);
    let second = late.confirmed(["A"], at(20), Instant::now() + HOLD);
    assert_eq!((second.len(), second[0].since.as_str()), (1, "10:05"));
    assert!(second[0].start <= at(5), "a little before 7");
    assert_eq!(ids(&late.finish(&first)), [0; 0], "6 and 7 wait for the second");
    late.fetch(&second);
    assert!(late.pass(trade("A", 21)).is_none());
    assert_eq!(fetch(&mut late, 4..=21), (9..=20).collect::<Vec<u64>>());
    assert_eq!(ids(&late.finish(&second)), [6, 7, 21]);
}

#[test]
fn a_loss_right_after_a_backfill_fetches_nothing_again() {
    let mut late = Late::default();
    confirm(&mut late, &["A"], 0);
    for id in 1..=3000 {
        late.pass(trade("A", id));
    }
    late.disconnected(&loss("10:50", 3000));
    // A hole of more trades than are remembered of what comes live.
    let holes = confirm(&mut late, &["A"], 5000);
    assert_eq!(fetch(&mut late, 2990..=5000), (3001..=5000).collect::<Vec<u64>>());
    for id in 4999..5004 {
        late.pass(trade("A", id));
    }
    late.finish(&holes);
    late.disconnected(&loss("11:23", 5003));
    confirm(&mut late, &["A"], 5010);
    assert_eq!(fetch(&mut late, 4990..=5010), (5004..=5010).collect::<Vec<u64>>());
}

#[test]
fn a_loss_before_anything_came_again_begins_where_the_backfill_ends() {
    let (mut late, holes) = holed();
    assert_eq!(fetch(&mut late, 1..=6), [4, 5, 6]);
    late.finish(&holes);
    late.disconnected(&loss("10:08", 8));
    let holes = confirm(&mut late, &["A"], 9);
    assert_eq!(holes[0].start, at(4));
    assert_eq!(fetch(&mut late, 4..=9), [7, 8, 9]);
}

#[test]
fn a_symbol_that_is_mute_while_it_is_being_filled_is_filled_again() {
    let (mut late, first) = holed();
    assert!(late.pass(trade("A", 6)).is_none());
    assert_eq!(fetch(&mut late, 4..=6), [4, 5]);
    late.muted("A", &loss("10:09", 9));
    let second = late.confirmed(["A"], at(12), Instant::now() + HOLD);
    assert_eq!(second.len(), 1);
    late.finish(&first);
    late.fetch(&second);
    assert_eq!(fetch(&mut late, 4..=11), (7..=11).collect::<Vec<u64>>());
}

#[test]
fn trades_that_wait_in_vain_for_past_ones_that_are_not_there_yet_tell_it() {
    let (mut late, holes) = holed();
    late.pass(trade("A", 9));
    fetch(&mut late, 1..=5);
    let rest = late.unmet(&holes);
    assert_eq!((rest.len(), rest[0].start), (1, at(3)), "6 to 8 may be missing");
    fetch(&mut late, 4..=9);
    assert!(late.unmet(&holes).is_empty(), "up to the live one");
    // Nothing came live: what is there is all there is.
    let (mut late, holes) = holed();
    fetch(&mut late, 1..=5);
    assert!(late.unmet(&holes).is_empty());
    // A live one that had been fetched: the two meet.
    fetch(&mut late, 6..=7);
    late.pass(trade("A", 7));
    late.pass(trade("A", 8));
    assert!(late.unmet(&holes).is_empty());
}

#[test]
fn only_a_pause_that_leaves_trades_out_is_looked_into() {
    let mut late = Late::default();
    confirm(&mut late, &["A"], 0);
    late.pass(trade("A", 1));
    late.paused("A", Duration::from_secs(30));
    assert!(late.pauses(&[trade("B", 2)]).is_empty());
    assert!(late.pauses(&[trade("A", 2)]).is_empty(), "it was only late");
    assert!(late.pauses(&[trade("A", 90)]).is_empty(), "that pause is over");
    late.paused("A", Duration::from_secs(30));
    let lacking = late.pauses(&[trade("B", 1), trade("A", 31)]);
    assert_eq!(lacking, [("A".to_owned(), Duration::from_secs(30))]);
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut late = Late::default();
    confirm(&mut late, &["A"], 0);
    let mut id = 0;
    for hole in 0..4 {
        late.disconnected(&loss("10:00", id));
        id += 10_000;
        let holes = confirm(&mut late, &["A"], id);
        fetch(&mut late, id - 10_000..id);
        for live in 0..300 {
            late.pass(trade("A", id + live));
        }
        id += 300;
        late.finish(&holes);
        let symbol = &late.symbols["A"];
        assert!(symbol.fetched.keys().count() < 20, "hole {hole}");
        assert!(symbol.recent.count() > 0 && symbol.fillings.is_empty());
    }
}

#[test]
fn what_is_older_than_anything_remembered_had_come() {
    let mut late = Late::default();
    confirm(&mut late, &["A"], 0);
    for id in 1..=3000 {
        late.pass(trade("A", id));
    }
    lose(&mut late);
    confirm(&mut late, &["A"], 3010);
    assert_eq!(fetch(&mut late, 1..=3010), (3001..=3010).collect::<Vec<u64>>());
}

#[test]
fn a_symbol_that_was_dropped_has_no_hole() {
    let (mut late, _) = holed();
    late.forget("A");
    lose(&mut late);
    assert!(confirm(&mut late, &["A"], 9).is_empty());
}

#[test]
fn what_an_earlier_process_knew_is_taken_up() {
    let (mut before, holes) = holed();
    assert_eq!(fetch(&mut before, [4, 5]), [4, 5]);
    before.finish(&holes);
    let (recent, lost) = before.leave("A");
    assert_eq!(lost, None, "it was well");
    let mut after = Late::default();
    after.resume("A", &loss("10:00", 0), recent);
    assert_eq!(confirm(&mut after, &["A"], 9).len(), 1);
    assert_eq!(fetch(&mut after, 1..=7), [6, 7]);
    lose(&mut before);
    assert_eq!(before.leave("A").1, Some(at(0)), "it was not");
}

#[test]
fn what_was_fetched_and_comes_live_too_comes_once() {
    let (mut late, holes) = holed();
    assert_eq!(fetch(&mut late, [4, 5]), [4, 5]);
    assert!(late.pass(trade("A", 5)).is_none());
    assert_eq!(
        ids(&late.finish(&holes)),
        [0_u64; 0],
        "5 is not held, it has come"
    );
    assert!(late.pass(trade("A", 4)).is_none(), "after the backfill, too");
    assert!(late.pass(trade("A", 6)).is_some());
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
    let mut begun_anew = trade("A", 3);
    begun_anew.timestamp = "2025-12-15T10:00:03Z".into();
    assert!(late.pass(begun_anew).is_some(), "ids begin anew each day");
    let mut no_id = trade("A", 0);
    no_id.id = 0;
    assert!(late.pass(no_id.clone()).is_some() && late.pass(no_id).is_some());
}

#[test]
fn what_comes_twice_while_it_waits_is_one() {
    let (mut late, holes) = holed();
    assert!(late.pass(trade("A", 6)).is_none() && late.pass(trade("A", 6)).is_none());
    assert_eq!(ids(&late.finish(&holes)), [6]);
    assert_eq!(late.doubles(), 1);
}

#[test]
fn a_symbol_that_was_mute_has_a_hole_of_its_own() {
    let mut late = Late::default();
    confirm(&mut late, &["A", "B"], 0);
    for symbol in ["A", "B"] {
        late.pass(trade(symbol, 1));
    }
    late.muted("A", &loss("10:00", 1));
    for id in 4..4000 {
        assert!(late.pass(trade("A", id)).is_some(), "it came back by itself");
    }
    let holes = confirm(&mut late, &["A"], 4000);
    assert_eq!((holes.len(), holes[0].symbol.as_str()), (1, "A"));
    assert_eq!(fetch(&mut late, 1..4000), [2, 3]);
}
