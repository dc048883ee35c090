//! How a new supervisor takes the house over: check, then stop, leftovers, flush. Nothing is touched
//! before everything that can be known in advance is known to be good.

use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::adoption::{self, Adopted};
use super::answer::lock;
use super::flush;
use super::ledger::{Ledger, Peer};
use super::leftovers;
use super::progress::Progress;
use super::state::State;
use crate::api::{Cause, Fact, Failure, FailureKind, Mode, Phase, What};
use crate::config::{self, Config};
use crate::lock::{Held, Lock};
use crate::paths::Paths;
use crate::ports::PortReport;
use crate::process::{self, Handle};
use crate::redact;
use crate::service::Run;

/// What a new supervisor is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// services.toml.
    pub config: PathBuf,
    /// How it takes over.
    pub mode: Mode,
    /// Which services to start; all if empty.
    pub services: Vec<String>,
}

/// The house is ours.
#[derive(Debug)]
pub struct Opened {
    /// What to run.
    pub config: Config,
    /// What happens from now on is written down here.
    pub ledger: Ledger,
    /// Runs of a supervisor that died, to be taken over.
    pub adopted: Vec<Adopted>,
    /// Held for as long as the supervisor lives.
    pub supervisor: Lock,
    /// Held until the services are up.
    pub operation: Lock,
}

/// The grace of what a dead supervisor left behind.
const LEFTOVER_GRACE: Duration = Duration::from_secs(3);
/// What an old supervisor may need beyond its services' own stop timeouts.
const MARGIN: Duration = Duration::from_secs(20);

impl Plan {
    /// Does all that comes before the start.
    ///
    /// # Errors
    /// Why the house was not taken over. Up to the end of the check, nothing was touched.
    pub async fn open(&self, progress: &mut Progress) -> Result<Opened, Failure> {
        let paths = Paths::of(&self.config);
        let operation = self.take_operation(&paths).await?;
        let mut checked = None;
        let check = async {
            checked = Some(self.check()?);
            Ok(None)
        };
        progress.phase(Phase::Check, check).await?;
        let config = checked.ok_or_else(bug)?;
        super::log_to(&config.log_dir);
        tracing::info!(mode = self.mode.as_str(), config = %self.config.display(), "taking over");
        let died = Lock::holder(&config.paths.supervisor_lock()).is_none();
        let mut held = None;
        let stop = async {
            let (lock, detail) = self.stop_predecessor(&config).await?;
            held = Some(lock);
            Ok(detail)
        };
        progress.phase(Phase::Stop, stop).await?;
        let supervisor = held.ok_or_else(bug)?;
        let mut ledger = Ledger::open(&config.paths.state_dir);
        self.record_beginning(&mut ledger, &config.paths);
        let mut adopted = Vec::new();
        let leftovers = async {
            if died && matches!(self.mode, Mode::Start | Mode::Quick) {
                adopted = adoptable(&config)?;
            }
            self.end_leftovers(&config, &adopted, &mut ledger).await
        };
        progress.phase(Phase::Leftovers, leftovers).await?;
        if matches!(self.mode, Mode::Master | Mode::Emergency) {
            let (reports, flushed) = flush::all(&config, self.mode, progress).await;
            for fact in reports.iter().flat_map(PortReport::facts) {
                ledger.record(fact.because(self.cause()));
            }
            flushed?;
        }
        Ok(Opened {
            config,
            ledger,
            adopted,
            supervisor,
            operation,
        })
    }

    /// Why this supervisor begins: whoever runs it asked for it.
    pub fn cause(&self) -> Cause {
        Peer::own().asks(&self.command())
    }

    fn record_beginning(&self, ledger: &mut Ledger, paths: &Paths) {
        if let Some(same_boot) = State::left_behind(&paths.state()) {
            let words = match same_boot {
                true => "the supervisor before this one ended without a word: killed, or crashed",
                false => "the host went down under the supervisor before this one",
            };
            ledger.record(Fact::new(What::Died).detail(words));
        }
        let words = format!("version {}", env!("CARGO_PKG_VERSION"));
        let began = Fact::new(What::Began)
            .pid(std::process::id().cast_signed())
            .detail(words);
        ledger.record(began.because(self.cause()));
    }

    fn command(&self) -> String {
        match self.mode {
            Mode::Start => "sentinel start".into(),
            Mode::Master | Mode::Quick | Mode::Emergency => {
                format!("sentinel restart {}", self.mode.as_str())
            }
        }
    }

    /// Only an emergency may take the lock from somebody who works, and never from another emergency.
    async fn take_operation(&self, paths: &Paths) -> Result<Lock, Failure> {
        let path = paths.operation_lock();
        let taken = lock(&path, &self.command());
        let holder = Lock::holder(&path).filter(|held| !held.command.contains("emergency"));
        match (taken, holder) {
            (Err(_), Some(held)) if self.mode == Mode::Emergency => {
                end(&held, Signal::SIGKILL, Duration::from_secs(5)).await?;
                lock(&path, &self.command())
            }
            (taken, _) => taken,
        }
    }

