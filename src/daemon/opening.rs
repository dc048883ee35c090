//! How a new supervisor takes the house over: check, then stop, leftovers, flush. Nothing is touched
//! before everything that can be known in advance is known to be good.

use std::path::PathBuf;
use std::time::Duration;

use super::adoption::{self, Adopted};
use super::answer::lock;
use super::container;
use super::flush;
use super::ledger::{Ledger, Peer};
use super::leftovers::{Grace, Leftovers};
use super::predecessor::{Seized, end, seize};
use super::progress::Progress;
use super::state::State;
use crate::api::{Cause, Ended, Event, Fact, Failure, FailureKind, Mode, Phase, What};
use crate::config::{self, Config};
use crate::lock::{Held, Lock};
use crate::paths::Paths;
use crate::ports::PortReport;
use crate::process::{self, Marked};
use crate::redact;
use crate::schedule::SCHEDULE;
use crate::selector;
use crate::service::Run;

/// What a new supervisor is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// services.toml.
    pub config: PathBuf,
    /// How it takes over.
    pub mode: Mode,
    /// Which services to start.
    pub services: Wanted,
    /// Who asked, when that is not this process.
    asked: Option<Cause>,
}

/// Which services are to be up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All that are declared.
    All,
    /// Those that these words (names, `@group`, patterns) mean; none without a word.
    These(Vec<String>),
}

impl Wanted {
    /// What a person means: all of them, if none is named.
    #[must_use]
    pub fn of_words(words: Vec<String>) -> Self {
        match words.is_empty() {
            true => Self::All,
            false => Self::These(words),
        }
    }

    fn words(&self) -> &[String] {
        match self {
            Self::All => &[],
            Self::These(words) => words,
        }
    }
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

/// What an old supervisor may need beyond its services' own stop timeouts.
const MARGIN: Duration = Duration::from_secs(20);

impl Plan {
    /// One that this process is asked for.
    #[must_use]
    pub fn new(config: PathBuf, mode: Mode, services: Wanted) -> Self {
        Self {
            config,
            mode,
            services,
            asked: None,
        }
    }

    /// The same on behalf of another process: its owner, as the file system vouches for them, and its pid.
    pub(super) fn asked_by(mut self, peer: Peer, schedule: Option<String>) -> Self {
        self.asked = Some(match schedule {
            Some(name) => Cause::Schedule { name },
            None => peer.asks(&self.command()),
        });
        self
    }

