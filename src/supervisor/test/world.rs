//! A model world in virtual time: children that live as their [`Nature`] says, around a watched machine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::{Action, Answer, Entry, Input, Moment, Order, Reply, RequestId};
use super::laws::Watched;
use super::lives::subject;
use super::spec::{name, shared};
use crate::service::{Exit, Run, ServiceName, Spec};

/// From order to process, in every world.
const FORK: Duration = Duration::from_millis(1);

/// How the runs of a service live. `None` is never.
#[derive(Clone, Debug)]
pub struct Nature {
    /// It cannot be spawned, so many times.
    pub unspawnable: u64,
    /// Ready so long after it was spawned.
    pub ready: Option<Duration>,
    /// Ends by itself so long after it was spawned, so.
    pub ends: Option<(Duration, Exit)>,
    /// Becomes unhealthy so long after it was spawned.
    pub sick: Option<Duration>,
    /// After so many runs, none ends or falls ill by itself.
    pub faulty_runs: u64,
    /// Ends so long after its stop signal.
    pub obeys: Option<Duration>,
    /// Its descendants live so much longer than it.
    pub descendants: Duration,
    /// Gone so long after SIGKILL.
    pub dies: Duration,
}

impl Default for Nature {
    /// Ready in 0.1 s, runs for ever, obeys in 0.1 s.
    fn default() -> Self {
        Self {
            unspawnable: 0,
            ready: Some(Duration::from_millis(100)),
            ends: None,
            sick: None,
            faulty_runs: u64::MAX,
            obeys: Some(Duration::from_millis(100)),
            descendants: Duration::ZERO,
            dies: Duration::from_millis(2),
        }
    }
}

/// Machine, children and clock.
pub struct World {
    /// The machine, and its judge.
    pub watched: Watched,
    natures: BTreeMap<ServiceName, Nature>,
    queue: BTreeMap<(Moment, u64), Input>,
    /// The declared order of what happens at the same moment.
    sequence: u64,
    requests: u64,
    /// All answers so far.
    pub answers: BTreeMap<RequestId, Answer>,
    /// What happened, for people: `0.1 spawn a#1`.
    pub story: Vec<String>,
    old_news: BTreeMap<ServiceName, Vec<Input>>,
}

impl World {
    /// A world of these services, all of the default nature.
    pub fn new(specs: &[Spec]) -> Self {
        Self {
            watched: Watched::new(shared(specs)),
            natures: BTreeMap::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            requests: 0,
            answers: BTreeMap::new(),
            story: Vec::new(),
            old_news: BTreeMap::new(),
        }
    }

    /// Gives a service another nature, from its next run on.
    pub fn nature(&mut self, service: &str, nature: Nature) {
        self.natures.insert(name(service), nature);
    }

