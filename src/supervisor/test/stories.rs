//! What a person is promised about one service, told as short stories in virtual time.

use std::time::Duration;

use super::super::{Action, Input, Moment, Order};
use super::spec::{name, names, policy, spec};
use super::world::{Nature, World};
use crate::service::{Exit, RestartPolicy, Run, Spec};

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn start(world: &mut World, services: &str) -> super::super::RequestId {
    world.ask(Order::Start(names(services)))
}

fn stop(world: &mut World, services: &str) -> super::super::RequestId {
    world.ask(Order::Stop(names(services)))
}

/// One that never lives longer than 50 ms.
fn crashes() -> Nature {
    Nature {
        ready: None,
        ends: Some((ms(50), Exit::Code(3))),
        ..Nature::default()
    }
}

fn ignores_the_stop_signal() -> Nature {
    Nature {
        obeys: None,
        ..Nature::default()
    }
}

#[test]
fn a_proven_run_that_crashes_is_back_at_once() {
    let mut world = World::new(&[spec("a", "")]);
    world.nature(
        "a",
        Nature {
            ends: Some((ms(5000), Exit::Signal(11))),
            faulty_runs: 1,
            ..Nature::default()
        },
    );
    start(&mut world, "a");
    world.pass(ms(5001));
    let crashed = world.watched.now;
    assert_eq!(
        world.told(),
        "0.0 spawn a#1, 0.1 answer a done, 5.0 terminate a#1, 5.0 spawn a#2"
    );
    assert_eq!(world.watched.now, crashed);
    world.pass(ms(200));
    let entry = world.entry("a");
    assert_eq!(
        (entry.restarts, entry.last_exit.map(|(exit, _)| exit)),
        (1, Some(Exit::Signal(11)))
    );
    assert_eq!(world.shown("a"), "RUNNING");
}

#[test]
fn one_that_exits_at_once_every_time_backs_off_and_is_given_up() {
    let mut world = World::new(&[Spec {
        max_restarts: 4,
        ..spec("a", "")
    }]);
    world.nature("a", crashes());
    let asked = start(&mut world, "a");
    for failure in 1..=4 {
        world.pass(ms(51));
        assert_eq!(
            world.shown("a"),
            format!("BACKOFF: failure {failure} in a row: ended with exit code 3")
        );
        let until = world.watched.machine.next_deadline().expect("it waits for time");
        let delay = until - world.watched.now;
        let base = ms(100 << (failure - 1));
        assert!(
            delay >= base && delay < base * 5 / 4,
            "after {failure} failures {delay:?}"
        );
        assert_eq!(world.answer(asked), "none yet");
        world.pass(delay);
    }
    assert!(world.settle(ms(1000)));
    let fatal = "FATAL: given up after 5 failed runs in a row: ended with exit code 3";
    assert_eq!((world.shown("a").as_str(), world.entry("a").restarts), (fatal, 4));
    assert_eq!(world.answer(asked), "a failed: ended with exit code 3");
    world.nature("a", Nature::default());
    let again = world.ask(Order::Restart(names("a")));
    world.settle(ms(5000));
    assert_eq!(
        (world.answer(again).as_str(), world.entry("a").restarts),
        ("a done", 0)
    );
}

#[test]
fn a_restart_of_one_that_cannot_run_fails_with_the_reason() {
    let mut world = World::new(&[spec("a", "")]);
    start(&mut world, "a");
    world.settle(ms(2000));
    world.nature(
        "a",
        Nature {
            unspawnable: 9,
            ..Nature::default()
        },
    );
    let asked = world.ask(Order::Restart(names("a")));
    assert!(world.settle(ms(5000)));
    assert_eq!(world.answer(asked), "a failed: exec: not found");
    assert_eq!(
        world.shown("a"),
        "FATAL: given up after 3 failed runs in a row: exec: not found"
    );
}

#[test]
fn one_that_ignores_the_stop_signal_is_killed_after_its_grace() {
    let mut world = World::new(&[spec("a", "")]);
    world.nature("a", ignores_the_stop_signal());
    start(&mut world, "a");
    world.pass(ms(1000));
    stop(&mut world, "a");
    assert_eq!(world.shown("a"), "STOPPING: asked to end");
    assert!(world.settle(ms(5000)));
    let told = "0.0 spawn a#1, 0.1 answer a done, 1.0 terminate a#1, 3.0 kill a#1, 3.0 answer a done";
    assert_eq!(world.told(), told);
    assert_eq!(world.shown("a"), "STOPPED: stopped on request");
}

