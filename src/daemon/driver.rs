//! The only loop: wait for a message or the next deadline, tell the machine, do what it says.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::alerts::Alerts;
use super::audience::{Audience, Listener};
use super::clock::Clock;
use super::heard::Heard;
use super::herald::Herald;
use super::ledger::{Ledger, Peer};
use super::lives::Lives;
use super::mailbox::{Mailbox, Message};
use super::memory::Weighing;
use super::metrics::Exposition;
use super::notify::Ears;
use super::output::{self, Outputs, Rules};
use super::schedule::Timetable;
use super::sockets::Sockets;
use super::strangers::Strangers;
use super::upgrade::Upgrade;
use super::usage::Usage;
use super::watch;
use crate::api::{Cause, Event, Fact, State, What};
use crate::config::Config;
use crate::lock::Lock;
use crate::probe::Checked;
use crate::process::Hush;
use crate::redact;
use crate::service::{Exit, Run, ServiceName};
use crate::supervisor::{Input, Moment, Order, Supervisor};

/// The machine, and everything that it is about.
#[derive(Debug)]
pub struct Driver {
    pub(super) config: Config,
    pub(super) machine: Supervisor,
    pub(super) clock: Clock,
    pub(super) alerts: Alerts,
    pub(super) lives: Lives,
    pub(super) exposition: Option<Exposition>,
    pub(super) herald: Herald,
    pub(super) ears: Ears,
    pub(super) ledger: Ledger,
    /// Boxed, as other maps of what is large: half of a map may be empty.
    pub(super) runs: HashMap<Run, Box<RunState>>,
    pub(super) outputs: Outputs,
    /// Runs that are gone, but for the last of their output.
    pub(super) draining: HashSet<Run>,
    pub(super) commands: HashMap<i32, oneshot::Sender<Exit>>,
    pub(super) audience: Audience,
    /// The state that the log last named.
    pub(super) logged: HashMap<ServiceName, State>,
    pub(super) sockets: Sockets,
    pub(super) strangers: Strangers,
    pub(super) usage: Usage,
    pub(super) timetable: Timetable,
    /// The files that are watched, and who watches them.
    pub(super) watched: Option<(watch::Scope, Option<AbortHandle>)>,
    /// A `Save` is on its way.
    pub(super) saving: bool,
    /// An `AskTheRest` is.
    pub(super) asking: bool,
    pub(super) mailbox: Mailbox,
    inbox: mpsc::UnboundedReceiver<Message>,
    pub(super) finished: bool,
    /// What was FATAL when the supervisor was asked to leave.
    pub(super) given_up: BTreeSet<ServiceName>,
    /// How often the image was replaced.
    pub(super) upgrades: u32,
    /// The image is to be replaced now.
    pub(super) handing_over: Option<Upgrade>,
}

/// So many messages that wait are one turn of the loop, at most.
const TOGETHER: usize = 64;

/// Why the loop was left.
#[derive(Debug)]
pub enum Turn {
    /// Everything is down for good.
    Down,
    /// Another image is to take over.
    HandOver(Upgrade),
}

/// What belongs to one run besides its processes.
#[derive(Debug)]
pub(super) struct RunState {
    /// When it was spawned.
    pub spawned: Moment,
    /// What it was started with, once that was asked for.
    pub fingerprint: OnceCell<u64>,
    /// Looks whether it is ready, and listens to it while it is not.
    pub readiness: Vec<AbortHandle>,
    /// Asks for its health.
    pub health: Option<AbortHandle>,
    /// The last answer.
    pub answer: Option<Box<Checked>>,
    /// How its health stands: whether the last answer was good, and how many in a row were not.
    pub course: (Option<bool>, u32),
    /// What it says by itself.
    pub heard: Heard,
    /// Its output, until somebody looks for the line that makes it ready.
    pub lines: Option<mpsc::UnboundedReceiver<Vec<u8>>>,
    /// Keeps its notify socket for the image that may come after this one.
    pub notify_copy: Option<Arc<OwnedFd>>,
    /// It said itself that it is ready.
    pub spoke: bool,
    /// Watches its memory.
    pub memory: Option<Box<Weighing>>,
}

