//! What a person is promised about health, and about files that change.

use std::sync::Arc;
use std::time::Duration;

use super::super::{Input, Order};
use super::spec::{changed, health, name, names, spec};
use super::world::{Nature, World};
use crate::service::{Exit, Health, OnUnhealthy, Run, Spec};

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn run(number: u64) -> Run {
    Run {
        service: name("a"),
        number,
    }
}

fn up(spec: &Spec, nature: Nature) -> World {
    let mut world = World::new(std::slice::from_ref(spec));
    world.nature("a", nature);
    world.ask(Order::Start(names("a")));
    world
}

fn acting(on_unhealthy: OnUnhealthy) -> Spec {
    Spec {
        health: Some(Box::new(Health {
            on_unhealthy,
            ..*health("one")
        })),
        ..spec("a", "")
    }
}

#[test]
fn only_a_check_that_is_to_restart_restarts() {
    let sick = Nature {
        sick: Some(ms(4000)),
        faulty_runs: 1,
        ..Nature::default()
    };
    for (on_unhealthy, runs) in [
        (OnUnhealthy::Restart, 2),
        (OnUnhealthy::Alert, 1),
        (OnUnhealthy::Ignore, 1),
    ] {
        let mut world = up(&acting(on_unhealthy), sick.clone());
        world.pass(ms(9000));
        assert_eq!(
            (world.shown("a").as_str(), world.entry("a").run),
            ("RUNNING", runs)
        );
    }
}

#[test]
fn a_restart_for_health_leaves_the_words_of_the_probe_as_the_cause() {
    let sick = Nature {
        sick: Some(ms(4000)),
        faulty_runs: 1,
        ..Nature::default()
    };
    let mut world = up(&spec("a", ""), sick);
    world.pass(ms(9000));
    assert_eq!(world.entry("a").last_cause.as_deref(), Some("unhealthy: silent"));
}

#[test]
fn one_that_lives_but_is_never_healthy_is_not_proven_and_backs_off_until_it_is_given_up() {
    let mut world = up(&spec("a", ""), Nature::default());
    let mut number = 0;
    while number < 3 {
        number += 1;
        // The world says that it is healthy at once; this probe takes it back before it is proven.
        world.pass(ms(500));
        world.tell(&Input::Ailing { run: run(number) });
        world.pass(ms(20_000));
        let why = "wrong answer".into();
        world.tell(&Input::Unhealthy {
            run: run(number),
            why,
        });
        world.pass(ms(500));
    }
    assert_eq!(
        world.shown("a"),
        "FATAL: given up after 3 failed runs in a row: unhealthy: wrong answer"
    );
}

#[test]
fn health_that_comes_late_is_proven_late() {
    let mut world = up(&spec("a", ""), Nature::default());
    world.pass(ms(500));
    world.tell(&Input::Ailing { run: run(1) });
    world.pass(ms(20_000));
    assert_eq!(
        world.watched.machine.next_deadline(),
        None,
        "time alone proves nothing"
    );
    world.tell(&Input::Healthy { run: run(1) });
    world.pass(ms(999));
    assert!(world.watched.machine.next_deadline().is_some());
    world.pass(ms(2));
    assert_eq!(world.watched.machine.next_deadline(), None);
}

#[test]
fn a_check_that_is_taken_away_leaves_time_as_the_proof() {
    let crash = Nature {
        ends: Some((ms(50), Exit::Code(1))),
        faulty_runs: 1,
        ..Nature::default()
    };
    let mut world = up(&spec("a", ""), crash);
    world.pass(ms(600));
    world.tell(&Input::Ailing { run: run(2) });
    assert_eq!((world.entry("a").run, world.entry("a").failures), (2, 1));
    let unchecked = Spec {
        health: None,
        ..spec("a", "")
    };
    world.reload(&[unchecked]);
    world.pass(ms(3000));
    assert_eq!((world.entry("a").run, world.entry("a").failures), (2, 0));
}

fn touch(world: &mut World) {
    world.tell(&Input::FilesChanged {
        service: name("a"),
        why: "src/app.py changed".into(),
    });
}

#[test]
fn changed_files_are_followed_by_another_run_that_is_no_failure() {
    let mut world = up(&spec("a", ""), Nature::default());
    world.pass(ms(2000));
    touch(&mut world);
    assert_eq!(
        world.shown("a"),
        "STOPPING: makes room for a new run: src/app.py changed"
    );
    world.pass(ms(2000));
    let entry = world.entry("a").clone();
    assert_eq!(
        (world.shown("a").as_str(), entry.run, entry.restarts),
        ("RUNNING", 2, 0)
    );
    assert_eq!(entry.last_cause.as_deref(), Some("src/app.py changed"));
}

#[test]
fn changed_files_give_one_that_was_given_up_another_try() {
    let crash = Nature {
        ends: Some((ms(50), Exit::Code(3))),
        faulty_runs: 3,
        ..Nature::default()
    };
    let mut world = up(&spec("a", ""), crash);
    world.pass(ms(2000));
    assert!(world.shown("a").starts_with("FATAL"), "{}", world.shown("a"));
    touch(&mut world);
    world.pass(ms(2000));
    assert_eq!(
        (world.shown("a").as_str(), world.entry("a").failures),
        ("RUNNING", 0)
    );
}

#[test]
fn changed_files_of_a_stopped_service_are_nobodys_business() {
    let mut world = up(&spec("a", ""), Nature::default());
    world.pass(ms(2000));
    world.ask(Order::Stop(names("a")));
    world.pass(ms(2000));
    touch(&mut world);
    world.pass(ms(2000));
    assert_eq!(world.shown("a"), "STOPPED: stopped on request");
}

#[test]
fn a_changed_declaration_names_what_changed_as_the_cause() {
    let mut world = up(&spec("a", ""), Nature::default());
    world.pass(ms(2000));
    let mut new = changed(&spec("a", ""), "new");
    Arc::make_mut(&mut new.env).insert("SECRET".into(), "value".into());
    world.reload(&[new]);
    world.pass(ms(2000));
    let cause = world.entry("a").last_cause.clone();
    assert_eq!(
        cause.as_deref(),
        Some("services.toml changed: command, env.SECRET")
    );
}