    /// Does all that comes before the start.
    ///
    /// # Errors
    /// Why the house was not taken over. Up to the end of the check, nothing was touched.
    pub async fn open(&self, progress: &mut Progress) -> Result<Opened, Failure> {
        let paths = Paths::of(&self.config);
        container::spare(self.mode, &paths)?;
        let (operation, mut ended) = self.take_operation(&paths).await?;
        let mut checked = None;
        let check = async {
            checked = Some(self.check()?);
            Ok(None)
        };
        progress.phase(Phase::Check, check).await?;
        let config = checked.ok_or_else(bug)?;
        process::descriptors::make_room(config.services.len());
        super::log_to(&config.log_dir);
        tracing::info!(mode = self.mode.as_str(), config = %self.config.display(), "taking over");
        let died = Lock::holder(&config.paths.supervisor_lock()).is_none();
        let mut held = None;
        let stop = async {
            let (lock, detail, killed) = self.stop_predecessor(&config).await?;
            held = Some(lock);
            ended.extend(killed);
            Ok(detail)
        };
        progress.phase(Phase::Stop, stop).await?;
        let supervisor = held.ok_or_else(bug)?;
        let mut ledger = Ledger::open(&config.paths.state_dir);
        self.record_beginning(&mut ledger, &config.paths);
        self.tell_ended(&ended, &mut ledger, progress).await;
        ended.clear();
        let mut adopted = Vec::new();
        let leftovers = async {
            let found = look(&config)?;
            if died && matches!(self.mode, Mode::Start | Mode::Quick) {
                adopted = adoptable(&config, &found);
            }
            ended = self.end_leftovers(&config, &adopted, found).await?;
            Ok(leftovers_in_words(&adopted, &ended))
        };
        progress.phase(Phase::Leftovers, leftovers).await?;
        self.tell_ended(&ended, &mut ledger, progress).await;
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

    /// The check alone.
    ///
    /// # Errors
    /// Why this would not start.
    pub async fn rehearse(&self, progress: &mut Progress) -> Result<(), Failure> {
        let check = async { self.check().map(|_| None) };
        progress.phase(Phase::Check, check).await
    }

    /// Why this supervisor begins: whoever runs it asked for it, unless they do an errand.
    pub fn cause(&self) -> Cause {
        if let Some(asked) = &self.asked {
            return asked.clone();
        }
        match std::env::var(SCHEDULE) {
            Ok(name) if !name.is_empty() => Cause::Schedule { name },
            Ok(_) | Err(_) => Peer::own().asks(&self.command()),
        }
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

    /// Every process that was ended, with the proof that it was ours to end.
    async fn tell_ended(&self, ended: &[Ended], ledger: &mut Ledger, progress: &mut Progress) {
        for one in ended {
            let words = format!("{} by {}: {}", one.command, one.signal, one.proof);
            tracing::info!(pid = one.pid, "ended {words}");
            let fact = Fact::new(What::Ended).pid(one.pid).because(self.cause());
            ledger.record(fact.detail(words));
            progress.send(&Event::Ended(one.clone())).await;
        }
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
    async fn take_operation(&self, paths: &Paths) -> Result<(Lock, Vec<Ended>), Failure> {
        let path = paths.operation_lock();
        let alone = |lock| (lock, Vec::new());
        if self.mode != Mode::Emergency {
            return lock(&path, &self.command()).map(alone);
        }
        let another = Lock::holder(&path).is_some_and(|held| held.command.contains("emergency"));
        match lock(&path, &self.command()) {
            Err(_) if !another => {
                let seized = seize(&path, &self.command(), "operation").await?;
                Ok((seized.lock, seized.ended))
            }
            taken => taken.map(alone),
        }
    }

    fn check(&self) -> Result<Config, Failure> {
        let config = config::load(&self.config, &config::environment()).map_err(|mistakes| Failure {
            kind: FailureKind::Config,
            message: mistakes.to_string(),
            help: Some("nothing was stopped; `sentinel check` shows the same".into()),
        })?;
        redact::learn(&config.redactor);
        if let Err(none) = selector::select_all(self.services.words(), &config.candidates()) {
            return Err(Failure {
                kind: FailureKind::Usage,
                message: none.to_string(),
                help: Some(format!("{}; nothing was started", none.help())),
            });
        }
        let mut problems: Vec<String> = config::hindrances(&config)
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
        found: Vec<Marked>,
    ) -> Result<Vec<Ended>, Failure> {
        let grace = match self.mode {
            Mode::Emergency => Grace::None,
            Mode::Start | Mode::Master | Mode::Quick => Grace::AsDeclared(&config.services),
        };
        let keep: Vec<Run> = adopted.iter().map(|adopted| adopted.run.clone()).collect();
        let mut leftovers = Leftovers {
            house: &config.paths.state_dir,
            keep: &keep,
            state: &State::load(&config.paths.state()),
            grace,
            seen: Some(found),
        };
        leftovers.take_down().await
    }

    /// Ends the present supervisor, if there is one, and takes its lock; what it took, and whom.
    async fn stop_predecessor(&self, config: &Config) -> Result<(Lock, Option<String>, Vec<Ended>), Failure> {
        let path = config.paths.supervisor_lock();
        let name = "sentinel supervisor";
        if self.mode == Mode::Emergency {
            let Seized {
                lock,
                ended,
                strangers,
            } = seize(&path, name, "supervisor").await?;
            // A leftover of ours may have inherited it; it goes with the others.
            let house = &config.paths.state_dir;
            let marked = |pid| matches!(process::mark(pid), Ok(Some(mark)) if mark.state_dir == *house);
            let strangers = strangers.iter().filter(|holder| !marked(holder.identity.pid));
            let strangers: Vec<String> = strangers
                .map(|holder| format!("{} (pid {})", holder.command, holder.identity.pid))
                .collect();
            let detail = (!strangers.is_empty()).then(|| {
                let who = strangers.join(", ");
                format!(
                    "{who} had locked the supervisor's lock and is not ours: left alone, the lock replaced"
                )
            });
            return Ok((lock, detail, ended));
        }
        let Some(held) = Lock::holder(&path) else {
            return Ok((lock(&path, name)?, None, Vec::new()));
        };
        let stops = config.services.iter().map(|spec| spec.stop.timeout);
        if self.mode == Mode::Start {
            return Err(already(&held));
        }
        end(&held, MARGIN + stops.sum::<Duration>()).await?;
        let detail = held
            .pid
            .map(|pid| format!("the supervisor with pid {pid} and its services are down"));
        Ok((lock(&path, name)?, detail, Vec::new()))
    }
}

/// `took over web (pid 7); ended 2 processes of an earlier supervisor`.
fn leftovers_in_words(adopted: &[Adopted], ended: &[Ended]) -> Option<String> {
    let took_over = adopted
        .iter()
        .map(|adopted| format!("{} (pid {})", adopted.run.service, adopted.leader.pid));
    let took_over: Vec<String> = took_over.collect();
    let took_over = (!took_over.is_empty()).then(|| format!("took over {}", took_over.join(", ")));
    let count = match ended.len() {
        0 => None,
        1 => Some("ended 1 process of an earlier supervisor".to_owned()),
        more => Some(format!("ended {more} processes of an earlier supervisor")),
    };
    let parts: Vec<String> = took_over.into_iter().chain(count).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Everything of this house that an earlier supervisor left.
fn look(config: &Config) -> Result<Vec<Marked>, Failure> {
    process::marked(&config.paths.state_dir).map_err(|error| Failure {
        kind: FailureKind::Failed,
        message: format!("cannot look for what an earlier supervisor left: {error}"),
        help: None,
    })
}

/// The runs that a supervisor which died left behind, as far as they are worth keeping.
fn adoptable(config: &Config, found: &[Marked]) -> Vec<Adopted> {
    adoption::decide(found, &State::load(&config.paths.state()), &config.services)
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