impl RunState {
    /// Of a run that was spawned then.
    pub(super) fn begun(spawned: Moment) -> Self {
        Self {
            spawned,
            fingerprint: OnceCell::new(),
            readiness: Vec::new(),
            health: None,
            answer: None,
            course: (None, 0),
            heard: Heard::default(),
            notify_copy: None,
            spoke: false,
            lines: None,
            memory: None,
        }
    }
}

impl Drop for RunState {
    fn drop(&mut self) {
        self.readiness
            .iter()
            .chain(&self.health)
            .for_each(AbortHandle::abort);
    }
}

impl Driver {
    /// A driver of these services, none of them wanted yet.
    #[must_use]
    pub fn new(config: Config, ledger: Ledger, mailbox: (Mailbox, mpsc::UnboundedReceiver<Message>)) -> Self {
        let seed = std::process::id().into();
        let timetable = Timetable::new(&config);
        let clock = Clock::start();
        let alerts = Alerts::open(config.alerts.clone(), &config.paths.state_dir, clock.now());
        Self {
            strangers: Strangers::told(alerts.strangers()),
            alerts,
            machine: Supervisor::new(config.services.clone(), seed),
            lives: Lives::new(config.paths.state_dir.clone()),
            outputs: Outputs::new(config.paths.state_dir.join("output"), Rules::of(&config)),
            draining: HashSet::new(),
            config,
            ledger,
            clock,
            exposition: None,
            herald: Herald::of_environment(),
            ears: Ears::default(),
            runs: HashMap::new(),
            commands: HashMap::new(),
            audience: Audience::default(),
            logged: HashMap::new(),
            sockets: Sockets::default(),
            usage: Usage::new(),
            timetable,
            watched: None,
            saving: false,
            asking: false,
            mailbox: mailbox.0,
            inbox: mailbox.1,
            finished: false,
            given_up: BTreeSet::new(),
            upgrades: 0,
            handing_over: None,
        }
    }

    /// Runs until everything is down for good, or another image is to take over. May be called again.
    pub async fn drive(&mut self) -> Turn {
        self.revise_alerts();
        self.revise_metrics();
        self.watch_files();
        self.tell_herald();
        while !self.finished {
            self.end_turn();
            if let Some(upgrade) = self.handing_over.take() {
                self.keep_alerts();
                if self.asking {
                    self.ask_the_rest();
                }
                return Turn::HandOver(upgrade);
            }
            let deadline = self.machine.next_deadline();
            tokio::select! {
                message = self.inbox.recv() => match message {
                    Some(message) => self.receive_all(message),
                    None => return Turn::Down,
                },
                () = self.clock.reach(deadline) => self.tell(Input::Tick),
                () = Herald::reach(self.herald.due()) => self.herald.lives(),
            }
            self.tell_herald();
        }
        self.end_turn();
        self.keep_alerts();
        self.close_metrics();
        Turn::Down
    }

    /// Everything that came together: it is written down, logged and passed on together.
    fn receive_all(&mut self, first: Message) {
        let _hush = Hush::begin();
        redact::Errors::hold();
        self.receive(first);
        for _ in 1..TOGETHER {
            if self.finished || self.handing_over.is_some() {
                return;
            }
            match self.inbox.try_recv() {
                Ok(message) => self.receive(message),
                Err(_) => return,
            }
        }
    }

    /// Before we wait, everybody has what is theirs: the ledger, sentinel.log, the thread that writes logs.
    fn end_turn(&mut self) {
        self.ledger.flush();
        redact::Errors::release();
        output::own::released();
        self.outputs.go();
    }

    fn tell_herald(&mut self) {
        if self.herald.is_heard() {
            self.herald.sees(&self.machine.snapshot());
        }
    }

    /// Takes in what has come so far.
    pub(super) fn drain(&mut self) {
        while let Ok(message) = self.inbox.try_recv() {
            self.receive(message);
        }
    }

