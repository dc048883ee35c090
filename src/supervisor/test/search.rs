//! Every state that a hostile world can bring few units into, and every law in each of them.

mod words;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use self::words::{own_words, relative};
use super::super::unit::{State, Unit};
use super::super::{Goal, Input, Moment, Order, Past, RequestId};
use super::laws::Watched;
use super::spec::{GRACE, changed, health, names, policy, shared, spec};
use crate::service::{Exit, MemoryMax, RestartPolicy, Run, ServiceName, Spec};

/// What tells two situations apart: times as time to go, runs as runs ago.
#[derive(PartialEq, Eq, Hash)]
struct Situation {
    units: Vec<UnitSituation>,
    /// Services that had runs: forgotten ones may come back.
    known: Vec<ServiceName>,
    closing: bool,
}

#[derive(PartialEq, Eq, Hash)]
struct UnitSituation {
    name: ServiceName,
    version: (String, Option<String>),
    goal: Goal,
    state: State,
    flags: [bool; 4],
    failures: u32,
    /// How far failures of late lie back.
    recent: Vec<Moment>,
    waiters: Vec<(usize, Goal)>,
    life: Option<[bool; 6]>,
}

fn situation(watched: &Watched) -> Situation {
    let open: Vec<RequestId> = watched.open.iter().copied().collect();
    let unit = |unit: &Unit| UnitSituation {
        name: unit.spec.name.clone(),
        version: (version(&unit.spec), unit.next_spec.as_deref().map(version)),
        goal: unit.goal,
        state: relative(&unit.state, watched.now, unit.next_run),
        flags: [
            unit.doomed,
            unit.removed,
            unit.proven,
            unit.replaced_for.is_some(),
        ],
        failures: unit.failures,
        recent: unit.recent.iter().map(|&at| Moment(watched.now - at)).collect(),
        waiters: unit
            .waiters
            .iter()
            .map(|waiter| {
                (
                    open.binary_search(&waiter.request).unwrap_or(usize::MAX),
                    waiter.want,
                )
            })
            .collect(),
        life: watched.lives.now.get(&unit.spec.name).map(|life| {
            [
                life.spawned.is_some(),
                life.terminated.is_some(),
                life.kills > 1,
                life.condemned,
                life.leaving.is_some(),
                life.well.is_some(),
            ]
        }),
    };
    Situation {
        units: watched.machine.units.iter().map(unit).collect(),
        known: watched.lives.known().cloned().collect(),
        closing: watched.closing,
    }
}

fn version(spec: &Spec) -> String {
    format!("{} {:?}", spec.command[0], spec.after.first())
}

/// What the world tells about a service's present run, in any order, and about the runs beside it.
fn news(watched: &Watched, service: &ServiceName, exits: &[Exit]) -> Vec<Input> {
    let number = watched.entry(service).map_or(0, |entry| entry.run);
    let run = |number| Run {
        service: service.clone(),
        number,
    };
    let why = || "why".to_owned();
    let mut all = vec![
        Input::Spawned { run: run(number) },
        Input::SpawnFailed {
            run: run(number),
            why: why(),
        },
        Input::NotReady {
            run: run(number),
            why: why(),
        },
        Input::Ready { run: run(number) },
        Input::Healthy { run: run(number) },
        Input::Ailing { run: run(number) },
        Input::Unhealthy {
            run: run(number),
            why: why(),
        },
        Input::FilesChanged {
            service: service.clone(),
            why: why(),
        },
        Input::Swept { run: run(number) },
        Input::Survivors {
            run: run(number),
            who: "who".into(),
        },
    ];
    // One unit, of one policy, is enough to search: no policy matters to these.
    if let [unit] = &watched.machine.units[..]
        && unit.spec.restart == RestartPolicy::OnFailure
    {
        all.extend(own_words(&run(number)));
    }
    // A supervisor adopts as it begins, before anything else; one unit at a time is enough to search.
    if watched.now == Moment::default() && watched.open.is_empty() && watched.machine.units.len() == 1 {
        all.extend([true, false].map(|ready| Input::Adopted {
            run: run(number + 2),
            past: Past {
                ready,
                ..Past::default()
            },
        }));
    }
    all.extend(exits.iter().map(|&exit| Input::Exited {
        run: run(number),
        exit,
    }));
    if watched.lives.now.contains_key(service) {
        all.push(Input::Exited {
            run: run(number - 1),
            exit: Exit::Code(1),
        });
        all.push(Input::Swept { run: run(number + 1) });
    }
    all
}

