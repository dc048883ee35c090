//! A machine that begins where another was is that other one, but for who waits for answers.

use std::time::Duration;

use super::super::pending::Pending;
use super::super::{Action, Input, Moment, Order, RequestId, Supervisor};
use super::spec::{name, names, shared, spec};
use crate::service::Exit;

fn specs() -> Vec<crate::service::Spec> {
    vec![spec("a", ""), spec("b", "a")]
}

/// The same without anybody who waits.
fn forsaken(machine: &Supervisor) -> Supervisor {
    let mut machine = machine.clone();
    machine.pending = Pending::default();
    (0..machine.units.len()).for_each(|index| machine.units.untouched(index).waiters.clear());
    machine
}

fn resumed(machine: &Supervisor) -> (Supervisor, Vec<Action>) {
    let (mut resumed, actions) = Supervisor::resume(shared(&specs()), 0, &machine.memory());
    resumed.jitter = machine.jitter;
    (resumed, actions)
}

#[test]
fn at_every_step_of_a_life_it_is_the_same_machine() {
    let mut machine = Supervisor::new(shared(&specs()), 3);
    let run = machine.units[0].run(1);
    let at = |seconds| Moment(Duration::from_secs(seconds));
    let start = Input::Request {
        id: RequestId(1),
        order: Order::Start(names("a b")),
    };
    let exit = Exit::Code(3);
    let steps = [
        (at(1), start),
        (at(1), Input::Spawned { run: run.clone() }),
        (at(2), Input::Ready { run: run.clone() }),
        (at(9), Input::Tick),
        (
            at(10),
            Input::Unhealthy {
                run: run.clone(),
                why: "sick".into(),
            },
        ),
        (at(60), Input::Tick),
        (
            at(60),
            Input::Survivors {
                run: run.clone(),
                who: "pid 7".into(),
            },
        ),
        (
            at(61),
            Input::Exited {
                run: run.clone(),
                exit,
            },
        ),
        (at(61), Input::Swept { run: run.clone() }),
    ];
    for (now, input) in steps {
        machine.handle(now, input.clone());
        let (mut twin, _) = resumed(&machine);
        if matches!(input, Input::Request { .. }) {
            continue; // A spawn is never under way when an image is replaced: it takes no time.
        }
        assert_eq!(twin, forsaken(&machine), "after {input:?}");
        assert_eq!(twin.next_deadline(), machine.next_deadline());
        let later = Moment(now.0 + Duration::from_secs(100));
        let mut original = forsaken(&machine);
        assert_eq!(
            twin.handle(later, Input::Tick),
            original.handle(later, Input::Tick)
        );
    }
}

#[test]
fn it_watches_what_starts_and_what_runs() {
    let mut machine = Supervisor::new(shared(&specs()), 3);
    let run = machine.units[0].run(1);
    let start = Input::Request {
        id: RequestId(1),
        order: Order::Start(vec![name("a")]),
    };
    machine.handle(Moment::default(), start);
    machine.handle(Moment::default(), Input::Spawned { run: run.clone() });
    let (_, actions) = resumed(&machine);
    assert_eq!(actions, [Action::AwaitReady { run: run.clone() }]);
    machine.handle(Moment::default(), Input::Ready { run: run.clone() });
    let (_, actions) = resumed(&machine);
    assert!(
        matches!(&actions[..], [Action::WatchHealth { run: of, .. }] if *of == run),
        "{actions:?}"
    );
}

#[test]
fn what_is_declared_no_more_is_forgotten_and_a_new_one_has_never_run() {
    let machine = Supervisor::new(shared(&specs()), 3);
    let (resumed, actions) = Supervisor::resume(shared(&[spec("c", "")]), 3, &machine.memory());
    assert_eq!(resumed.snapshot().len(), 1);
    assert!(actions.is_empty());
    assert_eq!(resumed.entry(&name("c")).map(|entry| entry.run), Some(0));
}