    /// Asks for something on somebody's behalf, and for a cause that the ledger will name.
    pub fn request(
        &mut self,
        order: Order,
        lock: Option<Lock>,
        cause: Cause,
    ) -> mpsc::UnboundedReceiver<Event> {
        self.request_with(order, lock, cause, None)
    }

    /// The same, with something to tell before anything is done.
    pub(super) fn request_with(
        &mut self,
        order: Order,
        lock: Option<Lock>,
        cause: Cause,
        first: Option<Event>,
    ) -> mpsc::UnboundedReceiver<Event> {
        if order == Order::Shutdown {
            self.herald.leaves();
        }
        self.attribute(&order, cause);
        if order == Order::Shutdown {
            self.note_given_up();
        }
        let (events, receiver) = mpsc::unbounded_channel();
        if let Some(first) = first {
            let _ = events.send(first);
        }
        let listener = Listener {
            events,
            lock,
            began: self.clock.now(),
            changed: HashMap::new(),
        };
        let id = self.audience.admit(listener);
        self.tell(Input::Request { id, order });
        receiver
    }

    fn receive(&mut self, message: Message) {
        match message {
            Message::Input(input) => self.tell(input),
            Message::ChildEnded => self.reap(),
            Message::AdoptedEnded { run, leader, exit } => {
                if self.lives.leader(&run) == Some(leader) {
                    self.adopted_ended(run, exit);
                }
            }
            Message::Drained { run } => self.drained(run),
            Message::Reopen => self.outputs.reopen(),
            Message::Save => self.save(),
            Message::LookAtSchedules => self.look_at_schedules(),
            Message::ScheduleEnded { name, due, exit } => self.schedule_ended(&name, due, &exit),
            Message::Alerts => self.tend_alerts(),
            Message::Delivered { target, id, result } => self.delivered(&target, &id, result),
            Message::Disk(room) => self.hear_disk(room),
            Message::LookForStrangers(service) => self.look_for_strangers(&service),
            Message::Ports(seen) => self.hear_ports(seen),
            Message::SyncLedger => self.sync_ledger(),
            Message::Rest => self.rest(),
            Message::AskTheRest => self.ask_the_rest(),
            Message::Leave(signal) => self.leave(signal),
            Message::Hangup => self.hang_up(),
            Message::FilesChanged { service, why } => self.files_changed(service, why),
            Message::Health {
                run,
                checked,
                failed_in_a_row,
            } => self.hear_health(&run, checked, failed_in_a_row),
            Message::Notified { run, notice } => self.hear(&run, notice),
            Message::WatchdogMissed { run, interval } => self.watchdog_missed(run, interval),
            Message::Memory { run, bytes } => self.weigh(&run, bytes),
            Message::RunCommand(request) => self.run_command(*request),
            Message::Ask(question) => self.ask(question),
            Message::Spoke(run) => {
                if let Some(state) = self.runs.get_mut(&run) {
                    state.spoke = true;
                }
            }
            Message::Candidate(upgrade, answer) => self.hear_candidate(upgrade, &answer),
        }
    }

    /// A signal asks the supervisor to leave; who holds the operation's lock is most likely behind it.
    fn leave(&mut self, signal: &str) {
        let held = Lock::holder(&self.config.paths.operation_lock());
        let cause = match held {
            Some(held) => Peer::own().asks(&held.command),
            None => Cause::Signal {
                signal: signal.to_owned(),
            },
        };
        self.record(
            Fact::new(What::Command)
                .because(cause.clone())
                .detail(format!("{signal}: leave")),
        );
        drop(self.request(Order::Shutdown, None, cause));
    }

    /// Tells the machine, does what it says, and tells it what came of that.
    pub(super) fn tell(&mut self, input: Input) {
        self.lives.look_anew();
        self.pass_on(input);
        self.lives.look_anew();
    }

    /// The same, by what was looked at in this turn.
    pub(super) fn pass_on(&mut self, input: Input) {
        let mut news = VecDeque::from([input]);
        while let Some(input) = news.pop_front() {
            tracing::trace!(?input);
            for action in self.machine.handle(self.clock.now(), input) {
                self.perform(action, &mut news);
            }
        }
    }
}
