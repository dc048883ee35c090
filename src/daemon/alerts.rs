//! The shell around the desk: facts in, deliveries out, all of it on disk so that a restart loses none.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use rustix::fs::{Mode, OFlags};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, spawn_local};

use super::disk;
use super::driver::Driver;
use super::mailbox::{ExecRequest, Mailbox, Message as Mail};
use crate::alerts::{At, Desk, Kind, Message, Settings, Spool, Target, Told};
use crate::api::{AlertStatus, Fact, What};
use crate::deliver::{GIVEN, Given};
use crate::process::{Launch, MARK};
use crate::redact;
use crate::service::{Exit, OnUnhealthy, Rights, Run, ServiceName};
use crate::supervisor::Moment;

/// How much of a delivery's standard error is kept, in bytes.
const KEPT: u64 = 16 << 10;

/// Everything about alerts in this supervisor.
#[derive(Debug)]
pub struct Alerts {
    settings: Settings,
    desk: Desk,
    spool: Spool,
    path: PathBuf,
    /// What the file holds.
    saved: Vec<u8>,
    /// The wall clock at the boot's beginning, as seen at the start: from then on time never steps.
    base: Duration,
    timer: Option<AbortHandle>,
    /// A `Mail::Alerts` is on its way.
    pending: bool,
    disk: Option<AbortHandle>,
    /// The disk of the logs is too full.
    pub(super) disk_low: bool,
    /// Services whose stream is silent.
    pub(super) silent: HashSet<ServiceName>,
    /// Services whose stream loses its upstream again and again.
    flapping: HashSet<ServiceName>,
    messages: u64,
    taken: u64,
}

impl Alerts {
    /// Goes on with what the supervisor before knew.
    #[must_use]
    pub fn open(settings: Settings, state_dir: &Path, now: Moment) -> Self {
        let path = state_dir.join("alerts.json");
        let saved = read(&path).unwrap_or_default();
        let mut spool = Spool::parse(&saved);
        spool.keep_only(&settings);
        let desk = Desk::new(settings.clone(), std::mem::take(&mut spool.memory));
        let wall = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            settings,
            desk,
            spool,
            path,
            saved,
            base: wall.saturating_sub(now.0),
            timer: None,
            pending: false,
            disk: None,
            disk_low: false,
            silent: HashSet::new(),
            flapping: HashSet::new(),
            messages: 0,
            taken: 0,
        }
    }

    fn at(&self, now: Moment) -> At {
        self.base + now.0
    }

    fn is_idle(&self) -> bool {
        self.settings.targets.is_empty()
    }

    /// What is declared.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How many messages were taken since the start.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.taken
    }

    /// What status says about it; nothing without targets.
    #[must_use]
    pub fn status(&self) -> Option<AlertStatus> {
        let trouble = self.spool.trouble();
        (!self.is_idle()).then(|| AlertStatus {
            open: self.desk.open().filter(|open| open.told.is_some()).count(),
            waiting: self.spool.waiting.len(),
            trouble: trouble.map(|(target, why)| format!("{target}: {why}")),
        })
    }

    /// The services on whose ports a stranger is, with the words for it, as far as it was told.
    pub fn strangers(&self) -> impl Iterator<Item = (String, String)> {
        let open = self.desk.open().filter(|open| open.kind == Kind::Port);
        open.filter_map(|open| Some((open.service.clone()?, open.words.clone())))
    }

    /// It is declared no more.
    pub fn forget(&mut self, service: &ServiceName) {
        self.desk.forget(service.as_str());
        self.silent.remove(service);
        self.flapping.remove(service);
    }

    /// Writes down what the next supervisor must know, if it is not there yet.
    fn save(&mut self) {
        self.spool.memory = self.desk.memory();
        let bytes = redact::json(&self.spool);
        if bytes == self.saved {
            return;
        }
        match write(&self.path, &bytes) {
            Ok(()) => self.saved = bytes,
            Err(error) => tracing::error!(%error, "alerts cannot be kept on disk; they are kept in memory"),
        }
    }

    fn message(&mut self, house: &Path, alerts: Vec<Told>) -> Message {
        self.messages += 1;
        let id = format!(
            "{:x}-{:x}-{}",
            self.base.as_millis(),
            std::process::id(),
            self.messages
        );
        let at = format!("{:.3}", Timestamp::now());
        let message = Message::of(id, &host(), &house.display().to_string(), at, alerts);
        // It goes to other hosts: without secrets. A message is JSON, so it can be read back.
        serde_json::from_slice(&redact::json(&message)).unwrap_or(message)
    }
}

