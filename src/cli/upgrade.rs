//! `upgrade`, and what the supervisor and the binary that is to replace it say to each other.

use std::path::PathBuf;

use clap::Args;

/// `upgrade`.
#[derive(Args, Debug)]
pub struct UpgradeArgs {
    /// The binary that takes over [default: the one that you call]
    #[arg(long, value_name = "FILE")]
    pub binary: Option<PathBuf>,
}

impl UpgradeArgs {
    pub(super) const EXAMPLES: &'static str = "\
The new binary is tried beside the running supervisor first. One that cannot take over
(crashes, hangs, does not know the state) changes nothing: exit code 1 and the reason.

Examples:
  cargo install --path . && sentinel upgrade
  sentinel upgrade --binary ./target/release/sentinel";
}

/// `can-resume`.
#[derive(Args, Debug)]
pub struct CanResumeArgs {
    /// What would be handed over
    pub state: PathBuf,
}

/// `resume`.
#[derive(Args, Debug)]
pub struct ResumeArgs {
    /// The descriptor of what is handed over
    pub state: i32,
}

/// `stand-by`.
#[derive(Args, Debug)]
pub struct StandByArgs {
    /// For whom
    pub pid: i32,
    /// When that process started, in ticks since boot
    pub start: u64,
    /// What is to be up
    pub services: Vec<String>,
}
