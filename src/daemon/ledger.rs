//! Where the driver writes down what happened and why: every fact passes through [`Driver::record`].

mod attribution;
mod counts;
mod oom;
mod operator;

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::spawn_local;

pub use attribution::Attribution;
pub use counts::Counts;
pub use oom::Oom;
pub use operator::Peer;

use super::aside;
use super::clock::Clock;
use super::driver::Driver;
use super::mailbox::Message;
use super::rest::Rest;
use crate::api::{Cause, Ending, Event, Fact, Record, What};
use crate::ledger::Writer;
use crate::redact;
use crate::service::{Exit, Run, ServiceName, signal_name};
use crate::supervisor::{Entry, Order, Shown, TakenDown};

/// How long after a fact the disk is told to keep it; those of that time go together.
const SYNC_AFTER: Duration = Duration::from_secs(1);
/// How long after a failed write the next try.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// The ledger of this supervisor.
#[derive(Debug)]
pub struct Ledger {
    writer: Writer,
    clock: Clock,
    /// Why each service is wanted up or down.
    pub attribution: Attribution,
    /// How often what happened since this supervisor began.
    pub counts: Counts,
    /// What was known of OOM kills at the last look.
    pub oom: Oom,
    syncing: bool,
    /// What nobody who acts on facts has heard of yet.
    unheard: Vec<Record>,
    /// When the last fact was written down, and whether somebody waits for rest.
    pub(super) rest: Rest,
}

impl Ledger {
    /// Goes on with the house's ledger. The caller holds the supervisor's lock.
    #[must_use]
    pub fn open(state_dir: &Path) -> Self {
        Self {
            writer: Writer::open(state_dir),
            clock: Clock::start(),
            attribution: Attribution::default(),
            counts: Counts::default(),
            oom: Oom::look(),
            syncing: false,
            unheard: Vec::new(),
            rest: Rest::default(),
        }
    }

    /// Writes a fact down.
    pub fn record(&mut self, fact: Fact) {
        self.note(fact);
        self.flush();
    }

    /// The same, together with others of this turn of the loop.
    fn note(&mut self, fact: Fact) {
        let clean = redact::cleaned(&fact).and_then(|clean| serde_json::from_slice(&clean).ok());
        let fact = clean.unwrap_or(fact);
        self.counts.count(&fact);
        let boot_ms = u64::try_from(self.clock.now().0.as_millis()).unwrap_or(u64::MAX);
        let record = self.writer.note(fact, Timestamp::now(), boot_ms);
        self.unheard.push(record);
    }

    /// A turn of the loop is over: what it wrote down is in the file.
    pub fn flush(&mut self) {
        self.writer.flush();
    }

    /// Why facts wait to be written, if they do.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.writer.trouble()
    }

    /// The last facts, kept by the disk before the supervisor leaves.
    pub async fn close(mut self, last: Fact) {
        self.record(last);
        if let Some(file) = self.writer.to_sync() {
            let _ = tokio::time::timeout(SYNC_AFTER, aside::done(move || file.sync_data())).await;
        }
    }
}

impl Driver {
    /// Writes a fact down, and lets those know who act on facts.
    pub fn record(&mut self, fact: Fact) {
        self.ledger.note(fact);
        for record in std::mem::take(&mut self.ledger.unheard) {
            self.alert_about(&record.fact);
            if self.audience.is_watched() {
                let record = Box::new(record);
                self.audience.mention(&Event::Fact { record });
            }
        }
        self.sync_soon(SYNC_AFTER);
        self.rest_later();
    }

    fn sync_soon(&mut self, after: Duration) {
        if !std::mem::replace(&mut self.ledger.syncing, true) {
            let mailbox = self.mailbox.clone();
            spawn_local(async move {
                tokio::time::sleep(after).await;
                mailbox.post(Message::SyncLedger);
            });
        }
    }

