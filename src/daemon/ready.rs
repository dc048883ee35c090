//! Finds out when a run is ready: it holds its own ports, and its declared proof is there.
//!
//! The kernel tells nobody when a socket begins to listen, so this is the one place that looks
//! repeatedly: only while a run starts, after 2 ms at first and every 100 ms at most.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::mailbox::{Mailbox, Message};
use super::place::DaemonPlace;
use crate::ports;
use crate::probe;
use crate::process::{self, Table};
use crate::service::{Probe, Ready, Run, Spec};
use crate::supervisor::Input;

const FIRST_LOOK: Duration = Duration::from_millis(2);
const LAST_LOOK: Duration = Duration::from_millis(100);
/// How long one attempt of a ready probe may take.
const ATTEMPT: Duration = Duration::from_secs(2);

/// What the watch of one starting run needs.
pub struct Watch {
    /// Which run.
    pub run: Run,
    /// Its declaration.
    pub spec: Arc<Spec>,
    /// Its first process.
    pub leader: i32,
    /// The state folder that marks our processes.
    pub house: PathBuf,
    /// Where the news goes.
    pub mailbox: Mailbox,
    /// For exec probes.
    pub place: DaemonPlace,
    /// Its output, when that is the proof.
    pub lines: Option<mpsc::UnboundedReceiver<Vec<u8>>>,
    /// Its notify socket, when that is the proof.
    pub notified: Option<mpsc::UnboundedReceiver<()>>,
    /// It has told already that it is ready.
    pub spoke: bool,
}

/// Why a run is not ready yet.
struct Lack {
    why: String,
    /// Somebody else has its port.
    taken: bool,
}

impl Lack {
    fn of(why: String) -> Self {
        Self { why, taken: false }
    }
}

impl Watch {
    /// Begins to look; the handle ends it.
    #[must_use]
    pub fn begin(self) -> AbortHandle {
        tokio::task::spawn_local(self.run()).abort_handle()
    }

    async fn run(mut self) {
        if !self.spoke {
            self.proof().await;
            self.mailbox.post(Message::Spoke(self.run.clone()));
        }
        let mut pause = FIRST_LOOK;
        let mut said = String::new();
        while let Err(Lack { why, taken }) = self.look().await {
            if why != said {
                said.clone_from(&why);
                if taken {
                    let service = self.run.service.clone();
                    self.mailbox.post(Message::LookForStrangers(service));
                }
                self.tell(Input::NotReady {
                    run: self.run.clone(),
                    why,
                });
            }
            sleep(pause).await;
            pause = (pause * 2).min(LAST_LOOK);
        }
        self.tell(Input::Ready {
            run: self.run.clone(),
        });
    }

    fn tell(&self, input: Input) {
        self.mailbox.post(Message::Input(input));
    }

    /// Waits for what the service itself tells, if that is its proof.
    async fn proof(&mut self) {
        match &self.spec.ready {
            Some(Ready::Notify) => {
                self.tell(Input::NotReady {
                    run: self.run.clone(),
                    why: "waits for READY=1".into(),
                });
                if let Some(notified) = &mut self.notified {
                    notified.recv().await;
                }
            }
            Some(Ready::Log(pattern)) => {
                let why = format!("waits for a line that matches `{pattern}`");
                self.tell(Input::NotReady {
                    run: self.run.clone(),
                    why,
                });
                if let (Some(lines), Ok(pattern)) = (&mut self.lines, crate::service::pattern(pattern)) {
                    line_matching(lines, &pattern).await;
                }
            }
            // Nothing to look at: living for a while is the proof.
            None if self.spec.ports.is_empty() => sleep(self.spec.min_uptime).await,
            None | Some(Ready::Probe(_)) => {}
        }
    }

    /// One look at what can be seen from outside.
    async fn look(&self) -> Result<(), Lack> {
        for &port in &self.spec.ports {
            self.holds(port)?;
        }
        match &self.spec.ready {
            Some(Ready::Probe(probe)) => self.ask(probe).await,
            Some(Ready::Notify | Ready::Log(_)) | None => Ok(()),
        }
    }

    async fn ask(&self, probe: &Probe) -> Result<(), Lack> {
        let answer = probe::ask(probe, &self.place, ATTEMPT).await;
        answer
            .outcome
            .map(drop)
            .map_err(|failure| Lack::of(failure.to_string()))
    }

    /// Whether the port is held by this very run: a leftover that answers in its place does not count.
    fn holds(&self, port: u16) -> Result<(), Lack> {
        let could_not_look =
            |error: std::io::Error| Lack::of(format!("cannot see who holds port {port}: {error}"));
        if ports::held_by(port, &[self.leader]).map_err(could_not_look)? {
            return Ok(());
        }
        if !ports::is_listening(port).map_err(could_not_look)? {
            return Err(Lack::of(format!("nothing listens on port {port} yet")));
        }
        if ports::held_by(port, &self.members().map_err(could_not_look)?).map_err(could_not_look)? {
            return Ok(());
        }
        Err(Lack {
            why: format!("port {port} is held by {}, not by this run", holder(port)),
            taken: true,
        })
    }

    /// The run's processes: below its leader, or given to us as orphans that carry its mark; all over the
    /// machine for one that is adopted, since its orphans were given to somebody else.
    fn members(&self) -> std::io::Result<Vec<i32>> {
        let table = Table::read()?;
        let own = std::process::id().cast_signed();
        if table.get(self.leader).is_some_and(|leader| leader.ppid != own) {
            let marked = process::marked(&self.house)?;
            return Ok(marked
                .iter()
                .filter(|m| self.is_marked(&m.mark))
                .map(|m| m.identity.pid)
                .collect());
        }

        let mut members: Vec<i32> = table
            .descendants(self.leader)
            .iter()
            .map(|process| process.pid)
            .collect();
        for orphan in process::own_children()? {
            let mark = process::mark(orphan)?;
            if mark.is_some_and(|mark| self.is_marked(&mark)) {
                members.push(orphan);
                members.extend(table.descendants(orphan).iter().map(|process| process.pid));
            }
        }
        Ok(members)
    }

    fn is_marked(&self, mark: &process::Mark) -> bool {
        mark.service == self.run.service.as_str() && mark.number == self.run.number
    }
}

/// Who holds a port, for people.
#[must_use]
pub fn holder(port: u16) -> String {
    let listeners = ports::listeners(&[port]).unwrap_or_default();
    let holder = listeners.iter().flat_map(|listener| &listener.holders).next();
    holder.map_or("an unknown process".into(), |holder| {
        format!("{} (pid {})", holder.command, holder.identity.pid)
    })
}

async fn line_matching(lines: &mut mpsc::UnboundedReceiver<Vec<u8>>, pattern: &regex::bytes::Regex) {
    while let Some(line) = lines.recv().await {
        if pattern.is_match(&line) {
            return;
        }
    }
    // The run is over; whoever watches it is about to be ended.
    std::future::pending::<()>().await;
}