struct Search {
    services: Vec<ServiceName>,
    orders: Vec<Order>,
    /// The ways to end.
    exits: Vec<Exit>,
    depth: usize,
    /// At most so many requests wait at once.
    requests: usize,
}

struct Step {
    before: usize,
    input: String,
}

impl Search {
    /// Looks at everything within `depth` steps; the number of situations, and whether that is all there are.
    fn run(&self, specs: &[Spec]) -> (usize, bool) {
        let first = Watched::new(shared(specs));
        let mut seen = HashSet::from([situation(&first)]);
        let mut steps = vec![Step {
            before: 0,
            input: "nothing".into(),
        }];
        let mut open = VecDeque::from([(0, 0, first)]);
        let mut settling = HashSet::new();
        let mut closed = true;
        while let Some((index, depth, watched)) = open.pop_front() {
            if depth == self.depth {
                closed = false;
                continue;
            }
            for (at, input) in self.moves(&watched) {
                let mut next = watched.clone();
                let outcome = next.step(at, &input);
                let fresh = outcome.is_ok() && seen.insert(situation(&next));
                let outcome = outcome.map(drop).and_then(|()| {
                    assert!(
                        seen.len() < 100_000,
                        "no end of it after {}",
                        history(&steps, index)
                    );
                    if fresh {
                        settles(&next, &mut settling)
                    } else {
                        Ok(())
                    }
                });
                if let Err(broken) = outcome {
                    panic!("{broken}\n  after {}{input:?} at {at:?}", history(&steps, index));
                }
                if fresh {
                    steps.push(Step {
                        before: index,
                        input: format!("{input:?} at {at:?}"),
                    });
                    open.push_back((steps.len() - 1, depth + 1, next));
                }
            }
        }
        (seen.len(), closed)
    }

    fn moves(&self, watched: &Watched) -> Vec<(Moment, Input)> {
        let news = self
            .services
            .iter()
            .flat_map(|service| news(watched, service, &self.exits));
        let news: Vec<Input> = news.collect();
        let mut moves: Vec<(Moment, Input)> = Vec::new();
        if let Some(deadline) = watched.machine.next_deadline() {
            let very_late = deadline + Duration::from_secs(60);
            moves.extend([(deadline, Input::Tick), (very_late, Input::Tick)]);
            // The news may overtake the tick.
            let late = deadline + Duration::from_millis(1);
            moves.extend(news.iter().map(|input| (late, input.clone())));
        }
        moves.extend(news.into_iter().map(|input| (watched.now, input)));
        if watched.open.len() < self.requests {
            let id = RequestId(watched.open.last().map_or(0, |last| last.0 + 1));
            let requests = self.orders.iter().map(|order| Input::Request {
                id,
                order: order.clone(),
            });
            moves.extend(requests.map(|input| (watched.now, input)));
        }
        moves
    }
}

/// Law 7: children that never get ready and that only SIGKILL moves, and nobody asks for anything more.
/// Ends where an earlier way to quiet is met.
fn settles(watched: &Watched, settling: &mut HashSet<Situation>) -> Result<(), String> {
    let mut watched = watched.clone();
    let mut way = HashSet::new();
    loop {
        let here = situation(&watched);
        if watched.quiet() || settling.contains(&here) {
            settling.extend(way);
            return Ok(());
        }
        if !way.insert(here) {
            return Err("law 7: goes round and round".into());
        }
        let mut due = watched.lives.now.iter().filter_map(|(service, life)| {
            let run = Run {
                service: service.clone(),
                number: life.number,
            };
            if life.spawned.is_none() && life.terminated.is_none() {
                return Some(Input::Spawned { run });
            }
            (life.kills > 0).then_some(Input::Swept { run })
        });
        let input = due.next();
        let (at, input) = match (input, watched.machine.next_deadline()) {
            (Some(input), _) => (watched.now, input),
            (None, Some(deadline)) => (deadline, Input::Tick),
            (None, None) => return Err("law 7: nothing moves, and not all is quiet".into()),
        };
        watched
            .step(at, &input)
            .map_err(|broken| format!("{broken}, settling, on {input:?}"))?;
    }
}

