//! What a person is promised about failures: pauses, giving up, trying again, and ends that mean something.

use std::sync::Arc;
use std::time::Duration;

use super::super::Order;
use super::spec::{names, policy, spec};
use super::world::{Nature, World};
use crate::service::{Backoff, Exit, RestartPolicy, Spec};

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// One that never lives longer than 50 ms.
fn crashes(code: i32) -> Nature {
    Nature {
        ready: None,
        ends: Some((ms(50), Exit::Code(code))),
        ..Nature::default()
    }
}

/// A world of one service, started.
fn started(spec: &Spec, nature: Nature) -> World {
    let mut world = World::new(std::slice::from_ref(spec));
    world.nature("a", nature);
    world.ask(Order::Start(names("a")));
    world
}

fn retried(pause: u64) -> Spec {
    let mut spec = spec("a", "");
    Arc::make_mut(&mut spec.recovery).retry_fatal = Some(ms(pause));
    spec
}

#[test]
fn one_that_was_given_up_is_tried_once_more_and_stays_fatal_meanwhile() {
    let mut world = started(&retried(60_000), crashes(3));
    world.pass(ms(2000));
    let fatal = |runs| format!("FATAL: given up after {runs} failed runs in a row: ended with exit code 3");
    assert_eq!(world.shown("a"), fatal(3));
    let retry_at = world.entry("a").retry_at.expect("it is tried again");
    assert_eq!(world.watched.machine.next_deadline(), Some(retry_at));
    world.pass(ms(59_000) + ms(500));
    assert_eq!((world.shown("a"), world.entry("a").run), (fatal(4), 4));
    world.nature("a", Nature::default());
    world.pass(ms(62_000));
    let entry = world.entry("a").clone();
    assert_eq!(
        (world.shown("a").as_str(), entry.run, entry.failures),
        ("RUNNING", 5, 0)
    );
    assert_eq!(entry.retry_at, None);
}

#[test]
fn what_waits_for_one_that_was_given_up_starts_when_it_recovers() {
    let mut world = World::new(&[retried(10_000), spec("b", "a")]);
    world.nature("a", crashes(3));
    world.ask(Order::Start(names("a b")));
    world.pass(ms(2000));
    assert_eq!(world.shown("b"), "STOPPED: waits for a");
    world.nature("a", Nature::default());
    world.pass(ms(12_000));
    assert_eq!(
        (world.shown("a").as_str(), world.shown("b").as_str()),
        ("RUNNING", "RUNNING")
    );
}

#[test]
fn one_that_is_never_tried_again_waits_for_a_person() {
    let mut world = started(&spec("a", ""), crashes(3));
    assert!(world.settle(ms(9000)));
    assert_eq!(
        (world.entry("a").retry_at, world.watched.machine.next_deadline()),
        (None, None)
    );
}

#[test]
fn one_that_was_stopped_after_it_was_given_up_is_not_tried_again() {
    let mut world = started(&retried(10_000), crashes(3));
    world.pass(ms(2000));
    world.ask(Order::Stop(names("a")));
    world.pass(ms(60_000));
    assert_eq!(world.entry("a").run, 3);
}

#[test]
fn a_fatal_exit_is_given_up_at_once_and_for_good() {
    let mut spec = retried(10_000);
    Arc::make_mut(&mut spec.recovery).fatal_exit = vec![Exit::Code(9)];
    let mut world = started(&spec, crashes(9));
    world.pass(ms(60_000));
    assert_eq!(
        world.shown("a"),
        "FATAL: given up: ended with exit code 9, which `fatal_exit` says not to try again"
    );
    assert_eq!(world.entry("a").run, 1);
    // The default is replaced.
    let mut world = started(&spec, crashes(78));
    world.pass(ms(100));
    assert!(world.shown("a").starts_with("BACKOFF"), "{}", world.shown("a"));
}

