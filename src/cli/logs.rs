//! The words of `logs`.

use clap::Args;

/// `logs`.
#[derive(Args, Debug)]
#[command(after_help = LogsArgs::EXAMPLES)]
pub struct LogsArgs {
    /// Services, or `sentinel` for the supervisor's own log; all services without a name
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Keep printing what comes
    #[arg(short, long)]
    pub follow: bool,
    /// The last N lines [default: 20; all that fit with --since]
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<usize>,
    /// Only what is newer: 10m, 2h, or an RFC 3339 time
    #[arg(long, value_name = "T")]
    pub since: Option<String>,
    /// Only errors: by level, by the service's `error_pattern`, or without a level on stderr
    #[arg(long)]
    pub errors: bool,
    /// Only lines that this regular expression matches
    #[arg(long, value_name = "REGEX")]
    pub grep: Option<String>,
}

impl LogsArgs {
    pub(super) const EXAMPLES: &'static str = "\
Examples:
  sentinel logs                          the last lines of every service
  sentinel logs trade_stream -f          follow one
  sentinel logs --errors --since 10m     what went wrong lately
  sentinel logs --grep 'AAPL|TSLA' -n 5  the last lines that match, rotated files too";
}
