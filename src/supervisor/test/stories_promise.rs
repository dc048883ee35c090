//! Stories: what a service says of itself, and what it promised.

use std::time::Duration;

use super::super::{Input, Order};
use super::spec::{GRACE, START_TIMEOUT, name, names, spec};
use super::world::{Nature, World};
use crate::service::{MemoryMax, Run, Spec};

const SECOND: Duration = Duration::from_secs(1);

fn run(service: &str, number: u64) -> Run {
    Run {
        service: name(service),
        number,
    }
}

/// A world in which `a` runs, and is proven.
fn running(unit: Spec) -> World {
    let mut world = World::new(&[unit]);
    world.ask(Order::Start(names("a")));
    world.pass(5 * SECOND);
    assert_eq!(world.shown("a"), "RUNNING");
    world.told();
    world
}

#[test]
fn one_that_is_not_heard_of_is_aborted_and_started_anew_with_that_reason() {
    let watched = Spec {
        watchdog: Some(SECOND),
        ..spec("a", "")
    };
    let mut world = running(watched);
    let missed = Input::WatchdogMissed {
        run: run("a", 1),
        why: "no WATCHDOG=1 for 1 s".into(),
    };
    world.tell(&missed);
    assert_eq!(
        world.shown("a"),
        "STOPPING: taken down: watchdog: no WATCHDOG=1 for 1 s"
    );
    world.pass(SECOND);
    assert_eq!(world.told(), "5.0 abort a#1, 5.0 spawn a#2");
    assert_eq!(world.shown("a"), "RUNNING");
    assert_eq!(world.entry("a").restarts, 1);
}

#[test]
fn one_that_hangs_through_the_abort_is_killed_after_its_grace() {
    let mut world = running(spec("a", ""));
    world.nature(
        "a",
        Nature {
            obeys: None,
            ..Nature::default()
        },
    );
    world.tell(&Input::WatchdogMissed {
        run: run("a", 1),
        why: "it hangs".into(),
    });
    world.pass(GRACE + SECOND);
    assert_eq!(world.told(), "5.0 abort a#1, 7.0 kill a#1, 7.0 spawn a#2");
}

#[test]
fn one_that_uses_too_much_memory_is_asked_to_end_and_started_anew() {
    let weighed = Spec {
        memory_max: Some(MemoryMax {
            bytes: 1 << 20,
            lasting: SECOND,
        }),
        ..spec("a", "")
    };
    let mut world = running(weighed);
    world.tell(&Input::OverMemory {
        run: run("a", 1),
        why: "2.0 MiB".into(),
    });
    assert_eq!(world.shown("a"), "STOPPING: taken down: memory: 2.0 MiB");
    world.pass(SECOND);
    assert_eq!(world.told(), "5.0 terminate a#1, 5.1 spawn a#2");
}

#[test]
fn one_that_says_that_it_is_stopping_is_shown_so_and_left_to_it() {
    let mut world = running(spec("a", ""));
    world.tell(&Input::Leaving { run: run("a", 1) });
    assert_eq!(world.shown("a"), "STOPPING: says that it is stopping");
    world.tell(&Input::Unhealthy {
        run: run("a", 1),
        why: "503".into(),
    });
    assert_eq!(world.told(), "", "whoever is leaving need not be healthy");
    world.pass(GRACE - SECOND);
    assert_eq!(world.told(), "");
    world.pass(2 * SECOND);
    assert_eq!(
        world.told(),
        "7.0 terminate a#1, 7.1 spawn a#2",
        "it did not end by itself"
    );
}

#[test]
fn what_needs_one_that_is_stopping_does_not_start() {
    let mut world = World::new(&[spec("a", ""), spec("b", "a")]);
    world.ask(Order::Start(names("a")));
    world.pass(5 * SECOND);
    world.tell(&Input::Leaving { run: run("a", 1) });
    world.ask(Order::Start(names("b")));
    assert_eq!(world.shown("b"), "STOPPED: waits for a");
}

#[test]
fn a_start_that_asks_for_more_time_has_it() {
    let mut world = World::new(&[spec("a", "")]);
    world.nature(
        "a",
        Nature {
            ready: None,
            ..Nature::default()
        },
    );
    world.ask(Order::Start(names("a")));
    world.pass(START_TIMEOUT - SECOND);
    world.tell(&Input::Extended {
        run: run("a", 1),
        by: 10 * SECOND,
    });
    world.told();
    world.pass(9 * SECOND);
    assert_eq!(world.told(), "");
    world.pass(2 * SECOND);
    assert!(world.told().contains("terminate a#1"));
}

#[test]
fn a_stop_that_asks_for_more_time_has_it_and_no_more_than_an_hour_at_once() {
    let mut world = running(spec("a", ""));
    world.nature(
        "a",
        Nature {
            obeys: None,
            ..Nature::default()
        },
    );
    world.ask(Order::Stop(names("a")));
    let extended = |by| Input::Extended { run: run("a", 1), by };
    world.tell(&extended(30 * SECOND));
    world.tell(&extended(SECOND));
    world.pass(29 * SECOND);
    assert_eq!(
        world.told(),
        "5.0 terminate a#1",
        "a shorter wish does not shorten it"
    );
    world.tell(&extended(Duration::from_secs(1 << 30)));
    world.pass(Duration::from_secs(3599));
    assert_eq!(world.told(), "");
    world.pass(2 * SECOND);
    assert!(world.told().contains("kill a#1"));
}