#[test]
fn a_success_exit_is_left_alone_whatever_the_policy() {
    let ends = |restart, exits: Option<Vec<Exit>>, code| {
        let mut spec = policy(&spec("a", ""), restart);
        Arc::make_mut(&mut spec.recovery).success_exit = exits;
        let mut world = started(&spec, crashes(code));
        world.pass(ms(60));
        world.shown("a").split(':').next().unwrap_or_default().to_owned()
    };
    let good = || Some(vec![Exit::Code(0), Exit::Code(3)]);
    assert_eq!(ends(RestartPolicy::Always, good(), 3), "EXITED");
    assert_eq!(ends(RestartPolicy::Always, good(), 0), "EXITED");
    assert_eq!(ends(RestartPolicy::Always, good(), 4), "BACKOFF");
    assert_eq!(ends(RestartPolicy::Always, None, 0), "BACKOFF");
    assert_eq!(ends(RestartPolicy::OnFailure, good(), 3), "EXITED");
    assert_eq!(
        ends(RestartPolicy::OnFailure, Some(vec![Exit::Code(3)]), 0),
        "BACKOFF"
    );
}

#[test]
fn what_needs_a_job_starts_when_the_job_ended_as_it_should() {
    let mut job = policy(&spec("job", ""), RestartPolicy::OnFailure);
    Arc::make_mut(&mut job.recovery).success_exit = Some(vec![Exit::Code(3)]);
    let mut world = World::new(&[job, spec("b", "job")]);
    world.nature("job", crashes(3));
    let asked = world.ask(Order::Start(names("job b")));
    world.pass(ms(500));
    assert_eq!(world.shown("b"), "RUNNING");
    assert_eq!(world.answer(asked), "job done; b done");
}

#[test]
fn too_many_failures_within_the_window_are_too_many_though_each_run_was_proven() {
    let mut flapping = spec("a", "");
    Arc::make_mut(&mut flapping.recovery).window = ms(60_000);
    let nature = Nature {
        ends: Some((ms(1500), Exit::Code(1))),
        ..Nature::default()
    };
    let mut world = started(&flapping, nature.clone());
    world.pass(ms(5000));
    assert_eq!(
        world.shown("a"),
        "FATAL: given up after 3 failed runs within 60 s: ended with exit code 1"
    );
    Arc::make_mut(&mut flapping.recovery).window = ms(2000);
    let mut world = started(&flapping, nature);
    world.pass(ms(30_000));
    assert!(world.entry("a").run > 15, "seldom enough: {}", world.shown("a"));
}

#[test]
fn the_pauses_are_those_that_are_declared() {
    let mut slow = spec("a", "");
    slow.max_restarts = 9;
    Arc::make_mut(&mut slow.recovery).backoff = Backoff {
        min: ms(2000),
        max: ms(3000),
    };
    let mut world = started(&slow, crashes(1));
    for (least, most) in [(2000, 2500), (3000, 3750), (3000, 3750)] {
        world.pass(ms(51));
        let until = world.entry("a").retry_at.expect("it waits");
        let pause = until - world.watched.now;
        assert!(pause >= ms(least) - ms(50) && pause < ms(most), "{pause:?}");
        world.pass(pause);
    }
}

#[test]
fn each_end_leaves_its_cause() {
    let cause = |world: &World| world.entry("a").last_cause.clone().unwrap_or_default();
    let mut world = started(&spec("a", ""), crashes(3));
    world.pass(ms(60));
    assert_eq!(cause(&world), "ended with exit code 3");
    let mut world = started(&spec("a", ""), Nature::default());
    world.pass(ms(2000));
    assert_eq!(cause(&world), "");
    world.ask(Order::Restart(names("a")));
    world.pass(ms(2000));
    assert_eq!(cause(&world), "restarted on request");
    world.ask(Order::Stop(names("a")));
    world.pass(ms(2000));
    assert_eq!(cause(&world), "stopped on request");
}