    fn check(&self) -> Result<Config, Failure> {
        let config = config::load(&self.config, &config::environment()).map_err(|mistakes| Failure {
            kind: FailureKind::Config,
            message: mistakes.to_string(),
            help: Some("nothing was stopped; `sentinel check` shows the same".into()),
        })?;
        redact::learn(&config.redactor);
        if let Some(name) = self.services.iter().find(|name| !declares(&config, name)) {
            return Err(Failure {
                kind: FailureKind::Usage,
                message: format!("there is no service `{name}`"),
                help: Some("nothing was started".into()),
            });
        }
        let mut problems: Vec<String> = config::preflight(&config)
            .iter()
            .map(ToString::to_string)
            .collect();
        if matches!(self.mode, Mode::Master | Mode::Emergency) {
            problems.extend(flush::refusals(&config));
        }
        if problems.is_empty() {
            return Ok(config);
        }
        let message = format!("this would not start: {}", problems.join("\n"));
        Err(Failure {
            kind: FailureKind::Failed,
            message,
            help: Some("nothing was stopped".into()),
        })
    }

    /// Takes down what an earlier supervisor left and this one does not take over.
    async fn end_leftovers(
        &self,
        config: &Config,
        adopted: &[Adopted],
        ledger: &mut Ledger,
    ) -> Result<Option<String>, Failure> {
        let declared = config.services.iter().map(|spec| spec.stop.timeout).max();
        let grace = match self.mode {
            Mode::Emergency => Duration::ZERO,
            Mode::Start | Mode::Master | Mode::Quick => declared.unwrap_or_default().max(LEFTOVER_GRACE),
        };
        let keep: Vec<Run> = adopted.iter().map(|adopted| adopted.run.clone()).collect();
        let ended = leftovers::take_down(&config.paths.state_dir, &keep, grace).await?;
        if let Some(words) = &ended {
            ledger.record(Fact::new(What::Ended).because(self.cause()).detail(words.clone()));
        }
        let took_over = adopted
            .iter()
            .map(|adopted| format!("{} (pid {})", adopted.run.service, adopted.leader.pid));
        let took_over: Vec<String> = took_over.collect();
        let took_over = (!took_over.is_empty()).then(|| format!("took over {}", took_over.join(", ")));
        Ok(match (took_over, ended) {
            (Some(took_over), Some(ended)) => Some(format!("{took_over}; {ended}")),
            (took_over, ended) => took_over.or(ended),
        })
    }

    /// Ends the present supervisor, if there is one, and takes its lock.
    async fn stop_predecessor(&self, config: &Config) -> Result<(Lock, Option<String>), Failure> {
        let path = config.paths.supervisor_lock();
        let name = "sentinel supervisor";
        let Some(held) = Lock::holder(&path) else {
            return Ok((lock(&path, name)?, None));
        };
        let patience = MARGIN
            + config
                .services
                .iter()
                .map(|spec| spec.stop.timeout)
                .sum::<Duration>();
        match self.mode {
            Mode::Start => return Err(already(&held)),
            Mode::Master | Mode::Quick => end(&held, Signal::SIGTERM, patience).await?,
            Mode::Emergency => end(&held, Signal::SIGKILL, Duration::from_secs(5)).await?,
        }
        let detail = held
            .pid
            .map(|pid| format!("the supervisor with pid {pid} and its services are down"));
        Ok((lock(&path, name)?, detail))
    }
}

fn declares(config: &Config, name: &str) -> bool {
    config.services.iter().any(|spec| spec.name.as_str() == name)
}

/// The runs that a supervisor which died left behind, as far as they are worth keeping.
fn adoptable(config: &Config) -> Result<Vec<Adopted>, Failure> {
    let found = process::marked(&config.paths.state_dir).map_err(|error| Failure {
        kind: FailureKind::Failed,
        message: format!("cannot look for what an earlier supervisor left: {error}"),
        help: None,
    })?;
    Ok(adoption::decide(
        &found,
        &State::load(&config.paths.state()),
        &config.services,
    ))
}

/// Signals the holder of a lock and waits for its end. SIGCONT, since a stopped process cannot leave.
async fn end(held: &Held, signal: Signal, patience: Duration) -> Result<(), Failure> {
    let stuck = |message: String| Failure {
        kind: FailureKind::Failed,
        message,
        help: Some("`sentinel restart emergency` does not wait for it".into()),
    };
    let Some(identity) = held.identity else {
        return Err(stuck("the supervisor's lock does not say who holds it".into()));
    };
    let Ok(Some(handle)) = Handle::open(identity) else {
        return Ok(());
    };
    for signal in [signal, Signal::SIGCONT] {
        handle
            .signal(signal as i32)
            .map_err(|error| stuck(format!("cannot signal {identity}: {error}")))?;
    }
    match tokio::time::timeout(patience, handle.exited()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(stuck(format!("cannot wait for {identity}: {error}"))),
        Err(_) => Err(stuck(format!(
            "the supervisor ({identity}) is not down after {} s",
            patience.as_secs()
        ))),
    }
}

fn already(held: &Held) -> Failure {
    let pid = held.pid.map_or(String::new(), |pid| format!(" (pid {pid})"));
    Failure {
        kind: FailureKind::Failed,
        message: format!("a supervisor runs already{pid}"),
        help: Some("`sentinel restart` replaces it; `sentinel status` shows it".into()),
    }
}

fn bug() -> Failure {
    Failure {
        kind: FailureKind::Bug,
        message: "a phase ended without its result".into(),
        help: None,
    }
}