#[test]
fn one_that_never_gets_ready_fails_after_its_start_timeout() {
    let mut world = World::new(&[spec("a", ""), spec("b", "a")]);
    world.nature(
        "a",
        Nature {
            ready: None,
            ..Nature::default()
        },
    );
    let (a, b) = (start(&mut world, "a"), start(&mut world, "b"));
    world.pass(ms(2999));
    assert_eq!(world.shown("a"), "STARTING: not ready yet: no answer on port 1");
    assert_eq!(
        (world.answer(a).as_str(), world.answer(b).as_str()),
        ("none yet", "none yet")
    );
    world.pass(ms(2));
    let why = "not ready after 3 s: no answer on port 1";
    assert_eq!(world.answer(a), format!("a failed: {why}"));
    assert_eq!(world.answer(b), format!("b failed: needs a, which is {why}"));
    assert_eq!(world.shown("a"), format!("STOPPING: taken down: {why}"));
    assert_eq!(world.shown("b"), "STOPPED: waits for a");
}

#[test]
fn one_that_is_unhealthy_is_taken_down_with_the_words_of_its_probe() {
    let mut world = World::new(&[spec("a", "")]);
    world.nature(
        "a",
        Nature {
            sick: Some(ms(4000)),
            faulty_runs: 1,
            ..Nature::default()
        },
    );
    start(&mut world, "a");
    world.pass(ms(4001));
    assert_eq!(world.shown("a"), "STOPPING: taken down: unhealthy: silent");
    world.settle(ms(5000));
    assert_eq!((world.shown("a").as_str(), world.entry("a").run), ("RUNNING", 2));
}

#[test]
fn an_unproven_one_that_is_unhealthy_waits_before_its_next_run() {
    let mut world = World::new(&[spec("a", "")]);
    world.nature(
        "a",
        Nature {
            sick: Some(ms(500)),
            faulty_runs: 1,
            ..Nature::default()
        },
    );
    start(&mut world, "a");
    world.pass(ms(650));
    assert_eq!(world.shown("a"), "BACKOFF: failure 1 in a row: unhealthy: silent");
}

#[test]
fn a_new_run_waits_until_every_descendant_of_the_old_one_is_gone() {
    let mut world = World::new(&[spec("a", "")]);
    let forks = Nature {
        ends: Some((ms(1500), Exit::Code(0))),
        faulty_runs: 1,
        descendants: ms(900),
        ..Nature::default()
    };
    world.nature("a", forks);
    start(&mut world, "a");
    world.pass(ms(2000));
    assert_eq!(
        world.shown("a"),
        "STOPPING: ended with exit code 0; whatever it left is being taken down"
    );
    world.settle(ms(5000));
    assert_eq!(
        world.told(),
        "0.0 spawn a#1, 0.1 answer a done, 1.5 terminate a#1, 2.4 spawn a#2"
    );
}

#[test]
fn one_that_outlives_sigkill_is_told_and_recovers_when_it_is_gone() {
    let mut world = World::new(&[spec("a", "")]);
    world.nature(
        "a",
        Nature {
            obeys: None,
            dies: ms(12_000),
            ..Nature::default()
        },
    );
    start(&mut world, "a");
    world.pass(ms(1000));
    world.told();
    let asked = world.ask(Order::Restart(names("a")));
    world.pass(ms(7500));
    assert_eq!(world.answer(asked), "a failed: outlives SIGKILL: pid 7");
    assert_eq!(world.shown("a"), "STOPPING: sent SIGKILL, still there: pid 7");
    let stopped = stop(&mut world, "a");
    start(&mut world, "a");
    assert_eq!(world.answer(stopped), "a superseded");
    world.pass(ms(8000));
    let told = "1.0 terminate a#1, 3.0 kill a#1, 8.0 kill a#1, 8.0 answer a failed: outlives SIGKILL: pid 7, \
                8.5 answer a superseded, 13.0 kill a#1, 13.0 answer a failed: outlives SIGKILL: pid 7, 15.0 spawn a#2";
    assert_eq!(world.told(), told);
    assert_eq!(world.shown("a"), "RUNNING");
}