/// This host's name.
#[must_use]
pub fn host() -> String {
    nix::sys::utsname::uname()
        .map(|name| name.nodename().to_string_lossy().into_owned())
        .unwrap_or_default()
}

impl Driver {
    /// Lets the desk hear of a fact. Costs nothing without targets.
    pub(super) fn alert_about(&mut self, fact: &Fact) {
        if self.alerts.is_idle() || self.is_ignored(fact) {
            return;
        }
        let now = self.alerts.at(self.clock.now());
        self.alerts.desk.hear(now, fact);
        self.tend_alerts_soon();
    }

    /// `on_unhealthy = "ignore"` is a wish not to hear of it.
    fn is_ignored(&self, fact: &Fact) -> bool {
        let name = fact.service.as_ref().filter(|_| fact.what == What::Unhealthy);
        let entry = name
            .and_then(|name| ServiceName::parse(name).ok())
            .and_then(|name| self.machine.entry(&name));
        let health = entry.and_then(|entry| entry.spec.health.clone());
        health.is_some_and(|health| health.on_unhealthy == OnUnhealthy::Ignore)
    }

    /// The disk of the logs is watched, and what waits is tried, from the start and after a reload.
    pub(super) fn revise_alerts(&mut self) {
        let settings = self.config.alerts.clone();
        let alerts = &mut self.alerts;
        alerts.spool.keep_only(&settings);
        alerts.desk.revise(settings.clone());
        alerts.settings = settings;
        if let Some(earlier) = alerts.disk.take() {
            earlier.abort();
        }
        if !alerts.is_idle() {
            alerts.disk = Some(disk::watch(self.config.log_dir.clone(), self.mailbox.clone()));
        }
        self.tend_alerts_soon();
    }

    fn tend_alerts_soon(&mut self) {
        if !std::mem::replace(&mut self.alerts.pending, true) {
            self.mailbox.post(Mail::Alerts);
        }
    }

    /// Sends what is due, keeps what waits, and wakes again at the next deadline.
    pub(super) fn tend_alerts(&mut self) {
        self.alerts.pending = false;
        let now = self.alerts.at(self.clock.now());
        let mut dropped = 0;
        for (target, told) in self.alerts.desk.leave(now) {
            let message = self.alerts.message(&self.config.paths.root, told);
            dropped += self.alerts.spool.push(now, target, message);
        }
        for (target, message) in self.alerts.spool.start(now) {
            self.deliver(&target, message);
        }
        self.alerts.save();
        self.wake_for_alerts(now);
        if dropped > 0 {
            let words = format!("{dropped} alerts, the oldest of those that wait: nobody takes them");
            self.record(Fact::new(What::AlertLost).detail(words));
        }
    }

    fn wake_for_alerts(&mut self, now: At) {
        if let Some(earlier) = self.alerts.timer.take() {
            earlier.abort();
        }
        let deadlines = [
            self.alerts.desk.next_deadline(),
            self.alerts.spool.next_deadline(),
        ];
        let Some(deadline) = deadlines.into_iter().flatten().min() else {
            return;
        };
        let mailbox = self.mailbox.clone();
        let timer = spawn_local(async move {
            tokio::time::sleep(deadline.saturating_sub(now)).await;
            mailbox.post(Mail::Alerts);
        });
        self.alerts.timer = Some(timer.abort_handle());
    }

    fn deliver(&self, name: &str, message: Message) {
        let Some(target) = self
            .alerts
            .settings
            .targets
            .iter()
            .find(|target| target.name == name)
        else {
            return;
        };
        let (target, mailbox) = (target.clone(), self.mailbox.clone());
        spawn_local(async move {
            let (name, id) = (target.name.clone(), message.id.clone());
            let result = run(target, message, &mailbox).await;
            mailbox.post(Mail::Delivered {
                target: name,
                id,
                result,
            });
        });
    }

