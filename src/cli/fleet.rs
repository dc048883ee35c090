//! The words of the commands about many services and by the clock: start, status, schedule, cron.

use std::time::Duration;

use clap::{Args, Subcommand};

use crate::schedule::{Cron, WORDS};

/// `start`.
#[derive(Args, Debug)]
pub struct StartArgs {
    /// Services, @GROUP or a pattern; all without one
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Do nothing when there is a supervisor, or when it was shut down by request
    #[arg(long)]
    pub if_absent: bool,
}

/// `status`.
#[derive(Args, Debug)]
pub struct StatusArgs {
    /// Services; all without a name
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Only what is not well, with all that is known of it
    #[arg(long, conflicts_with = "verbose")]
    pub problems: bool,
    /// Only the services of this group; the same as @GROUP
    #[arg(long, value_name = "GROUP")]
    pub group: Vec<String>,
    /// Print nothing when all is well
    #[arg(long)]
    pub unless_ok: bool,
    /// Again and again, until Ctrl-C; --watch=10s for another pace than 2s
    #[arg(
        long,
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2s",
        value_parser = super::duration
    )]
    pub watch: Option<Duration>,
    /// How long the health probes may take, all side by side
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = super::duration)]
    pub timeout: Duration,
}

/// `reload`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct ReloadArgs {
    /// Only show what would change
    #[arg(long)]
    pub dry_run: bool,
}

/// `schedule`.
#[derive(Args, Debug)]
pub struct ScheduleArgs {
    /// What to do; `list` without a word
    #[command(subcommand)]
    pub verb: Option<ScheduleVerb>,
}

/// What `schedule` can do.
#[derive(Debug, Subcommand)]
pub enum ScheduleVerb {
    /// Show what is done when, and what became of it last
    List,
    /// Do now what a schedule does; exit 75 when it is skipped
    Run(ScheduleRunArgs),
}

/// `schedule run`.
#[derive(Args, Debug)]
pub struct ScheduleRunArgs {
    /// The schedule
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Whatever `unless` and `only` say
    #[arg(long)]
    pub force: bool,
    /// The time that it was due
    #[arg(long, hide = true)]
    pub due: Option<String>,
}

/// `cron`.
#[derive(Args, Debug)]
#[command(after_help = CronArgs::EXAMPLES)]
pub struct CronArgs {
    /// What to do
    #[command(subcommand)]
    pub verb: CronVerb,
}

impl CronArgs {
    const EXAMPLES: &'static str = "\
Examples:
  sentinel cron print              the lines, touching nothing
  sentinel cron install            put them into your crontab, or bring them up to date
  sentinel cron install --weekly '30 5 * * sun' --report ''
  sentinel cron remove";
}

/// What `cron` can do.
#[derive(Debug, Subcommand)]
pub enum CronVerb {
    /// Print the lines for your crontab
    Print(CronTimes),
    /// Put them into your crontab; every other line of it stays as it is
    Install(CronTimes),
    /// Take them out again
    Remove,
}

/// When cron does what; an empty time leaves a line out.
#[derive(Args, Clone, Debug)]
pub struct CronTimes {
    /// When everything is restarted by `restart emergency`
    #[arg(long, value_name = "TIME", default_value = "15 5 * * 0", value_parser = time)]
    pub weekly: String,
    /// When a missing supervisor is started
    #[arg(long, value_name = "TIME", default_value = "* * * * *", value_parser = time)]
    pub watch: String,
    /// When the status is mailed, unless all is well
    #[arg(long, value_name = "TIME", default_value = "0 7 * * *", value_parser = time)]
    pub report: String,
}

fn time(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    match Cron::parse(text) {
        Ok(time) => Ok(time.to_string()),
        Err(wrong) => Err(format!("{}; {}", wrong.message, wrong.help)),
    }
}

/// A word of `unless`.
///
/// # Errors
/// The words that there are.
pub fn phase(text: &str) -> Result<crate::schedule::Phase, String> {
    crate::schedule::Phase::parse(text).ok_or_else(|| format!("it is one of {}", WORDS.join(", ")))
}
