//! The whole transition table of one unit, for people to read: every state, every input.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::super::unit::{Cause, Proof, State, Stopped, Unit};
use super::super::{Action, Answer, Goal, Input, Moment, Order, Past, RequestId, Supervisor};
use super::spec::{changed, names, shared, spec};
use crate::service::{Exit, Run, Spec};

/// The number of the present run.
const RUN: u64 = 4;
/// The present time, in seconds.
const NOW: Moment = Moment(Duration::from_secs(100));

/// How long after it was given up it is tried again.
const RETRY: Duration = Duration::from_secs(60);

/// With a health check, and tried again after it was given up.
fn unit() -> Spec {
    let mut unit = spec("a", "");
    Arc::make_mut(&mut unit.recovery).retry_fatal = Some(RETRY);
    unit
}

fn running(proof: Proof, leaving: Option<Moment>) -> State {
    State::Running {
        run: RUN,
        proof,
        leaving,
    }
}

/// Every kind of state, with what hangs on it.
fn states() -> Vec<(&'static str, Goal, State)> {
    let soon = NOW + Duration::from_secs(1);
    let why = || "why".to_owned();
    let starting = State::Starting {
        run: RUN,
        deadline: soon,
        why: None,
    };
    let given_up = |for_good| State::Failed {
        why: why(),
        since: Moment(NOW.0 + Duration::from_secs(1) - RETRY),
        for_good,
    };
    let exit = Exit::Code(1);
    let mut all = vec![
        ("never started", Goal::Down, State::Stopped(Stopped::Never)),
        ("stopped", Goal::Down, State::Stopped(Stopped::Asked)),
        ("ended by itself", Goal::Up, State::Stopped(Stopped::Ended(exit))),
        ("given up", Goal::Up, given_up(false)),
        ("given up for good", Goal::Up, given_up(true)),
        (
            "waiting after a failure",
            Goal::Up,
            State::Waiting {
                until: soon,
                why: why(),
            },
        ),
        ("spawning", Goal::Up, State::Spawning { run: RUN }),
        (
            "spawning, to be stopped",
            Goal::Down,
            State::Spawning { run: RUN },
        ),
        ("starting", Goal::Up, starting),
        ("running, unproven", Goal::Up, running(Proof::At(soon), None)),
        (
            "running, its health unseen",
            Goal::Up,
            running(Proof::Unseen { unchecked: soon }, None),
        ),
        ("running, proven", Goal::Up, running(Proof::Given, None)),
        (
            "running, about to end",
            Goal::Up,
            running(Proof::Given, Some(soon)),
        ),
    ];
    all.extend(ends(soon));
    all
}

/// The states of a run that is on its way down.
fn ends(soon: Moment) -> Vec<(&'static str, Goal, State)> {
    let stopping = |cause, exit| State::Stopping {
        run: RUN,
        kill_at: soon,
        exit,
        cause,
    };
    let killing = |stuck| State::Killing {
        run: RUN,
        again_at: soon,
        exit: None,
        cause: Cause::Asked,
        stuck,
        survivors: None,
    };
    let exit = Exit::Code(1);
    vec![
        ("stopping, asked", Goal::Down, stopping(Cause::Asked, None)),
        ("stopping, to run again", Goal::Up, stopping(Cause::Asked, None)),
        (
            "stopping, ended by itself",
            Goal::Up,
            stopping(Cause::Ended, Some(exit)),
        ),
        (
            "stopping, for a fault",
            Goal::Up,
            stopping(Cause::Fault("why".into()), None),
        ),
        ("killing", Goal::Down, killing(false)),
        ("killing, stuck", Goal::Down, killing(true)),
    ]
}

fn run(number: u64) -> Run {
    Run {
        service: unit().name,
        number,
    }
}

