//! What a person is promised about services that need each other.

use std::time::Duration;

use super::super::{Order, RequestId};
use super::spec::{names, policy, spec};
use super::world::{Nature, World};
use crate::service::{Exit, RestartPolicy, Spec};

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn ask(world: &mut World, order: fn(Vec<crate::service::ServiceName>) -> Order, services: &str) -> RequestId {
    world.ask(order(names(services)))
}

/// sim <- stream <- proxy, all up, and nothing told yet.
fn chain() -> World {
    let mut world = World::new(&[spec("sim", ""), spec("stream", "sim"), spec("proxy", "stream")]);
    ask(&mut world, Order::Start, "proxy");
    assert!(world.settle(ms(9000)));
    assert_eq!(
        world.told(),
        "0.0 spawn sim#1, 0.1 spawn stream#1, 0.2 spawn proxy#1, 0.3 answer proxy done"
    );
    world
}

#[test]
fn a_start_pulls_in_what_it_needs() {
    let world = chain();
    assert!(
        ["sim", "stream", "proxy"]
            .iter()
            .all(|service| world.entry(service).wanted)
    );
}

#[test]
fn a_start_pulls_in_what_was_given_up() {
    let mut world = World::new(&[spec("a", ""), spec("b", "a")]);
    world.nature(
        "a",
        Nature {
            unspawnable: 3,
            ..Nature::default()
        },
    );
    let first = ask(&mut world, Order::Start, "b");
    world.settle(ms(9000));
    assert_eq!(
        world.answer(first),
        "b failed: needs a, which is FATAL: exec: not found"
    );
    let second = ask(&mut world, Order::Start, "b");
    world.settle(ms(9000));
    assert_eq!(world.answer(second), "b done");
}

#[test]
fn a_failed_dependency_leaves_dependents_blocked_with_its_name() {
    let mut world = World::new(&[spec("a", ""), spec("b", "a"), spec("c", "b")]);
    world.nature(
        "a",
        Nature {
            unspawnable: 9,
            ..Nature::default()
        },
    );
    let asked = ask(&mut world, Order::Start, "c b");
    assert!(world.settle(ms(9000)));
    let why = "needs a, which is FATAL: exec: not found";
    assert_eq!(world.answer(asked), format!("b failed: {why}; c failed: {why}"));
    assert_eq!(
        (world.shown("b").as_str(), world.shown("c").as_str()),
        ("STOPPED: waits for a", "STOPPED: waits for b")
    );
}

#[test]
fn a_restart_of_all_stops_in_reverse_and_starts_in_order() {
    let mut world = chain();
    let asked = ask(&mut world, Order::Restart, "sim stream proxy");
    assert_eq!(
        world.shown("sim"),
        "STOPPING: waits for what needs it to stop first"
    );
    assert!(world.settle(ms(9000)));
    let order: Vec<String> = world
        .told()
        .split(", ")
        .map(|what| what[4..].to_owned())
        .collect();
    let stops = ["terminate proxy#1", "terminate stream#1", "terminate sim#1"];
    let starts = ["spawn sim#2", "spawn stream#2", "spawn proxy#2"];
    assert_eq!(order[..6], [stops, starts].concat());
    assert_eq!(world.answer(asked), "sim done; stream done; proxy done");
}

#[test]
fn a_restart_of_one_leaves_those_who_need_it_alone() {
    let mut world = chain();
    ask(&mut world, Order::Restart, "sim");
    assert!(world.settle(ms(9000)));
    assert_eq!(
        (
            world.entry("sim").run,
            world.entry("stream").run,
            world.entry("proxy").run
        ),
        (2, 1, 1)
    );
}

#[test]
fn a_stop_of_one_leaves_those_who_need_it_alone_and_a_restart_brings_it_back() {
    let mut world = chain();
    ask(&mut world, Order::Stop, "sim");
    assert!(world.settle(ms(9000)));
    assert_eq!(world.shown("stream"), "RUNNING");
    let asked = ask(&mut world, Order::Restart, "stream");
    assert!(world.settle(ms(9000)));
    assert_eq!(
        (world.answer(asked).as_str(), world.shown("sim").as_str()),
        ("stream done", "RUNNING")
    );
}

#[test]
fn a_stop_of_the_need_of_one_that_is_going_down_is_told_to_those_who_wait() {
    let mut world = chain();
    let asked = ask(&mut world, Order::Restart, "stream");
    ask(&mut world, Order::Stop, "sim");
    assert!(world.settle(ms(9000)));
    assert_eq!(world.answer(asked), "stream failed: needs sim, which is stopped");
}

#[test]
fn a_stop_of_all_supersedes_whatever_waits() {
    let mut world = World::new(&[spec("a", ""), spec("b", "a")]);
    let asked = ask(&mut world, Order::Start, "b");
    ask(&mut world, Order::Stop, "a b");
    assert_eq!(world.answer(asked), "b superseded");
}

#[test]
fn who_waits_for_one_that_runs_is_not_told_about_what_that_one_needs() {
    let mut world = World::new(&[
        spec("a", ""),
        spec("b", "a"),
        spec("slow", ""),
        spec("c", "b slow"),
    ]);
    world.nature(
        "slow",
        Nature {
            ready: Some(ms(1000)),
            ..Nature::default()
        },
    );
    ask(&mut world, Order::Start, "b");
    world.settle(ms(5000));
    let asked = ask(&mut world, Order::Start, "c");
    ask(&mut world, Order::Stop, "a");
    world.settle(ms(5000));
    assert_eq!(world.answer(asked), "c done");
}

