//! The one way into the driver: everything that happens becomes a message.

use std::time::Duration;

use hyper::body::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::ledger::Peer;
use super::notify::notice::Notice;
use super::reading::Shelf;
use super::upgrade::Upgrade;
use crate::api::{Brief, Command, Event, Failure, Port, Route, Status};
use crate::probe::Checked;
use crate::process::Identity;
use crate::redact;
use crate::service::{Exit, Run, ServiceName};
use crate::supervisor::Input;

/// Something that happened.
#[derive(Debug)]
pub enum Message {
    /// News for the machine.
    Input(Input),
    /// A child has ended.
    ChildEnded,
    /// The first process of a run that is not our child has ended.
    AdoptedEnded {
        /// Of which run.
        run: Run,
        /// That process: the run may have another main process by now.
        leader: Identity,
        /// How, if the kernel told.
        exit: Exit,
    },
    /// The last output of a run that is gone is written.
    Drained {
        /// Of which run.
        run: Run,
    },
    /// SIGUSR2: somebody has moved the logs.
    Reopen,
    /// Something changed that the supervisor after this one should know.
    Save,
    /// A schedule may be due, or the clock was set.
    LookAtSchedules,
    /// What a schedule does has ended.
    ScheduleEnded {
        /// Whose.
        name: String,
        /// The time that it was due.
        due: jiff::Timestamp,
        /// How; or why it did not begin.
        exit: Result<Exit, String>,
    },
    /// Alerts may be due.
    Alerts,
    /// A delivery of an alert ended.
    Delivered {
        /// To whom.
        target: String,
        /// Of which message.
        id: String,
        /// Whether it was taken; if not, why.
        result: Result<(), String>,
    },
    /// How much room the disk of the logs has.
    Disk(super::disk::Room),
    /// Somebody else has the port of a run that starts.
    LookForStrangers(ServiceName),
    /// Who holds assigned ports.
    Ports(std::io::Result<Vec<crate::api::Port>>),
    /// The disk should keep what the ledger holds.
    SyncLedger,
    /// Nothing may have happened for a while.
    Rest,
    /// Who is to end and was not found at once is to be asked.
    AskTheRest,
    /// SIGTERM or SIGINT: leave.
    Leave(&'static str),
    /// SIGHUP: reload.
    Hangup,
    /// Files changed that a service is to be restarted for.
    FilesChanged {
        /// Whose.
        service: ServiceName,
        /// Which, for people.
        why: String,
    },
    /// A health probe was answered.
    Health {
        /// Of which run.
        run: Run,
        /// How.
        checked: Box<Checked>,
        /// Bad answers in a row, this one included.
        failed_in_a_row: u32,
    },
    /// A run said something on its notify socket.
    Notified {
        /// Which.
        run: Run,
        /// What.
        notice: Notice,
    },
    /// A run was not heard of for so long.
    WatchdogMissed {
        /// Which.
        run: Run,
        /// How often it promised to be heard of.
        interval: Duration,
    },
    /// How much memory a run's processes use together.
    Memory {
        /// Which.
        run: Run,
        /// In bytes.
        bytes: u64,
    },
    /// A probe wants a command run.
    RunCommand(Box<ExecRequest>),
    /// Somebody asks over the socket.
    Ask(Question),
    /// The run has said that it is ready; its ports may not be there yet.
    Spoke(Run),
    /// Whether a binary can take over: its version, or why not.
    Candidate(Upgrade, Result<String, String>),
}

/// A command for an exec probe.
#[derive(Debug)]
pub struct ExecRequest {
    /// What to start.
    pub launch: crate::process::Launch,
    /// Told the process at once, and its exit later.
    pub started: oneshot::Sender<Result<(Identity, oneshot::Receiver<Exit>), String>>,
}

/// A request that came over the socket.
#[derive(Debug)]
pub struct Question {
    /// Which.
    pub route: Route,
    /// Its services.
    pub command: Command,
    /// Who asks.
    pub peer: Peer,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Reply>,
}

/// The answer to a question.
#[derive(Debug)]
pub enum Reply {
    /// The state of the house.
    Status(Box<Status>),
    /// The same for a table.
    Brief(Box<Brief>),
    /// Changes follow, for as long as the caller listens.
    Events(mpsc::Receiver<Event>),
    /// Progress follows, its last event is the end.
    Progress(mpsc::UnboundedReceiver<Event>),
    /// Plain text.
    Text(String),
    /// Who holds the assigned ports.
    Ports(Vec<Port>),
    /// Where the files are that are asked for; they are read by who asks the driver.
    Files(Shelf),
    /// No.
    Refused(Failure),
}

/// The sending side, for tasks.
#[derive(Clone, Debug)]
pub struct Mailbox(mpsc::UnboundedSender<Message>);

impl Mailbox {
    /// A mailbox and what the driver reads from.
    #[must_use]
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Message>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Posts a message. After the driver's end nobody reads it, which is as it should be.
    pub fn post(&self, message: Message) {
        let _ = self.0.send(message);
    }
}

/// One event as a line of JSON, without secrets.
#[must_use]
pub fn line(event: &Event) -> Bytes {
    let mut text = redact::json(event);
    text.push(b'\n');
    Bytes::from(text)
}
