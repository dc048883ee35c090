//! Runs schedules when they are due. The work is done by `sentinel schedule run`, a process of its own: it may
//! restart the whole house, and this supervisor with it.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use jiff::Timestamp;
use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::{oneshot, watch};
use tokio::task::spawn_local;

use super::driver::Driver;
use super::mailbox::{ExecRequest, Mailbox, Message};
use crate::api::{self, Cause, Fact, ScheduleResult, ScheduleRun, What};
use crate::config::Config;
use crate::descriptor::readable;
use crate::diary::{self, Diary};
use crate::process::{self, Launch, MARK};
use crate::schedule::{Due, Planner, SCHEDULE};
use crate::service::{Exit, Rights};

/// The schedules of a running supervisor.
#[derive(Debug)]
pub struct Timetable {
    planner: Planner,
    diary: Diary,
    /// The processes that run them.
    running: HashMap<i32, String>,
    /// When the clock must tell; nobody keeps it while there are no schedules.
    deadline: Option<watch::Sender<Option<Timestamp>>>,
}

impl Timetable {
    /// The schedules of this house, from where an earlier supervisor left them.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let diary = Diary::of(&config.paths);
        let seen = config
            .schedules
            .iter()
            .filter_map(|schedule| Some((schedule.name.clone(), diary.seen(&schedule.name)?)))
            .collect();
        Self {
            planner: Planner::new(&config.schedules, &seen, Timestamp::now(), diary::host()),
            diary,
            running: HashMap::new(),
            deadline: None,
        }
    }

    /// The schedule behind a process, if it or an ancestor of it was begun for one.
    #[must_use]
    pub fn behind(&self, pid: i32) -> Option<Cause> {
        if self.running.is_empty() {
            return None;
        }
        let line = process::lineage(pid).ok()?;
        let name = line
            .iter()
            .find_map(|process| self.running.get(&process.pid).cloned())?;
        Some(Cause::Schedule { name })
    }

    /// What `status` tells of them.
    #[must_use]
    pub fn told(&self) -> Vec<api::Schedule> {
        let now = Timestamp::now();
        self.planner
            .next_of_each()
            .map(|(schedule, next)| self.diary.told(schedule, next, now))
            .collect()
    }

    /// Has the clock tell when something is due, and notes how far all are.
    fn arm(&mut self, mailbox: &Mailbox) {
        for (name, seen) in self.planner.seen() {
            if self.diary.seen(name) != Some(seen)
                && let Err(error) = self.diary.note_seen(name, seen)
            {
                tracing::warn!(schedule = name, %error, "cannot note that it has been dealt with");
            }
        }
        let next = self.planner.next_deadline();
        match &self.deadline {
            Some(deadline) => drop(deadline.send_replace(next)),
            None if next.is_some() => {
                let (sender, receiver) = watch::channel(next);
                self.deadline = Some(sender);
                spawn_local(keep_time(receiver, mailbox.clone()));
            }
            None => {}
        }
    }
}

impl Driver {
    /// Does what is due now, and sees to it that what is due next is not forgotten.
    pub(super) fn look_at_schedules(&mut self) {
        for due in self.timetable.planner.due(Timestamp::now()) {
            match due {
                Due::Run { name, at, late } => {
                    tracing::info!(schedule = name, due = %at, late, "begins");
                    self.run_schedule(&name, at);
                }
                Due::Missed { name, at, count } => self.miss(&name, at, count),
            }
        }
        self.timetable.arm(&self.mailbox);
    }

    /// The file has been read again.
    pub(super) fn replace_schedules(&mut self) {
        self.timetable
            .planner
            .replace(&self.config.schedules, Timestamp::now());
        self.timetable.arm(&self.mailbox);
    }

    fn miss(&mut self, name: &str, at: Timestamp, count: usize) {
        let line = match count {
            1 => "no supervisor was there at that time, or the host was asleep".to_owned(),
            _ => format!("no supervisor was there at {count} times, or the host was asleep"),
        };
        tracing::warn!(schedule = name, due = %at, count, "missed");
        self.record(fact(What::Missed, name).detail(line.clone()));
        self.write_down(name, at, ScheduleResult::Missed, line);
    }

    fn write_down(&self, name: &str, due: Timestamp, result: ScheduleResult, line: String) {
        let run = ScheduleRun {
            result,
            due: Some(due.to_string()),
            began: Timestamp::now().to_string(),
            took_s: None,
            exit_code: None,
            line: Some(line),
        };
        if let Err(error) = self.timetable.diary.note(name, &run) {
            tracing::warn!(schedule = name, %error, "cannot note what became of it");
        }
    }

    fn run_schedule(&mut self, name: &str, due: Timestamp) {
        if self.timetable.running.values().any(|running| running == name) {
            return self.conclude(name, ScheduleResult::Skipped, OVERLAP);
        }
        let (launch, output) = match launch(&self.config, name, due) {
            Ok(launch) => launch,
            Err(error) => {
                tracing::error!(schedule = name, %error, "cannot begin");
                return self.write_down(
                    name,
                    due,
                    ScheduleResult::Failed,
                    format!("cannot begin: {error}"),
                );
            }
        };
        let (started, mut begun) = oneshot::channel();
        self.run_command(ExecRequest { launch, started });
        // Answered already: it has a process, or it has none.
        let (pid, exited) = match begun.try_recv() {
            Ok(Ok((identity, exited))) => (identity.pid, exited),
            Ok(Err(why)) => return self.schedule_ended(name, due, &Err(why)),
            Err(error) => return self.schedule_ended(name, due, &Err(error.to_string())),
        };
        self.timetable.running.insert(pid, name.to_owned());
        self.record(fact(What::Scheduled, name).pid(pid).detail("begins"));
        spawn_local(tell_output(name.to_owned(), output));
        let (name, mailbox) = (name.to_owned(), self.mailbox.clone());
        spawn_local(async move {
            let exit = exited.await.map_err(|_| "it was lost".to_owned());
            mailbox.post(Message::ScheduleEnded { name, due, exit });
        });
    }

