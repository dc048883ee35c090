//! Random histories of many units in virtual time: whatever was asked, it settles, and every unit
//! is where it was wanted or says why not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::super::{Entry, Order, Reply, Shown};
use super::spec::{changed, policy, shared, spec};
use super::world::{Nature, World};
use crate::service::{Exit, RestartPolicy, ServiceName, Spec};

/// The longest that eight units in a row may take: three runs each, not ready in time and killed.
const BOUND: Duration = Duration::from_secs(8 * 3 * 30);

/// One thing a person does.
#[derive(Clone, Debug)]
enum Ask {
    Start(Vec<Index>),
    Stop(Vec<Index>),
    Restart(Vec<Index>),
    /// Takes some out, changes some, brings all others back; perhaps in another order.
    Reload {
        without: Vec<Index>,
        changed: Vec<Index>,
        turned: bool,
    },
    Shutdown,
}

fn asks() -> impl Strategy<Value = Ask> {
    let some = || prop::collection::vec(any::<Index>(), 1..4);
    prop_oneof![
        4 => some().prop_map(Ask::Start),
        3 => some().prop_map(Ask::Stop),
        4 => some().prop_map(Ask::Restart),
        3 => (prop::collection::vec(any::<Index>(), 0..3), prop::collection::vec(any::<Index>(), 0..3), any::<bool>())
            .prop_map(|(without, changed, turned)| Ask::Reload { without, changed, turned }),
        1 => Just(Ask::Shutdown),
    ]
}

fn natures() -> impl Strategy<Value = Nature> {
    let ms = |times: &'static [u64]| select(times).prop_map(Duration::from_millis);
    let ready = prop_oneof![4 => ms(&[0, 100, 1000]).prop_map(Some), 1 => Just(None)];
    let end = (
        ms(&[0, 50, 500, 5000]),
        select(vec![Exit::Code(0), Exit::Code(1), Exit::Signal(9)]),
    );
    let ends = prop_oneof![2 => Just(None), 1 => end.prop_map(Some)];
    let sick = prop_oneof![4 => Just(None), 1 => ms(&[200, 3000]).prop_map(Some)];
    let obeys = prop_oneof![4 => ms(&[0, 100, 1900, 2100]).prop_map(Some), 1 => Just(None)];
    let ending = (obeys, ms(&[0, 0, 700, 4000]), ms(&[0, 2, 2, 12_000]));
    let faults = (select(vec![0, 0, 0, 1, 9]), select(vec![1, 2, 4]));
    (ready, ends, sick, ending, faults).prop_map(|(ready, ends, sick, ending, faults)| {
        let ((obeys, descendants, dies), (unspawnable, faulty_runs)) = (ending, faults);
        Nature {
            unspawnable,
            ready,
            ends,
            sick,
            faulty_runs,
            obeys,
            descendants,
            dies,
        }
    })
}

/// A service that may need each of the earlier ones (a bit each).
fn specs() -> impl Strategy<Value = Vec<Spec>> {
    let policies = [
        RestartPolicy::Always,
        RestartPolicy::OnFailure,
        RestartPolicy::Never,
    ];
    prop::collection::vec((any::<u8>(), select(policies.to_vec())), 1..=8).prop_map(|units| {
        let needs = |bits: u8, index: usize| {
            let chosen = (0..index).filter(move |need| bits & (1 << need) != 0);
            chosen.map(|need| format!("s{need} ")).collect::<String>()
        };
        let units = units.into_iter().enumerate();
        units
            .map(|(index, (bits, restart))| policy(&spec(&format!("s{index}"), &needs(bits, index)), restart))
            .collect()
    })
}

/// The same services in the opposite order, each needing those that needed it.
fn turned_round(specs: &[Spec]) -> Vec<Spec> {
    let needing = |name: &ServiceName| {
        let dependents = specs.iter().filter(|other| other.after.contains(name));
        dependents.map(|other| other.name.clone()).collect()
    };
    specs
        .iter()
        .rev()
        .map(|spec| Spec {
            after: needing(&spec.name),
            ..spec.clone()
        })
        .collect()
}

/// What a reload reads, given what is declared at first.
fn reloaded(specs: &[Spec], without: &[Index], edited: &[Index], turned: bool) -> Vec<Spec> {
    let chosen =
        |choice: &[Index], spec: &Spec| choice.iter().any(|index| index.get(specs).name == spec.name);
    let all = if turned {
        turned_round(specs)
    } else {
        specs.to_vec()
    };
    let kept: Vec<Spec> = all.into_iter().filter(|spec| !chosen(without, spec)).collect();
    let names: Vec<ServiceName> = kept.iter().map(|spec| spec.name.clone()).collect();
    let edit = |spec: Spec| {
        let after = spec
            .after
            .iter()
            .filter(|need| names.contains(need))
            .cloned()
            .collect();
        let spec = Spec { after, ..spec };
        if chosen(edited, &spec) {
            changed(&spec, "edited")
        } else {
            spec
        }
    };
    kept.into_iter().map(edit).collect()
}

