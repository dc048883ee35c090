//! What a person is promised about a new services.toml.

use std::sync::Arc;
use std::time::Duration;

use super::super::{Action, Input, Order};
use super::spec::{changed, health, name, names, spec};
use super::world::{Nature, World};
use crate::service::Spec;

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// All of these up, and nothing told yet.
fn up(specs: &[Spec]) -> World {
    let mut world = World::new(specs);
    world.ask(Order::Start(specs.iter().map(|spec| spec.name.clone()).collect()));
    assert!(world.settle(ms(9000)));
    world.told();
    world
}

fn slow_to_stop() -> Nature {
    Nature {
        obeys: Some(ms(1000)),
        ..Nature::default()
    }
}

#[test]
fn a_reload_of_the_same_does_nothing() {
    let specs = [spec("a", ""), spec("b", "a")];
    let mut world = up(&specs);
    let asked = world.reload(&specs);
    assert_eq!(world.answer(asked), "");
    assert_eq!(world.story.len(), 1, "{:?}", world.story);
}

#[test]
fn a_reload_touches_just_what_differs() {
    let (same, differs, goes, comes) = (
        spec("same", ""),
        spec("differs", ""),
        spec("goes", ""),
        spec("comes", ""),
    );
    let mut world = up(&[same.clone(), differs.clone(), goes]);
    let asked = world.reload(&[same, changed(&differs, "new"), comes]);
    assert!(world.settle(ms(9000)));
    assert_eq!(world.answer(asked), "goes done; comes done; differs done");
    assert_eq!(
        (
            world.entry("same").run,
            world.entry("differs").run,
            world.entry("comes").run
        ),
        (1, 2, 1)
    );
    assert_eq!(world.entry("differs").spec.command, ["new"]);
    assert!(world.watched.entry(&name("goes")).is_none());
}

#[test]
fn what_waits_for_a_person_is_only_known_after_a_reload() {
    let parked = Spec {
        autostart: false,
        ..spec("parked", "")
    };
    let mut world = up(&[spec("a", "")]);
    let asked = world.reload(&[spec("a", ""), parked.clone()]);
    assert!(world.settle(ms(9000)));
    assert_eq!(
        (world.answer(asked), world.entry("parked").run),
        (String::new(), 0)
    );
    // What is new and needs it brings it up.
    let asked = world.reload(&[spec("a", ""), parked.clone(), spec("needs", "parked")]);
    assert!(world.settle(ms(9000)));
    assert_eq!(world.answer(asked), "needs done");
    assert_eq!((world.entry("parked").run, world.entry("needs").run), (1, 1));

    world.ask(Order::Stop(names("parked needs")));
    assert!(world.settle(ms(9000)));
    world.reload(&[spec("a", "")]);
    world.reload(&[spec("a", ""), parked]);
    assert!(world.settle(ms(9000)));
    assert!(!world.entry("parked").wanted);
}

#[test]
fn a_removed_service_is_unknown_at_once() {
    let mut world = up(&[spec("a", "")]);
    world.nature("a", slow_to_stop());
    world.reload(&[]);
    let asked = world.ask(Order::Start(names("a")));
    assert_eq!(world.answer(asked), "refused: there is no service `a`");
    assert!(world.entry("a").live);
}

#[test]
fn a_change_that_is_taken_back_before_the_old_run_ended() {
    let a = spec("a", "");
    let mut world = up(std::slice::from_ref(&a));
    world.nature("a", slow_to_stop());
    let first = world.reload(&[changed(&a, "new")]);
    let second = world.reload(std::slice::from_ref(&a));
    assert!(world.settle(ms(9000)));
    assert_eq!(
        (world.answer(first).as_str(), world.answer(second).as_str()),
        ("a done", "a done")
    );
    assert_eq!(
        (world.entry("a").spec.command[0].as_str(), world.entry("a").run),
        ("a", 2)
    );
}

#[test]
fn a_service_that_comes_back_before_it_was_stopped_keeps_its_run() {
    let specs = [spec("a", ""), spec("b", "a")];
    let mut world = up(&specs);
    world.nature("b", slow_to_stop());
    let gone = world.reload(&[]);
    let back = world.reload(&specs);
    assert_eq!(world.answer(gone), "a superseded; b superseded");
    assert!(world.settle(ms(9000)));
    assert_eq!(world.answer(back), "a done; b done");
    assert_eq!((world.entry("a").run, world.entry("b").run), (1, 2));
}

#[test]
fn a_service_that_comes_back_after_it_was_forgotten_goes_on_counting_its_runs() {
    let a = spec("a", "");
    let mut world = up(std::slice::from_ref(&a));
    world.reload(&[]);
    assert!(world.settle(ms(9000)));
    world.reload(&[a]);
    assert_eq!(world.entry("a").run, 2);
}