    /// `sentinel schedule run` has ended; it has noted what became of it, unless it could not.
    pub(super) fn schedule_ended(&mut self, name: &str, due: Timestamp, exit: &Result<Exit, String>) {
        self.timetable.running.retain(|_, running| running != name);
        let untold = match exit {
            Err(why) => Some(format!("cannot begin: {why}")),
            Ok(Exit::Signal(_) | Exit::Unknown) => Some("it was killed".to_owned()),
            Ok(Exit::Code(_)) => None,
        };
        if let Some(line) = untold {
            self.write_down(name, due, ScheduleResult::Failed, line);
        }
        let (result, line) = match self.timetable.diary.last(name) {
            // A run that finds another one under way, such as one by hand, leaves the diary to that.
            Some(last) if last.result == ScheduleResult::Running && *exit == Ok(Exit::Code(75)) => {
                (ScheduleResult::Skipped, OVERLAP.to_owned())
            }
            Some(last) => (last.result, last.line.unwrap_or_default()),
            None => (ScheduleResult::Failed, "it noted nothing".to_owned()),
        };
        self.conclude(name, result, &line);
    }

    fn conclude(&mut self, name: &str, result: ScheduleResult, line: &str) {
        let told = match line {
            "" => result.as_str().to_owned(),
            line => format!("{}: {line}", result.as_str()),
        };
        match result.is_bad() {
            true => tracing::error!(schedule = name, "{told}"),
            false => tracing::info!(schedule = name, "{told}"),
        }
        self.record(fact(What::Scheduled, name).detail(told));
    }
}

/// Why a run is skipped that would overlap another.
const OVERLAP: &str = "the run before it has not ended";

fn fact(what: What, schedule: &str) -> Fact {
    let name = schedule.to_owned();
    Fact::new(what).because(Cause::Schedule { name })
}

/// This program again, with what it was started with, and the end of a pipe that gets its words.
fn launch(config: &Config, name: &str, due: Timestamp) -> io::Result<(Launch, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    rustix::io::ioctl_fionbio(&reader, true)?;
    let file = config.paths.config.to_string_lossy().into_owned();
    let words = [
        "--config",
        &file,
        "schedule",
        "run",
        name,
        "--due",
        &due.to_string(),
    ];
    let launch = Launch {
        program: std::env::current_exe()?,
        args: words.into_iter().map(str::to_owned).collect(),
        cwd: config.paths.root.clone(),
        env: crate::config::environment()
            .into_iter()
            .filter(|(name, _)| name != MARK && name != SCHEDULE)
            .chain([(SCHEDULE.to_owned(), name.to_owned())])
            .collect(),
        stdout: OwnedFd::from(writer.try_clone()?),
        stderr: OwnedFd::from(writer),
        sockets: Vec::new(),
        rights: Rights::default(),
        cgroup: None,
    };
    Ok((launch, OwnedFd::from(reader)))
}

/// Its words go to sentinel.log.
async fn tell_output(schedule: String, output: OwnedFd) {
    let Ok(pipe) = tokio::net::unix::pipe::Receiver::from_owned_fd(output) else {
        return;
    };
    let mut lines = BufReader::new(pipe).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        tracing::info!(schedule, "{}", String::from_utf8_lossy(&line).escape_debug());
    }
}

/// Posts a message at each deadline, and whenever the clock is set: a deadline may be past then, or far away.
async fn keep_time(mut deadline: watch::Receiver<Option<Timestamp>>, mailbox: Mailbox) {
    let (timer, waiting) = match timer() {
        Ok(both) => both,
        Err(error) => return tracing::error!(%error, "cannot keep time: schedules do not run"),
    };
    loop {
        let at = *deadline.borrow_and_update();
        if let Err(error) = set(&timer, at) {
            tracing::error!(%error, "cannot set a timer: schedules do not run");
        }
        tokio::select! {
            changed = deadline.changed() => if changed.is_err() { return },
            told = told(&waiting) => {
                if let Err(error) = told {
                    return tracing::error!(%error, "cannot keep time: schedules do not run");
                }
                mailbox.post(Message::LookAtSchedules);
                // The driver answers with the next deadline.
                if deadline.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}

/// A timer, and the same to wait for.
fn timer() -> io::Result<(TimerFd, AsyncFd<OwnedFd>)> {
    let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
    let timer = TimerFd::new(ClockId::CLOCK_REALTIME, flags)?;
    let waiting = readable(timer.as_fd().try_clone_to_owned()?)?;
    Ok((timer, waiting))
}

fn set(timer: &TimerFd, at: Option<Timestamp>) -> nix::Result<()> {
    let Some(at) = at else {
        return timer.unset();
    };
    // A time of 0 would disarm it.
    let at = TimeSpec::new(at.as_second().max(1), at.subsec_nanosecond().into());
    let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
    timer.set(Expiration::OneShot(at), flags)
}

/// The deadline is there, or the clock was set (ECANCELED, timerfd_create(2)).
async fn told(timer: &AsyncFd<OwnedFd>) -> io::Result<()> {
    loop {
        let mut ready = timer.readable().await?;
        let mut count = [0; 8];
        match nix::unistd::read(timer.get_ref(), &mut count) {
            Err(Errno::EAGAIN) => ready.clear_ready(),
            Err(Errno::EINTR) => {}
            Ok(_) | Err(Errno::ECANCELED) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
