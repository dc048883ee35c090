//! The words of `events` and `alert`.

use clap::{Args, Subcommand};

/// `events`.
#[derive(Args, Debug)]
pub struct EventsArgs {
    /// Services; all, and what is about the house, without a name
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Keep printing what comes
    #[arg(short, long)]
    pub follow: bool,
    /// The last N facts [default: 20; all with --since]
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<usize>,
    /// Only what is newer: 10m, 2h, 08:41, or an RFC 3339 time
    #[arg(long, value_name = "T")]
    pub since: Option<String>,
}

impl EventsArgs {
    pub(super) const EXAMPLES: &'static str = "\
Examples:
  sentinel events --since 1d          why anything was started or ended since yesterday
  sentinel events trade_stream -f     follow one
  sentinel events --json -n 1000      a JSON object a line, for programs";
}

/// `alert`.
#[derive(Args, Debug)]
pub struct AlertArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: AlertCommand,
}

/// What `alert` does.
#[derive(Debug, Subcommand)]
pub enum AlertCommand {
    /// Deliver a test message now, and say whether it was taken
    Test {
        /// Targets by name; all without one
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// What is wrong now, and what waits to be delivered
    List,
}