fn history(steps: &[Step], last: usize) -> String {
    let mut index = last;
    let mut inputs = Vec::new();
    while index != 0 {
        inputs.push(steps[index].input.as_str());
        index = steps[index].before;
    }
    inputs
        .iter()
        .rev()
        .map(|input| format!("{input}\n        "))
        .collect()
}

/// All there is of one unit: every order of a person, in every order.
fn one_unit(restart: RestartPolicy, exits: &[Exit], reloads: &[&[Spec]]) {
    let reloads = reloads.iter().map(|specs| Order::Reload(shared(specs)));
    let search = Search {
        services: names("a"),
        orders: [
            Order::Start(names("a")),
            Order::Stop(names("a")),
            Order::Restart(names("a")),
            Order::Shutdown,
        ]
        .into_iter()
        .chain(reloads)
        .collect(),
        exits: exits.to_vec(),
        depth: usize::MAX,
        requests: 1,
    };
    let (count, closed) = search.run(&[policy(&spec("a", ""), restart)]);
    assert!(closed && count > 500, "{count} situations");
}

#[test]
fn every_state_of_one_unit_that_is_always_restarted() {
    let unit = spec("a", "");
    let probed = Spec {
        health: Some(health("two")),
        ..unit.clone()
    };
    let weighed = Spec {
        memory_max: Some(MemoryMax {
            bytes: 1 << 20,
            lasting: GRACE,
        }),
        ..unit.clone()
    };
    let reloads: [&[Spec]; 5] = [
        std::slice::from_ref(&unit),
        &[changed(&unit, "a2")],
        &[probed],
        &[weighed],
        &[],
    ];
    one_unit(RestartPolicy::Always, &[Exit::Code(0)], &reloads);
}

#[test]
fn every_state_of_one_unit_that_is_restarted_on_failure() {
    one_unit(RestartPolicy::OnFailure, &[Exit::Code(0), Exit::Signal(11)], &[]);
}

#[test]
fn every_state_of_one_unit_that_is_never_restarted() {
    one_unit(RestartPolicy::Never, &[Exit::Code(0), Exit::Signal(11)], &[]);
}

#[test]
fn every_state_of_one_unit_that_is_tried_again_after_it_was_given_up() {
    let mut unit = spec("a", "");
    unit.max_restarts = 1;
    Arc::make_mut(&mut unit.recovery).retry_fatal = Some(Duration::from_secs(60));
    Arc::make_mut(&mut unit.recovery).window = Duration::from_secs(5);
    let search = Search {
        services: names("a"),
        orders: vec![Order::Start(names("a")), Order::Stop(names("a"))],
        exits: vec![Exit::Code(1), Exit::Code(78)],
        depth: 9,
        requests: 1,
    };
    let (count, _) = search.run(&[unit]);
    assert!(count > 500, "{count} situations");
}

#[test]
fn two_units_of_which_one_needs_the_other() {
    let need = spec("a", "");
    let dependent = spec("b", "a");
    let turned = [changed(&spec("b", ""), "b2"), spec("a", "b")];
    let search = Search {
        services: names("a b"),
        orders: vec![
            Order::Start(names("b")),
            Order::Stop(names("a")),
            Order::Stop(names("a b")),
            Order::Restart(names("a b")),
            Order::Shutdown,
            Order::Reload(shared(&[need.clone(), changed(&dependent, "b2")])),
            Order::Reload(shared(&turned)),
            Order::Reload(shared(std::slice::from_ref(&need))),
        ],
        exits: vec![Exit::Code(0)],
        depth: 6,
        requests: 2,
    };
    let (count, _) = search.run(&[need, dependent]);
    assert!(count > 10_000, "{count} situations");
}
