//! What a person is promised about the supervisor that comes after one that died.

use std::time::Duration;

use super::super::{Action, Input, Moment, Order, Past, RequestId, Shown, Supervisor};
use super::spec::{name, names, policy, shared, spec};
use crate::service::{Exit, RestartPolicy, Run};

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn a_run_of_an_earlier_supervisor_is_taken_over_as_it_is() {
    let mut machine = Supervisor::new(shared(&[policy(&spec("a", ""), RestartPolicy::Always)]), 1);
    let run = Run {
        service: name("a"),
        number: 7,
    };
    let past = Past {
        ready: true,
        restarts: 3,
        ..Past::default()
    };
    let adopted = Input::Adopted {
        run: run.clone(),
        past,
    };
    machine.handle(Moment::default(), adopted.clone());
    let entry = machine.entry(&name("a")).expect("known");
    assert_eq!((entry.shown, entry.run, entry.restarts), (Shown::Running, 7, 3));
    let before = machine.clone();
    machine.handle(Moment::default(), adopted);
    assert_eq!(machine, before, "once is enough");
    let asked = Input::Request {
        id: RequestId(1),
        order: Order::Start(names("a")),
    };
    let actions = machine.handle(Moment::default(), asked);
    assert!(
        matches!(actions[..], [Action::Answer { .. }]),
        "{actions:?}: it runs"
    );
    let exited = Input::Exited {
        run: run.clone(),
        exit: Exit::Unknown,
    };
    machine.handle(Moment::default(), Input::Healthy { run: run.clone() });
    machine.handle(Moment(ms(5000)), exited);
    let actions = machine.handle(Moment(ms(5000)), Input::Swept { run });
    let next = actions.iter().find_map(|action| match action {
        Action::Spawn { run, .. } => Some(run.number),
        _ => None,
    });
    assert_eq!(next, Some(8), "{actions:?}");
}