    /// A person asks; the answer will be among `answers`.
    pub fn ask(&mut self, order: Order) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.tell(&Input::Request { id, order });
        id
    }

    /// A person reloads.
    pub fn reload(&mut self, specs: &[Spec]) -> RequestId {
        self.ask(Order::Reload(specs.iter().cloned().map(Arc::new).collect()))
    }

    /// Something happens now; the judge may panic.
    pub fn tell(&mut self, input: &Input) {
        let now = self.watched.now;
        match self.watched.step(now, input) {
            Ok(actions) => actions.into_iter().for_each(|action| self.act(action)),
            Err(broken) => panic!("{broken}\n  on {input:?}\n  after {:#?}", self.story),
        }
    }

    /// News, then the same once more, as a careless messenger would.
    fn tell_twice(&mut self, input: &Input) {
        self.tell(input);
        self.tell(input);
        if let Some(run) = subject(input) {
            let old = self.old_news.entry(run.service.clone()).or_default();
            old.push(input.clone());
            // The last runs are enough.
            old.drain(..old.len().saturating_sub(12));
        }
    }

    /// Lets so much time pass.
    pub fn pass(&mut self, time: Duration) {
        let end = self.watched.now + time;
        while self.next().is_some_and(|next| next <= end) {
            self.advance();
        }
        self.watched.now = end;
    }

    /// Lets time pass until nothing more will happen by itself; `false` if that takes longer than `limit`.
    pub fn settle(&mut self, limit: Duration) -> bool {
        let end = self.watched.now + limit;
        while self.next().is_some() {
            if self.watched.now > end {
                return false;
            }
            self.advance();
        }
        true
    }

    fn next(&self) -> Option<Moment> {
        let news = self.queue.keys().next().map(|(at, _)| *at);
        [news, self.watched.machine.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// To the next thing that happens.
    fn advance(&mut self) {
        let Some(now) = self.next() else { return };
        self.watched.now = now;
        let due = self.queue.first_entry().filter(|news| news.key().0 <= now);
        match due.map(std::collections::btree_map::OccupiedEntry::remove) {
            Some(input) => self.tell_twice(&input),
            None => self.tell(&Input::Tick),
        }
    }

    fn note(&mut self, what: impl std::fmt::Display) {
        let last = &self.story[self.story.len().saturating_sub(20)..];
        assert!(self.story.len() < 2000, "no end of it: {last:#?}");
        self.story
            .push(format!("{:.1} {what}", self.watched.now.0.as_secs_f64()));
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Spawn { run, .. } => {
                self.note(format!("spawn {run}"));
                self.live(&run);
                // Late news about earlier runs comes just now.
                for input in self.old_news.get(&run.service).cloned().unwrap_or_default() {
                    self.tell(&input);
                }
            }
            Action::AwaitReady { .. } | Action::Guard { .. } | Action::Changed { .. } => {}
            Action::Abort { run } => {
                self.note(format!("abort {run}"));
                if self.nature_of(&run).obeys.is_some() {
                    self.end(&run, Duration::from_millis(1), Exit::Signal(6), Duration::ZERO);
                }
            }
            Action::WatchHealth { run, .. } => self.later(Duration::ZERO, Input::Healthy { run }),
            Action::Terminate { run } => {
                self.note(format!("terminate {run}"));
                let nature = self.nature_of(&run);
                if let Some(after) = nature.obeys {
                    self.end(&run, after, Exit::Signal(15), nature.descendants);
                }
            }
            Action::Kill { run } => {
                self.note(format!("kill {run}"));
                let after = self.nature_of(&run).dies;
                self.later(
                    Duration::from_millis(1),
                    Input::Survivors {
                        run: run.clone(),
                        who: "pid 7".into(),
                    },
                );
                self.end(&run, after, Exit::Signal(9), Duration::ZERO);
            }
            Action::Answer { id, answer } => {
                self.note(format!("answer {}", in_words(&answer)));
                self.answers.insert(id, answer);
            }
            Action::Finish => self.note("finish"),
        }
    }

    fn nature_of(&self, run: &Run) -> Nature {
        self.natures.get(&run.service).cloned().unwrap_or_default()
    }

    fn later(&mut self, time: Duration, input: Input) {
        self.sequence += 1;
        self.queue.insert((self.watched.now + time, self.sequence), input);
    }

    /// The whole life of a run that nobody stops.
    fn live(&mut self, run: &Run) {
        let nature = self.nature_of(run);
        if run.number <= nature.unspawnable {
            return self.later(
                FORK,
                Input::SpawnFailed {
                    run: run.clone(),
                    why: "exec: not found".into(),
                },
            );
        }
        self.later(FORK, Input::Spawned { run: run.clone() });
        let run = run.clone();
        if let Some(after) = nature.ready {
            self.later(FORK + after, Input::Ready { run: run.clone() });
        } else {
            self.later(
                FORK,
                Input::NotReady {
                    run: run.clone(),
                    why: "no answer on port 1".into(),
                },
            );
        }
        if run.number > nature.faulty_runs {
            return;
        }
        if let Some((after, exit)) = nature.ends {
            self.end(&run, FORK + after, exit, nature.descendants);
        }
        if let Some(after) = nature.sick {
            self.later(
                FORK + after,
                Input::Unhealthy {
                    run,
                    why: "silent".into(),
                },
            );
        }
    }

    fn end(&mut self, run: &Run, after: Duration, exit: Exit, descendants: Duration) {
        // An earlier end of the same run makes this one stale news, like any other.
        self.later(
            after,
            Input::Exited {
                run: run.clone(),
                exit,
            },
        );
        self.later(after + descendants, Input::Swept { run: run.clone() });
    }

    /// The snapshot's entry of a service.
    pub fn entry(&self, service: &str) -> &Entry {
        self.watched.entry(&name(service)).expect("the service is known")
    }

    /// `RUNNING`, or `STOPPED: waits for b`.
    pub fn shown(&self, service: &str) -> String {
        let entry = self.entry(service);
        let state = format!("{:?}", entry.shown).to_uppercase();
        match &entry.reason {
            Some(reason) => format!("{state}: {reason}"),
            None => state,
        }
    }

    /// The answer to a request, in words.
    pub fn answer(&self, id: RequestId) -> String {
        self.answers.get(&id).map_or("none yet".into(), in_words)
    }

    /// What happened since the last call, in one line.
    pub fn told(&mut self) -> String {
        std::mem::take(&mut self.story).join(", ")
    }
}

fn in_words(answer: &Answer) -> String {
    match answer {
        Answer::Refused(refusal) => format!("refused: {refusal}"),
        Answer::Settled(replies) => {
            let words = replies.iter().map(|(service, reply)| match reply {
                Reply::Done => format!("{service} done"),
                Reply::Failed(why) => format!("{service} failed: {why}"),
                Reply::Superseded => format!("{service} superseded"),
            });
            words.collect::<Vec<_>>().join("; ")
        }
    }
}