fn inputs() -> Vec<(&'static str, Moment, Input)> {
    let mut all = news();
    all.extend(own_words());
    all.extend([
        ("early tick", NOW, Input::Tick),
        ("tick", NOW + Duration::from_secs(1), Input::Tick),
    ]);
    all.extend(orders().into_iter().map(|(what, order)| {
        let id = RequestId(1);
        (what, NOW, Input::Request { id, order })
    }));
    all
}

/// What a service says of itself, or does not say.
fn own_words() -> Vec<(&'static str, Moment, Input)> {
    let why = || "why".to_owned();
    let words = [
        (
            "watchdog missed",
            Input::WatchdogMissed {
                run: run(RUN),
                why: why(),
            },
        ),
        (
            "over memory",
            Input::OverMemory {
                run: run(RUN),
                why: why(),
            },
        ),
        ("leaving", Input::Leaving { run: run(RUN) }),
        (
            "extended",
            Input::Extended {
                run: run(RUN),
                by: Duration::from_secs(30),
            },
        ),
    ];
    words.map(|(what, input)| (what, NOW, input)).into()
}

fn news() -> Vec<(&'static str, Moment, Input)> {
    let why = || "why".to_owned();
    let exited = |code| Input::Exited {
        run: run(RUN),
        exit: Exit::Code(code),
    };
    let news = [
        (
            "adopted",
            Input::Adopted {
                run: run(RUN + 1),
                past: Past::default(),
            },
        ),
        ("spawned", Input::Spawned { run: run(RUN) }),
        (
            "spawn failed",
            Input::SpawnFailed {
                run: run(RUN),
                why: why(),
            },
        ),
        (
            "not ready",
            Input::NotReady {
                run: run(RUN),
                why: why(),
            },
        ),
        ("ready", Input::Ready { run: run(RUN) }),
        ("healthy", Input::Healthy { run: run(RUN) }),
        ("ailing", Input::Ailing { run: run(RUN) }),
        (
            "files changed",
            Input::FilesChanged {
                service: unit().name,
                why: why(),
            },
        ),
        (
            "unhealthy",
            Input::Unhealthy {
                run: run(RUN),
                why: why(),
            },
        ),
        ("exited 0", exited(0)),
        ("exited 1", exited(1)),
        ("swept", Input::Swept { run: run(RUN) }),
        (
            "survivors",
            Input::Survivors {
                run: run(RUN),
                who: "pid 7".into(),
            },
        ),
        ("old run swept", Input::Swept { run: run(RUN - 1) }),
    ];
    news.map(|(what, input)| (what, NOW, input)).into()
}