    /// Tells the disk to keep what was written; tries again what could not be.
    pub(super) fn sync_ledger(&mut self) {
        self.ledger.syncing = false;
        self.ledger.writer.flush();
        if let Some(why) = self.ledger.trouble() {
            tracing::error!(why, "the ledger cannot be written; trying again");
            return self.sync_soon(AGAIN_AFTER);
        }
        if let Some(file) = self.ledger.writer.to_sync() {
            // Without a thread the kernel writes it in its own time.
            let _ = aside::begin(move || file.sync_data());
        }
    }

    /// Remembers who wants what an order asks for, before it is obeyed.
    pub(super) fn attribute(&mut self, order: &Order, cause: Cause) {
        let all = || {
            self.config
                .services
                .iter()
                .map(|spec| spec.name.clone())
                .collect()
        };
        let mut names: Vec<ServiceName> = match order {
            Order::Start(names) | Order::Stop(names) | Order::Restart(names) => names.clone(),
            Order::Shutdown => all(),
            Order::Reload(_) => Vec::new(),
        };
        // Of what is refused nobody is the cause.
        names.retain(|name| self.machine.entry(name).is_some());
        if let Order::Stop(names) = order {
            self.record_let_go(names, &cause);
        }
        match order {
            Order::Stop(_) | Order::Shutdown => self.ledger.attribution.ask_to_stop(&names, cause),
            Order::Start(_) | Order::Restart(_) | Order::Reload(_) => {
                self.ledger.attribution.ask(&names, cause);
            }
        }
    }

    /// Somebody stops what does not run any more: no process ends, and yet nobody wants it back.
    fn record_let_go(&mut self, names: &[ServiceName], cause: &Cause) {
        let entries: Vec<Entry> = names.iter().filter_map(|name| self.machine.entry(name)).collect();
        for entry in entries {
            let down = matches!(entry.shown, Shown::Fatal | Shown::Backoff | Shown::Exited);
            if down && entry.wanted {
                self.record(Fact::of(&entry.spec.name, What::Stopped).because(cause.clone()));
            }
        }
    }

    /// A run has a process.
    pub(super) fn record_started(&mut self, run: &Run, pid: i32) {
        self.ledger.oom.refresh();
        let cause = self.why_started(&run.service);
        self.record(Fact::of_run(run, What::Started).pid(pid).because(cause));
    }

    /// A run got no process.
    pub(super) fn record_not_started(&mut self, run: &Run, why: &str) {
        let cause = self.why_started(&run.service);
        let words = why.to_owned();
        self.ledger
            .attribution
            .fell(&run.service, Cause::NotStarted { words });
        self.record(Fact::of_run(run, What::NotStarted).because(cause).detail(why));
    }

    fn why_started(&mut self, service: &ServiceName) -> Cause {
        if self.ledger.attribution.has_reason(service) {
            return self.ledger.attribution.started(service, &[]);
        }
        let needed_by = self
            .config
            .services
            .iter()
            .filter(|spec| spec.after.contains(service));
        let needed_by: Vec<ServiceName> = needed_by.map(|spec| spec.name.clone()).collect();
        self.ledger.attribution.started(service, &needed_by)
    }

    /// The machine's words for why a service is not as wanted, with what only we know: the machine hears of a
    /// SIGKILL, not of who sent it.
    pub(super) fn reason(&self, entry: &Entry) -> Option<String> {
        let reason = entry.reason.clone()?;
        Some(
            match self.ledger.counts.oom_last.contains(entry.spec.name.as_str()) {
                true => reason.replacen("SIGKILL", "SIGKILL by the kernel's OOM killer", 1),
                false => reason,
            },
        )
    }

    /// What a new state tells that nothing else does.
    pub(super) fn record_state(&mut self, entry: &Entry) {
        let what = match entry.shown {
            Shown::Running => {
                self.strangers.forget(entry.spec.name.as_str());
                What::Ready
            }
            Shown::Fatal => What::GivenUp,
            Shown::Stopped | Shown::Starting | Shown::Backoff | Shown::Stopping | Shown::Exited => return,
        };
        let mut fact = Fact::of(&entry.spec.name, what);
        (fact.run, fact.detail) = (Some(entry.run), self.reason(entry));
        self.record(fact);
    }

