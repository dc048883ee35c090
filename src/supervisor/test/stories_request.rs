//! What a person is promised about what was asked of one service: start, stop, shutdown.

use std::time::Duration;

use super::super::{Order, RequestId};
use super::spec::{names, policy, spec};
use super::world::{Nature, World};
use crate::service::{Exit, RestartPolicy};

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn start(world: &mut World, services: &str) -> RequestId {
    world.ask(Order::Start(names(services)))
}

fn stop(world: &mut World, services: &str) -> RequestId {
    world.ask(Order::Stop(names(services)))
}

fn ignores_the_stop_signal() -> Nature {
    Nature {
        obeys: None,
        ..Nature::default()
    }
}

#[test]
fn a_stop_that_sigkill_cannot_bring_about_fails() {
    let mut world = World::new(&[spec("a", "")]);
    world.nature(
        "a",
        Nature {
            obeys: None,
            dies: ms(60_000),
            ..Nature::default()
        },
    );
    start(&mut world, "a");
    world.pass(ms(1000));
    let asked = stop(&mut world, "a");
    world.pass(ms(7001));
    assert_eq!(world.answer(asked), "a failed: outlives SIGKILL: pid 7");
}

#[test]
fn a_stop_while_it_starts_supersedes_the_start() {
    let mut world = World::new(&[spec("a", "")]);
    let started = start(&mut world, "a");
    let stopped = stop(&mut world, "a");
    assert_eq!(world.answer(started), "a superseded");
    assert!(world.settle(ms(1000)));
    assert_eq!(world.answer(stopped), "a done");
    assert_eq!(world.shown("a"), "STOPPED: stopped on request");
}

#[test]
fn a_start_while_it_stops_supersedes_the_stop() {
    let mut world = World::new(&[spec("a", "")]);
    start(&mut world, "a");
    world.pass(ms(1500));
    let stopped = stop(&mut world, "a");
    let started = start(&mut world, "a");
    assert_eq!(world.answer(stopped), "a superseded");
    world.settle(ms(5000));
    assert_eq!(
        (world.answer(started).as_str(), world.entry("a").run),
        ("a done", 2)
    );
}

#[test]
fn a_start_ends_the_wait_after_a_failure_and_clears_the_count() {
    let mut world = World::new(&[spec("a", "")]);
    world.nature(
        "a",
        Nature {
            unspawnable: 1,
            ..Nature::default()
        },
    );
    start(&mut world, "a");
    world.pass(ms(10));
    assert_eq!(world.shown("a"), "BACKOFF: failure 1 in a row: exec: not found");
    start(&mut world, "a");
    assert_eq!((world.entry("a").run, world.entry("a").failures), (2, 0));
}

#[test]
fn a_start_after_a_stop_clears_the_count_though_the_old_run_is_not_gone() {
    let mut world = World::new(&[spec("a", "")]);
    world.nature(
        "a",
        Nature {
            ends: Some((ms(50), Exit::Code(3))),
            descendants: ms(500),
            ..Nature::default()
        },
    );
    start(&mut world, "a");
    world.pass(ms(600));
    assert_eq!(world.entry("a").failures, 1);
    world.pass(ms(200));
    stop(&mut world, "a");
    start(&mut world, "a");
    assert_eq!((world.entry("a").failures, world.entry("a").restarts), (0, 0));
}

#[test]
fn a_start_of_what_runs_is_done_at_once() {
    let mut world = World::new(&[spec("a", "")]);
    start(&mut world, "a");
    world.settle(ms(5000));
    let again = start(&mut world, "a");
    assert_eq!(
        (world.answer(again).as_str(), world.entry("a").run),
        ("a done", 1)
    );
}

#[test]
fn a_shutdown_ends_every_state_there_is() {
    let mut world = World::new(&[
        spec("waits", ""),
        spec("stubborn", ""),
        spec("fresh", ""),
        spec("blocked", "waits"),
    ]);
    world.nature(
        "waits",
        Nature {
            unspawnable: 9,
            ..Nature::default()
        },
    );
    world.nature("stubborn", ignores_the_stop_signal());
    start(&mut world, "stubborn blocked");
    world.pass(ms(1000));
    stop(&mut world, "stubborn");
    world.pass(ms(2001));
    start(&mut world, "waits");
    world.pass(ms(2));
    start(&mut world, "fresh");
    assert!(world.shown("waits").starts_with("BACKOFF"));
    let (down, twice) = (world.ask(Order::Shutdown), world.ask(Order::Shutdown));
    let refused = start(&mut world, "fresh");
    assert_eq!(world.answer(refused), "refused: the supervisor is shutting down");
    assert!(world.settle(ms(5000)));
    for id in [down, twice] {
        assert_eq!(world.answer(id).matches(" done").count(), 4);
    }
    assert!(world.told().ends_with("finish"));
}

#[test]
fn a_supervisor_of_nothing_shuts_down_at_once() {
    let mut world = World::new(&[]);
    let down = world.ask(Order::Shutdown);
    assert_eq!(
        (world.answer(down).as_str(), world.told().as_str()),
        ("", "0.0 answer , 0.0 finish")
    );
}

#[test]
fn a_name_that_is_not_declared_is_refused() {
    let mut world = World::new(&[spec("a", "")]);
    let asked = start(&mut world, "a nosuch");
    assert_eq!(world.answer(asked), "refused: there is no service `nosuch`");
    assert_eq!(world.entry("a").run, 0);
}

#[test]
fn a_stop_and_a_start_while_it_ends_by_itself_make_a_new_run_at_once() {
    let mut world = World::new(&[policy(&spec("a", ""), RestartPolicy::Never)]);
    let ends = Some((ms(2000), Exit::Code(0)));
    world.nature(
        "a",
        Nature {
            ends,
            faulty_runs: 1,
            descendants: ms(500),
            ..Nature::default()
        },
    );
    start(&mut world, "a");
    world.pass(ms(2100));
    stop(&mut world, "a");
    let asked = start(&mut world, "a");
    world.settle(ms(9000));
    assert_eq!(
        (
            world.answer(asked).as_str(),
            world.shown("a").as_str(),
            world.entry("a").run
        ),
        ("a done", "RUNNING", 2)
    );
}

#[test]
fn a_service_that_is_named_twice_is_answered_once() {
    let mut world = World::new(&[spec("a", "")]);
    let asked = start(&mut world, "a a");
    world.settle(ms(5000));
    assert_eq!(world.answer(asked), "a done");
}