fn orders() -> [(&'static str, Order); 7] {
    let a = unit();
    [
        ("start", Order::Start(names("a"))),
        ("stop", Order::Stop(names("a"))),
        ("restart", Order::Restart(names("a"))),
        ("shutdown", Order::Shutdown),
        ("reload, same", Order::Reload(shared(std::slice::from_ref(&a)))),
        ("reload, changed", Order::Reload(shared(&[changed(&a, "new")]))),
        ("reload, removed", Order::Reload(Vec::new())),
    ]
}

/// One failure so far (none once it is proven), two are allowed; the machine has shown what it is.
fn machine(goal: Goal, state: &State) -> Supervisor {
    let mut machine = Supervisor::new(shared(&[unit()]), 7);
    let unit = &mut machine.units[0];
    (unit.goal, unit.state) = (goal, state.clone());
    unit.proven = matches!(
        state,
        State::Running {
            proof: Proof::Given,
            ..
        }
    );
    (unit.next_run, unit.failures) = (RUN + 1, u32::from(!unit.proven));
    machine.publish();
    machine.actions.clear();
    machine
}

fn state_in_words(state: &State) -> String {
    let from_now = |at: &Moment| format!("{:.1}", (*at - NOW).as_secs_f64());
    match state {
        State::Stopped(why) => format!("Stopped({why:?})"),
        State::Failed { why, since, for_good } => {
            let retry = from_now(&(*since + RETRY));
            format!(
                "Failed({why}, {})",
                if *for_good {
                    "for good".into()
                } else {
                    format!("again {retry}")
                }
            )
        }
        State::Waiting { until, why } => format!("Waiting(until {}, {why})", from_now(until)),
        State::Blocked { on } => format!("Blocked({on:?})"),
        State::Spawning { run } => format!("Spawning({run})"),
        State::Starting { run, deadline, why } => {
            format!("Starting({run}, until {}, {why:?})", from_now(deadline))
        }
        State::Running { run, proof, leaving } => {
            let proven = match proof {
                Proof::Unseen { .. } => "once healthy".into(),
                Proof::At(at) => from_now(at),
                Proof::Given => "yes".into(),
            };
            let leaving = leaving.as_ref().map(from_now);
            let leaving = leaving.map_or(String::new(), |at| format!(", leaving {at}"));
            format!("Running({run}, proven {proven}{leaving})")
        }
        State::Stopping {
            run,
            kill_at,
            exit,
            cause,
        } => {
            format!("Stopping({run}, kill {}, {cause:?}, {exit:?})", from_now(kill_at))
        }
        State::Killing {
            run,
            again_at,
            exit,
            stuck,
            survivors,
            ..
        } => {
            let again = from_now(again_at);
            format!("Killing({run}, again {again}, {exit:?}, stuck {stuck}, {survivors:?})")
        }
    }
}

fn in_words(unit: Option<&Unit>) -> String {
    let Some(unit) = unit else {
        return "forgotten".into();
    };
    let state = state_in_words(&unit.state);
    let mut words = vec![format!("{:?} {state}", unit.goal)];
    words.extend((unit.failures > 0).then(|| format!("failures {}", unit.failures)));
    words.extend((unit.restarts > 0).then(|| format!("restarts {}", unit.restarts)));
    words.extend(unit.doomed.then(|| "doomed".into()));
    words.extend(
        unit.replaced_for
            .as_ref()
            .map(|why| format!("replaced for {why}")),
    );
    words.extend(unit.next_spec.is_some().then(|| "next spec".into()));
    words.extend(unit.removed.then(|| "removed".into()));
    words.extend((!unit.waiters.is_empty()).then(|| "waiter".into()));
    words.join(", ")
}

fn action_in_words(action: &Action) -> String {
    match action {
        Action::Spawn { run, spec } => format!("Spawn {run} {}", spec.command[0]),
        Action::AwaitReady { run } => format!("AwaitReady {run}"),
        Action::WatchHealth { run, .. } => format!("WatchHealth {run}"),
        Action::Guard { run, .. } => format!("Guard {run}"),
        Action::Abort { run } => format!("Abort {run}"),
        Action::Terminate { run } => format!("Terminate {run}"),
        Action::Kill { run } => format!("Kill {run}"),
        Action::Answer {
            answer: Answer::Refused(refusal),
            ..
        } => format!("Refuse: {refusal}"),
        Action::Answer {
            answer: Answer::Settled(replies),
            ..
        } => {
            format!(
                "Answer{}",
                replies
                    .iter()
                    .map(|(_, reply)| format!(" {reply:?}"))
                    .collect::<String>()
            )
        }
        Action::Changed { .. } => "Changed".into(),
        Action::Finish => "Finish".into(),
    }
}

#[test]
fn the_whole_table() {
    let mut table = String::new();
    for (name, goal, state) in states() {
        let before = machine(goal, &state);
        writeln!(table, "\n{name}: {}", in_words(before.units.first())).expect("a string has room");
        for (what, at, input) in inputs() {
            let mut machine = before.clone();
            let actions: Vec<String> = machine.handle(at, input).iter().map(action_in_words).collect();
            let after = match machine == before {
                true => "same".into(),
                false => in_words(machine.units.first()),
            };
            writeln!(table, "  {what:16} -> {after} | {}", actions.join(", ")).expect("a string has room");
        }
    }
    insta::assert_snapshot!(table);
}