#[test]
fn work_that_is_done_satisfies_those_who_need_it() {
    let once = policy(&spec("migrate", ""), RestartPolicy::Never);
    let mut world = World::new(&[once, spec("app", "migrate")]);
    world.nature(
        "migrate",
        Nature {
            ready: None,
            ends: Some((ms(500), Exit::Code(0))),
            ..Nature::default()
        },
    );
    let asked = ask(&mut world, Order::Start, "migrate app");
    assert!(world.settle(ms(9000)));
    assert_eq!(world.answer(asked), "migrate done; app done");
    assert_eq!(
        world.shown("migrate"),
        "EXITED: ended with exit code 0, and its restart policy leaves it"
    );
}

#[test]
fn work_that_failed_does_not() {
    let once = policy(&spec("migrate", ""), RestartPolicy::Never);
    let mut world = World::new(&[once, spec("app", "migrate")]);
    world.nature(
        "migrate",
        Nature {
            ready: None,
            ends: Some((ms(500), Exit::Code(2))),
            ..Nature::default()
        },
    );
    let asked = ask(&mut world, Order::Start, "migrate app");
    assert!(world.settle(ms(9000)));
    let why = "ended with exit code 2";
    assert_eq!(
        world.answer(asked),
        format!("migrate failed: {why}; app failed: needs migrate, which {why}")
    );
    assert_eq!(world.shown("app"), "STOPPED: waits for migrate");
}

#[test]
fn one_that_outlives_sigkill_does_not_hold_up_what_it_needs() {
    let mut world = chain();
    world.nature(
        "proxy",
        Nature {
            obeys: None,
            dies: ms(60_000),
            ..Nature::default()
        },
    );
    world.ask(Order::Shutdown);
    world.pass(ms(6900));
    assert_eq!(
        world.shown("stream"),
        "STOPPING: waits for what needs it to stop first"
    );
    world.pass(ms(1000));
    assert_eq!(world.shown("sim"), "STOPPED: stopped on request");
    assert!(world.settle(ms(200_000)) && world.told().ends_with("finish"));
}

#[test]
fn those_who_wait_for_one_that_needs_it_are_told_of_one_that_outlives_sigkill() {
    let mut world = chain();
    world.nature(
        "sim",
        Nature {
            obeys: None,
            dies: ms(60_000),
            ..Nature::default()
        },
    );
    let asked = ask(&mut world, Order::Restart, "sim stream");
    world.pass(ms(8000));
    let why = "outlives SIGKILL: pid 7";
    assert_eq!(
        world.answer(asked),
        format!("sim failed: {why}; stream failed: needs sim, which {why}")
    );
}

#[test]
fn one_that_is_to_stop_is_not_timed_while_it_waits_for_its_dependents() {
    let mut world = World::new(&[
        Spec {
            start_timeout: ms(1000),
            ..spec("a", "")
        },
        spec("b", "a"),
    ]);
    ask(&mut world, Order::Start, "b");
    world.settle(ms(5000));
    world.nature(
        "b",
        Nature {
            obeys: None,
            ..Nature::default()
        },
    );
    world.nature(
        "a",
        Nature {
            ready: None,
            ..Nature::default()
        },
    );
    ask(&mut world, Order::Restart, "a");
    world.pass(ms(500));
    ask(&mut world, Order::Stop, "a b");
    world.pass(ms(1500));
    assert_eq!(
        world.shown("a"),
        "STOPPING: waits for what needs it to stop first"
    );
    assert!(world.settle(ms(9000)));
}

/// `migrate` is done, and the app that needs it runs.
fn migrated() -> World {
    let once = policy(&spec("migrate", ""), RestartPolicy::Never);
    let mut world = World::new(&[once, spec("slow", ""), spec("app", "migrate slow")]);
    world.nature(
        "migrate",
        Nature {
            ends: Some((ms(500), Exit::Code(0))),
            ..Nature::default()
        },
    );
    world.nature(
        "slow",
        Nature {
            ready: Some(ms(1000)),
            ..Nature::default()
        },
    );
    let asked = ask(&mut world, Order::Start, "app");
    assert!(world.settle(ms(9000)));
    assert_eq!(world.answer(asked), "app done");
    world
}

#[test]
fn work_that_is_done_is_not_done_again() {
    let mut world = migrated();
    ask(&mut world, Order::Start, "app");
    assert!(world.settle(ms(9000)));
    assert_eq!(world.entry("migrate").run, 1);
}

#[test]
fn work_that_is_done_stands_in_nobodys_way() {
    let mut world = migrated();
    let asked = ask(&mut world, Order::Restart, "slow app");
    assert!(world.settle(ms(9000)));
    assert_eq!(world.answer(asked), "slow done; app done");
}

#[test]
fn all_who_wait_for_one_that_never_gets_ready_are_told() {
    let mut world = World::new(&[spec("a", ""), spec("b", "a"), spec("c", "b")]);
    world.nature(
        "a",
        Nature {
            ready: None,
            ..Nature::default()
        },
    );
    let asked = ask(&mut world, Order::Start, "c");
    world.pass(ms(3002));
    let why = "needs a, which is not ready after 3 s: no answer on port 1";
    assert_eq!(world.answer(asked), format!("c failed: {why}"));
}
