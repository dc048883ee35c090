//! The command line: every command and flag of `sentinel`, parsed into values that mean something.

mod events;
mod fleet;
mod home;
mod logs;
mod run;
mod upgrade;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::api::Mode;
use crate::service::ServiceName;
pub use events::{AlertArgs, AlertCommand, EventsArgs};
pub use fleet::{
    CronArgs, CronTimes, CronVerb, ReloadArgs, ScheduleArgs, ScheduleRunArgs, ScheduleVerb, StartArgs,
    StatusArgs,
};
pub use home::{
    CompletionsArgs, ExportArgs, ImportArgs, InitArgs, InstallArgs, ManArgs, SchemaArgs, Shell,
    SupervisorctlArgs, UninstallArgs, UnitArgs,
};
pub use logs::LogsArgs;
pub use upgrade::{CanResumeArgs, ResumeArgs, StandByArgs, UpgradeArgs};

const EXAMPLES: &str = "\
Examples:
  sentinel restart                 stop all, free the ports, start all, verify
  sentinel status                  what runs, who holds the ports, who is healthy
  sentinel restart trade_stream    only this service
  sentinel logs trade_stream -f    follow its output
  sentinel flush --dry-run         who holds our ports?

Exit codes: 0 reached, 1 not reached, 2 usage, 3 something does not run, 4 no supervisor,
5 services.toml is wrong, 6 unhealthy, 8 still starting, 70 a bug of ours, 75 busy: try again";

/// A process supervisor for hosts that run live market data.
#[derive(Debug, Parser)]
#[command(name = "sentinel", version, about, after_help = EXAMPLES, max_term_width = 100)]
#[command(
    arg_required_else_help = true,
    subcommand_required = true,
    args_override_self = true
)]
pub struct Cli {
    /// The flags that every command takes.
    #[command(flatten)]
    pub flags: Flags,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The flags that stand before or after every command.
#[derive(Args, Clone, Debug)]
pub struct Flags {
    /// services.toml [default: $SENTINEL_CONFIG, else here or in the nearest parent folder]
    #[arg(short, long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long, global = true)]
    pub json: bool,
    /// Print errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// When to use colour: auto, always or never
    #[arg(hide_possible_values = true, long, global = true, value_name = "WHEN", value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Stop, flush the ports, start and verify everything, or restart some services
    #[command(after_help = RestartArgs::EXAMPLES)]
    Restart(RestartArgs),
    /// Start the supervisor if there is none, and the services; wait until they are ready
    Start(StartArgs),
    /// Stop services and wait until they are gone; the supervisor stays
    Stop(Services),
    /// Stop everything, the supervisor too
    Shutdown,
    /// Show states, ports and live health
    Status(StatusArgs),
    /// The services on one screen, live; actions on keys
    Top,
    /// Free the assigned ports and prove it; restarts nothing
    Flush(FlushArgs),
    /// Print or follow the services' output
    Logs(LogsArgs),
    /// Print or follow what happened and why, also from before this supervisor
    #[command(after_help = EventsArgs::EXAMPLES)]
    Events(EventsArgs),
    /// Try the ways on which alerts go, and see what is wrong now
    Alert(AlertArgs),
    /// Print what Prometheus would be told
    Metrics,
    /// Read services.toml again; add, remove or restart just what differs
    Reload(ReloadArgs),
    /// Replace the running supervisor by this binary; no service is restarted
    #[command(after_help = UpgradeArgs::EXAMPLES)]
    Upgrade(UpgradeArgs),
    /// Validate services.toml without running anything
    Check,
    /// List what is done by the clock, or do it now
    Schedule(ScheduleArgs),
    /// Have cron start a missing supervisor, restart all weekly and mail what is wrong
    Cron(CronArgs),
    /// Run the supervisor in the foreground (systemd, containers, PID 1)
    #[command(after_help = run::RUN)]
    Run(Services),
    /// Have systemd run the supervisor, from the next boot on and now
    Install(InstallArgs),
    /// Stop the supervisor that systemd runs, and remove its unit
    Uninstall(UninstallArgs),
    /// Write a services.toml from what another supervisor reads
    #[command(after_help = ImportArgs::EXAMPLES)]
    Import(ImportArgs),
    /// Write what another supervisor needs to run these services; secrets by name only
    Export(ExportArgs),
    /// Print completions for a shell, with the names of the services as they are
    #[command(after_help = CompletionsArgs::EXAMPLES)]
    Completions(CompletionsArgs),
    /// Print the man page, or write one for each command
    Man(ManArgs),
    /// Print the JSON Schema of services.toml, or every key for people
    Schema(SchemaArgs),
    /// Write a commented services.toml for what is in this folder
    Init(InitArgs),
    /// The names of the services, for completions
    #[command(hide = true)]
    Names,
    /// supervisord's command line: the same words, lines and exit codes
    #[command(after_help = SupervisorctlArgs::WORDS)]
    Supervisorctl(SupervisorctlArgs),
    /// The supervisor itself, begun by `start` and `restart`
    #[command(hide = true)]
    Supervise(SuperviseArgs),
    /// Hand one message to one target, begun by the supervisor
    #[command(hide = true)]
    AlertDeliver,
    /// Become a service that gets sockets.
    #[command(hide = true)]
    Activate(ActivateArgs),
    /// Tell whether this binary could take over
    #[command(hide = true)]
    CanResume(CanResumeArgs),
    /// Take over in the place of another image
    #[command(hide = true)]
    Resume(ResumeArgs),
    /// Take over should another image die
    #[command(hide = true)]
    StandBy(StandByArgs),
}

/// Some services, or all.
#[derive(Args, Debug)]
pub struct Services {
    /// Services; all without a name
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
}

/// `restart`.
#[derive(Args, Debug)]
pub struct RestartArgs {
    /// A mode (master = full, quick, emergency = force) or services
    #[arg(value_name = "MODE|SERVICE")]
    pub words: Vec<String>,
    /// Do nothing and exit 75 when this holds: market_open, market_closed, market_holiday, ...
    #[arg(long, value_name = "CONDITION", value_parser = fleet::phase)]
    pub unless: Option<crate::schedule::Phase>,
}

/// What `restart` is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestartTarget {
    /// The whole house.
    House(Mode),
    /// These services, in the running supervisor.
    Services(Vec<String>),
}