#[test]
fn a_policy_decides_what_follows_an_end() {
    let ends = |restart, code| {
        let mut world = World::new(&[policy(&spec("a", ""), restart)]);
        let ends = Some((ms(2000), Exit::Code(code)));
        world.nature(
            "a",
            Nature {
                ends,
                faulty_runs: 1,
                ..Nature::default()
            },
        );
        start(&mut world, "a");
        world.settle(ms(9000));
        world.shown("a")
    };
    let left = |code| format!("EXITED: ended with exit code {code}, and its restart policy leaves it");
    assert_eq!(ends(RestartPolicy::Always, 0), "RUNNING");
    assert_eq!(ends(RestartPolicy::OnFailure, 0), left(0));
    assert_eq!(ends(RestartPolicy::OnFailure, 1), "RUNNING");
    assert_eq!(ends(RestartPolicy::Never, 0), left(0));
    assert_eq!(ends(RestartPolicy::Never, 1), left(1));
}

#[test]
fn a_run_is_not_proven_by_the_one_before_it() {
    let mut world = World::new(&[spec("a", "")]);
    start(&mut world, "a");
    world.settle(ms(5000));
    world.nature("a", crashes());
    world.ask(Order::Restart(names("a")));
    world.pass(ms(200));
    assert!(
        world.shown("a").starts_with("BACKOFF: failure 1"),
        "{}",
        world.shown("a")
    );
}

/// The news that a proven run is over comes before the tick that would have proven it.
fn overtaken(news: impl Fn(Run) -> Vec<Input>) -> bool {
    let mut world = World::new(&[spec("a", "")]);
    start(&mut world, "a");
    let run = Run {
        service: spec("a", "").name,
        number: 1,
    };
    let late = Moment(ms(5000));
    let steps = [
        Input::Spawned { run: run.clone() },
        Input::Ready { run: run.clone() },
        Input::Healthy { run: run.clone() },
    ]
    .into_iter();
    let steps = steps.map(|input| (Moment::default(), input));
    let news = news(run).into_iter().map(|input| (late, input));
    let mut actions = Vec::new();
    for (at, input) in steps.chain(news) {
        actions = world.watched.step(at, &input).expect("no law is broken");
    }
    let last_exit = world.watched.entry(&name("a")).and_then(|entry| entry.last_exit);
    assert_eq!(last_exit.map(|(_, at)| at), Some(late));
    actions
        .iter()
        .any(|action| matches!(action, Action::Spawn { .. }))
}

#[test]
fn a_proven_run_is_proven_though_no_tick_said_so() {
    assert!(overtaken(|run| {
        let exit = Exit::Code(1);
        vec![
            Input::Exited {
                run: run.clone(),
                exit,
            },
            Input::Swept { run },
        ]
    }));
    assert!(overtaken(|run| vec![Input::Swept { run }]));
}

#[test]
fn one_that_is_never_restarted_is_given_up_after_one_fault() {
    let mut world = World::new(&[policy(&spec("a", ""), RestartPolicy::Never)]);
    world.nature(
        "a",
        Nature {
            ready: None,
            ..Nature::default()
        },
    );
    start(&mut world, "a");
    assert!(world.settle(ms(9000)));
    assert_eq!(
        world.shown("a"),
        "FATAL: given up: not ready after 3 s: no answer on port 1"
    );
}

#[test]
fn one_that_says_it_is_configured_wrongly_is_not_started_again() {
    let mut world = World::new(&[spec("a", "")]);
    world.nature(
        "a",
        Nature {
            ready: None,
            ends: Some((ms(50), Exit::Code(78))),
            ..Nature::default()
        },
    );
    let asked = start(&mut world, "a");
    world.settle(ms(9000));
    assert!(
        world.answer(asked).contains("configured wrongly"),
        "{}",
        world.answer(asked)
    );
    assert!(world.shown("a").starts_with("FATAL: "), "{}", world.shown("a"));
    assert_eq!(world.told().matches("spawn").count(), 1);
}