    /// A delivery ended.
    pub(super) fn delivered(&mut self, target: &str, id: &str, result: Result<(), String>) {
        match &result {
            Ok(()) => tracing::info!(target, id, "alert delivered"),
            Err(why) => tracing::warn!(target, id, why, "alert not delivered, it waits"),
        }
        let now = self.alerts.at(self.clock.now());
        self.alerts.taken += u64::from(result.is_ok());
        let settings = self.alerts.settings.clone();
        self.alerts.spool.done(now, (target, id), result, &settings);
        self.tend_alerts();
    }

    /// A stream that tells of its own silence: `silence_s` above the limit, and a market that is not closed.
    pub(super) fn hear_silence(&mut self, run: &Run, detail: Option<&serde_json::Value>) {
        let Some(detail) = detail else { return };
        let Some(seconds) = detail.get("silence_s").and_then(serde_json::Value::as_f64) else {
            return;
        };
        let market = detail
            .get("market")
            .and_then(serde_json::Value::as_str)
            .unwrap_or("unknown");
        let limit = self.alerts.settings.silence.as_secs_f64();
        let silent = seconds >= limit && market != "closed";
        let changed = match silent {
            true => self.alerts.silent.insert(run.service.clone()),
            false => self.alerts.silent.remove(&run.service),
        };
        if changed && silent {
            let words = format!("no data for {seconds:.0} s, market {market}");
            self.record(Fact::of_run(run, What::Silent).detail(words));
        } else if changed {
            self.record(Fact::of_run(run, What::Heard));
        }
    }

    /// A stream that tells of its upstream's flapping.
    pub(super) fn hear_flapping(&mut self, run: &Run, detail: Option<&serde_json::Value>) {
        let Some(flaps) = detail.and_then(|detail| detail.get("flapping")?.as_bool()) else {
            return;
        };
        if flaps && self.alerts.flapping.insert(run.service.clone()) {
            let words = "its upstream was connected anew more than 3 times within 10 min";
            self.record(Fact::of_run(run, What::Flapping).detail(words.to_owned()));
        } else if !flaps && self.alerts.flapping.remove(&run.service) {
            self.record(Fact::of_run(run, What::Steady));
        }
    }

    /// Before the supervisor leaves: what waits is the next one's.
    pub(super) fn keep_alerts(&mut self) {
        if !self.alerts.is_idle() {
            self.alerts.save();
        }
    }
}

/// Runs one delivery as a process of its own.
async fn run(target: Target, message: Message, mailbox: &Mailbox) -> Result<(), String> {
    let (errors, launch) =
        launch(&Given { target, message }).map_err(|error| format!("cannot prepare: {error}"))?;
    let (started, process) = oneshot::channel();
    mailbox.post(Mail::RunCommand(Box::new(ExecRequest { launch, started })));
    let leaving = |_| "the supervisor is leaving".to_owned();
    let (_, exit) = process.await.map_err(leaving)??;
    let mut text = Vec::new();
    let errors = pipe::Receiver::from_owned_fd(errors).map_err(|error| error.to_string())?;
    // What it says is only for people; how it ended is what counts.
    let _ = errors.take(KEPT).read_to_end(&mut text).await;
    match exit.await.map_err(leaving)? {
        Exit::Code(0) => Ok(()),
        exit => {
            let text = String::from_utf8_lossy(&text).into_owned();
            let last = text.lines().rev().find(|line| !line.trim().is_empty());
            Err(last.map_or_else(|| exit.to_string(), str::to_owned))
        }
    }
}

fn launch(given: &Given) -> io::Result<(OwnedFd, Launch)> {
    let (reader, writer) = io::pipe()?;
    rustix::io::ioctl_fionbio(&reader, true)?;
    let null = File::options().write(true).open("/dev/null")?;
    let mut env: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name != MARK)
        .collect();
    env.push((GIVEN.to_owned(), serde_json::to_string(given)?));
    let launch = Launch {
        // The very program that runs, though its file may have been replaced.
        program: PathBuf::from("/proc/self/exe"),
        args: vec!["alert-deliver".into()],
        cwd: PathBuf::from(&given.message.house),
        env,
        stdout: null.into(),
        stderr: writer.into(),
        sockets: Vec::new(),
        rights: Rights::default(),
        cgroup: None,
    };
    Ok((reader.into(), launch))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut file, &mut bytes)?;
    Ok(bytes)
}

/// As a whole: written beside it and renamed.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(&new, flags, Mode::RUSR | Mode::WUSR)?);
    file.write_all(bytes)?;
    std::fs::rename(&new, path)
}