#[test]
fn a_change_while_it_waits_to_stop_is_not_lost_when_it_is_started_again() {
    let specs = [spec("a", ""), spec("b", "a")];
    let mut world = up(&specs);
    world.nature("b", slow_to_stop());
    world.ask(Order::Stop(names("a b")));
    world.reload(&[changed(&specs[0], "new"), specs[1].clone()]);
    let asked = world.ask(Order::Start(names("a")));
    assert!(world.settle(ms(9000)));
    assert_eq!(world.answer(asked), "a done");
    assert_eq!(
        (world.entry("a").spec.command[0].as_str(), world.entry("a").run),
        ("new", 2)
    );
}

#[test]
fn an_order_that_is_turned_round_while_both_go_down_holds_up_neither() {
    let mut world = World::new(&[spec("a", ""), spec("b", "a")]);
    world.ask(Order::Start(names("b")));
    world.pass(ms(101));
    assert_eq!(world.told(), "0.0 spawn a#1, 0.1 spawn b#1");
    world.reload(&[changed(&spec("b", ""), "new"), spec("a", "b")]);
    world.ask(Order::Shutdown);
    assert!(world.settle(ms(9000)) && world.told().ends_with("finish"));
}

#[test]
fn what_needs_a_stopped_service_is_told_at_once() {
    let a = spec("a", "");
    let mut world = World::new(std::slice::from_ref(&a));
    let asked = world.reload(&[a, spec("b", "a")]);
    assert_eq!(world.answer(asked), "b failed: needs a, which is stopped");
}

#[test]
fn a_changed_service_that_will_need_a_stopped_one_is_told_when_it_is_down() {
    let (a, b) = (spec("a", ""), spec("b", ""));
    let mut world = up(std::slice::from_ref(&b));
    world.reload(&[a.clone(), b.clone()]);
    world.ask(Order::Stop(names("a")));
    world.settle(ms(9000));
    let asked = world.reload(&[a, changed(&spec("b", "a"), "new")]);
    world.settle(ms(9000));
    assert_eq!(world.answer(asked), "b failed: needs a, which is stopped");
}

#[test]
fn a_stopped_service_that_differs_stays_stopped() {
    let a = spec("a", "");
    let mut world = World::new(std::slice::from_ref(&a));
    let asked = world.reload(&[changed(&a, "new")]);
    assert_eq!(
        (world.answer(asked).as_str(), world.entry("a").wanted),
        ("", false)
    );
    assert_eq!(world.entry("a").spec.command[0], "new");
}

#[test]
fn everything_that_makes_another_process_makes_another_run() {
    let a = spec("a", "");
    let differ: [fn(&mut Spec); 4] = [
        |spec| spec.command.push("x".into()),
        |spec| spec.cwd.push("x"),
        |spec| drop(Arc::make_mut(&mut spec.env).insert("x".into(), "y".into())),
        |spec| spec.ports.push(1),
    ];
    for edit in differ {
        let mut world = up(std::slice::from_ref(&a));
        let mut edited = a.clone();
        edit(&mut edited);
        world.reload(&[edited]);
        assert!(world.settle(ms(9000)));
        assert_eq!(world.entry("a").run, 2);
    }
}

#[test]
fn another_health_check_is_watched_at_once_without_another_run() {
    let a = spec("a", "");
    let mut world = up(std::slice::from_ref(&a));
    let probed = Spec {
        health: Some(health("two")),
        ..a.clone()
    };
    let reload = |specs: &[Spec]| Input::Request {
        id: super::super::RequestId(77),
        order: Order::Reload(super::spec::shared(specs)),
    };
    let now = world.watched.now;
    let actions = world
        .watched
        .step(now, &reload(std::slice::from_ref(&probed)))
        .expect("no law is broken");
    let watches = |action: &Action| matches!(action, Action::WatchHealth { spec, .. } if **spec == probed);
    assert!(actions.iter().any(watches), "{actions:?}");
    let actions = world
        .watched
        .step(now, &reload(std::slice::from_ref(&probed)))
        .expect("no law is broken");
    assert!(!actions.iter().any(watches), "{actions:?}");
    assert_eq!(world.entry("a").run, 1);
}

#[test]
fn a_new_declaration_starts_with_a_clean_count() {
    let a = spec("a", "");
    let mut world = World::new(std::slice::from_ref(&a));
    world.nature(
        "a",
        Nature {
            unspawnable: 2,
            ready: None,
            ..Nature::default()
        },
    );
    world.ask(Order::Start(names("a")));
    world.pass(ms(500));
    assert_eq!((world.entry("a").run, world.entry("a").failures), (3, 2));
    world.reload(&[changed(&a, "new")]);
    world.pass(ms(200));
    assert_eq!((world.entry("a").run, world.entry("a").failures), (4, 0));
}