fn order(specs: &[Spec], ask: &Ask) -> Order {
    let names = |choice: &[Index]| choice.iter().map(|index| index.get(specs).name.clone()).collect();
    match ask {
        Ask::Start(choice) => Order::Start(names(choice)),
        Ask::Stop(choice) => Order::Stop(names(choice)),
        Ask::Restart(choice) => Order::Restart(names(choice)),
        Ask::Reload {
            without,
            changed,
            turned,
        } => Order::Reload(shared(&reloaded(specs, without, changed, *turned))),
        Ask::Shutdown => Order::Shutdown,
    }
}

/// Which services a person last asked to be up or down, by name.
#[derive(Default)]
struct Wanted(BTreeMap<ServiceName, bool>);

impl Wanted {
    fn hear(&mut self, order: &Order, world: &World) {
        match order {
            Order::Start(names) | Order::Restart(names) => {
                let mut open = names.clone();
                let mut seen = BTreeSet::new();
                while let Some(name) = open.pop() {
                    // What was stopped may be started since it is needed; that is judged by law 8.
                    self.0.remove(&name);
                    if let Some(entry) = world.watched.entry(&name)
                        && seen.insert(name)
                    {
                        open.extend(entry.spec.after.clone());
                    }
                }
                self.0.extend(names.iter().map(|name| (name.clone(), true)));
            }
            Order::Stop(names) => self.0.extend(names.iter().map(|name| (name.clone(), false))),
            Order::Shutdown => self.0.values_mut().for_each(|wanted| *wanted = false),
            Order::Reload(specs) => self
                .0
                .retain(|name, _| specs.iter().any(|spec| spec.name == *name)),
        }
    }
}

/// Law 7: it is up, or done, or given up, or waits for one that is not.
fn is_explained(world: &World, entry: &Entry) -> bool {
    match entry.shown {
        Shown::Running => true,
        Shown::Exited => entry.spec.restart != RestartPolicy::Always,
        Shown::Fatal => {
            entry.failures > entry.spec.max_restarts || entry.spec.restart == RestartPolicy::Never
        }
        Shown::Stopped => {
            let reason = entry.reason.clone().unwrap_or_default();
            let lacks = |need: &&ServiceName| {
                let down = world
                    .watched
                    .entry(need)
                    .is_none_or(|need| need.shown != Shown::Running);
                down && reason.contains(need.as_str())
            };
            entry.spec.after.iter().any(|need| lacks(&need))
        }
        Shown::Starting | Shown::Backoff | Shown::Stopping => false,
    }
}

fn judge_the_end(world: &World, wanted: &Wanted) {
    for entry in world.watched.entries() {
        let name = &entry.spec.name;
        let told = || format!("{name} is {entry:?}\n after {:#?}", world.story);
        assert!(
            if entry.wanted {
                is_explained(world, entry)
            } else {
                !entry.live
            },
            "{}",
            told()
        );
        let asked = wanted.0.get(name).copied().filter(|_| !world.watched.closing);
        assert!(
            asked.is_none_or(|asked| asked == entry.wanted),
            "asked {asked:?}: {}",
            told()
        );
    }
    let failed_in_vain = |reply: &Reply| matches!(reply, Reply::Failed(why) if why.is_empty());
    for answer in world.answers.values() {
        if let super::super::Answer::Settled(replies) = answer {
            assert!(!replies.iter().any(|(_, reply)| failed_in_vain(reply)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None,
        max_shrink_time: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_asked_it_settles_and_explains_itself(
        specs in specs(),
        natures in prop::collection::vec(natures(), 8),
        asks in prop::collection::vec((select(vec![0, 1, 60, 400, 2500, 9000]), asks()), 1..8),
    ) {
        let mut world = World::new(&specs);
        let mut wanted = Wanted::default();
        for (spec, nature) in specs.iter().zip(natures) {
            world.nature(spec.name.as_str(), nature);
        }
        world.ask(Order::Start(specs.iter().map(|spec| spec.name.clone()).collect()));
        wanted.hear(&Order::Start(specs.iter().map(|spec| spec.name.clone()).collect()), &world);
        for (pause, ask) in asks {
            world.pass(Duration::from_millis(pause));
            let order = order(&specs, &ask);
            let closing = world.watched.closing;
            let id = world.ask(order.clone());
            let refused = matches!(world.answers.get(&id), Some(super::super::Answer::Refused(_)));
            prop_assert!(!closing || refused || order == Order::Shutdown);
            if !refused {
                wanted.hear(&order, &world);
            }
        }
        prop_assert!(world.settle(BOUND), "after {BOUND:?} not all is quiet: {:#?}", world.story);
        judge_the_end(&world, &wanted);
    }
}