impl RestartArgs {
    const EXAMPLES: &'static str = "\
Modes:
  master = full        all services, every assigned port flushed (default)
  quick                the same without the flush
  emergency = force    works even when the supervisor hangs or was killed

Examples:
  sentinel restart
  sentinel restart quick
  sentinel restart trade_stream browser_proxy";

    /// Tells a mode from services.
    ///
    /// # Errors
    /// A sentence, when a mode is mixed with other words.
    pub fn target(&self) -> Result<RestartTarget, String> {
        let Some(first) = self.words.first() else {
            return Ok(RestartTarget::House(Mode::Master));
        };
        match (self.words.iter().find_map(|word| mode(word)), self.words.len()) {
            (Some(mode), 1) => Ok(RestartTarget::House(mode)),
            (None, _) => Ok(RestartTarget::Services(self.words.clone())),
            (Some(_), _) => Err(format!(
                "`restart` takes one mode or services, not both: {}\n\n  for everything: sentinel restart {}\n  for services:   sentinel restart {}",
                self.words.join(" "),
                self.words
                    .iter()
                    .find(|word| mode(word).is_some())
                    .unwrap_or(first),
                self.services_or_placeholder(),
            )),
        }
    }

    fn services_or_placeholder(&self) -> String {
        let services: Vec<&str> = self
            .words
            .iter()
            .map(String::as_str)
            .filter(|word| mode(word).is_none())
            .collect();
        if services.is_empty() {
            "SERVICE".into()
        } else {
            services.join(" ")
        }
    }
}

/// The mode that a word of `restart` names; the words are [`ServiceName::RESERVED`].
fn mode(word: &str) -> Option<Mode> {
    debug_assert_eq!(ServiceName::RESERVED.len(), 5);
    match word {
        "master" | "full" => Some(Mode::Master),
        "quick" => Some(Mode::Quick),
        "emergency" | "force" => Some(Mode::Emergency),
        _ => None,
    }
}

/// `flush`.
#[derive(Args, Debug)]
#[command(after_help = FlushArgs::EXAMPLES)]
pub struct FlushArgs {
    /// Assigned ports or services; all assigned ports without one
    #[arg(value_name = "PORT|SERVICE")]
    pub targets: Vec<String>,
    /// Leave running services alone; free only what leftovers and strangers hold
    #[arg(long)]
    pub strays: bool,
    /// Print what would happen and touch nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask before touching processes that are not ours
    #[arg(short, long)]
    pub yes: bool,
    /// Time between SIGTERM and SIGKILL
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = duration)]
    pub grace: Duration,
}

impl FlushArgs {
    const EXAMPLES: &'static str = "\
Examples:
  sentinel flush --dry-run         what would happen
  sentinel flush 8765 --grace 10s
  sentinel flush --strays          after a crash, beside running services";
}

/// What a process becomes that was started with sockets.
#[derive(Debug, Args)]
pub struct ActivateArgs {
    /// The program.
    pub program: OsString,
    /// Its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<OsString>,
}

/// `supervise`, which only `start` and `restart` call.
#[derive(Args, Debug)]
pub struct SuperviseArgs {
    /// How the new supervisor takes the house over
    #[arg(long, value_parser = supervise_mode)]
    pub mode: Mode,
    /// Check all that is checked before anything is touched, and leave
    #[arg(long)]
    pub check: bool,
    /// Services to start; all without a name
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
}

fn supervise_mode(text: &str) -> Result<Mode, String> {
    [Mode::Start, Mode::Master, Mode::Quick, Mode::Emergency]
        .into_iter()
        .find(|mode| mode.as_str() == text)
        .ok_or_else(|| "start, master, quick or emergency".into())
}

/// Reads `250ms`, `10s`, `5m`, `2h`, or a plain number of seconds.
///
/// # Errors
/// A sentence that says what a duration looks like.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration: write 250ms, 10s, 5m or 2h");
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let number: f64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit_s = match text[digits..].trim() {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(number * unit_s).map_err(|_| wrong())
}

impl Cli {
    /// Parses the arguments, and what clap's types cannot say about them.
    ///
    /// # Errors
    /// clap's own, ready to be printed: wrong usage, or the text of `--help` and `--version`.
    pub fn parse_args<I, T>(args: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<std::ffi::OsString> + Clone,
    {
        let cli = Self::try_parse_from(args)?;
        if let Command::Restart(restart) = &cli.command
            && let Err(message) = restart.target()
        {
            let mut all = Self::command();
            all.build();
            let usage = all
                .find_subcommand_mut("restart")
                .map(std::mem::take)
                .unwrap_or_default();
            return Err(usage.clone().error(ErrorKind::ArgumentConflict, message));
        }
        Ok(cli)
    }
}

#[cfg(test)]
mod tests;