    /// Its health probe is content, or not.
    pub(super) fn record_health(&mut self, run: &Run, error: Option<&str>) {
        let fact = match error {
            None => Fact::of_run(run, What::Healthy),
            Some(words) => Fact::of_run(run, What::Unhealthy).because(Cause::Health { words: words.into() }),
        };
        self.record(fact);
    }

    /// A run is asked to end: by somebody, or for a fault. One that ended by itself is told elsewhere.
    pub(super) fn record_stopping(&mut self, run: &Run) {
        let cause = match self.machine.taken_down(&run.service) {
            Some(TakenDown::Asked) => self.ledger.attribution.asked(&run.service),
            Some(TakenDown::Replaced(why)) if why.starts_with("services.toml") => Cause::Reload,
            Some(TakenDown::Replaced(why)) => changed(&why),
            Some(TakenDown::Unhealthy(words)) => Cause::Health { words },
            Some(TakenDown::Watchdog(words)) => Cause::Watchdog { words },
            Some(TakenDown::Memory(words)) => Cause::Memory { words },
            Some(TakenDown::Fault(words)) => Cause::NotReady { words },
            Some(TakenDown::Ended) | None => return,
        };
        self.ledger.attribution.fell(&run.service, cause.clone());
        let mut fact = Fact::of_run(run, What::Stopping).because(cause);
        fact.pid = self.lives.leader(run).map(|leader| leader.pid);
        self.record(fact);
    }

    /// SIGKILL goes to the run for the first time.
    pub(super) fn record_killed(&mut self, run: &Run) {
        let mut fact = Fact::of_run(run, What::Killed).because(Cause::Grace);
        fact.pid = self.lives.leader(run).map(|leader| leader.pid);
        self.record(fact);
    }

    /// The first process of a run ended. Called before the machine is told, who then knows no more why.
    pub(super) fn record_exited(&mut self, run: &Run, pid: i32, exit: Exit) {
        let down = self.machine.taken_down(&run.service);
        let killed = self.lives.is_killing(run);
        let mut ending = ending(exit);
        let uptime = self.runs.get(run).map(|state| self.clock.now() - state.spawned);
        if exit == Exit::Signal(9) && !killed {
            ending.oom = self.ledger.oom.proof(pid, uptime.unwrap_or_default());
        }
        let unasked = down.is_none() && self.machine.entry(&run.service).is_some_and(|entry| entry.wanted);
        let cause = match unasked {
            true => None,
            false => self.ledger.attribution.why_down(&run.service),
        };
        if unasked {
            let words = exit_words(&ending, exit);
            self.ledger.attribution.fell(&run.service, Cause::Exit { words });
        }
        let lived = uptime.map(|uptime| format!("after {:.1} s", uptime.as_secs_f64()));
        let stranger = unasked && matches!(exit, Exit::Signal(_)) && ending.oom.is_none();
        let detail = match (lived, stranger) {
            (Some(lived), true) => Some(format!("{lived}; no signal of sentinel's")),
            (lived, _) => lived,
        };
        let mut fact = Fact::of_run(run, What::Exited).pid(pid).because(cause);
        (fact.exit, fact.detail) = (Some(ending), detail);
        self.record(fact);
    }
}

/// Files that changed, as the watch tells of them.
pub(super) fn changed(why: &str) -> Cause {
    let path = why.trim_end_matches(" changed").to_owned();
    Cause::Change { path }
}

/// As the ledger has it.
fn ending(exit: Exit) -> Ending {
    match exit {
        Exit::Code(code) => Ending {
            code: Some(code),
            ..Ending::default()
        },
        Exit::Signal(signal) => Ending {
            signal: Some(signal_name(signal)),
            ..Ending::default()
        },
        Exit::Unknown => Ending::default(),
    }
}

fn exit_words(ending: &Ending, exit: Exit) -> String {
    match ending.oom {
        Some(_) => format!("{exit}, the kernel's OOM killer"),
        None => exit.to_string(),
    }
}
