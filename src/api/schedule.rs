//! Schedules in the answer of `sentinel status --json`.

use serde::{Deserialize, Serialize};

/// One schedule: when it is due next, and what became of it last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// What it does, as a person would type it.
    #[serde(rename = "do")]
    pub deed: String,
    /// The five fields.
    pub cron: String,
    /// Whose clock counts: a name of the IANA database, or `local`.
    pub timezone: String,
    /// When it is due next, RFC 3339 by that clock; none without a supervisor, or when it never comes.
    pub next: Option<String>,
    /// Seconds until then.
    pub next_in_s: Option<f64>,
    /// The last run, or the last time that was missed.
    pub last: Option<ScheduleRun>,
}

/// What became of a time at which a schedule was due.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduleRun {
    /// What.
    pub result: ScheduleResult,
    /// The time that it was due, RFC 3339; none when a person ran it.
    pub due: Option<String>,
    /// When it began, RFC 3339; when it was found to be missed.
    pub began: String,
    /// How long it took, in seconds.
    pub took_s: Option<f64>,
    /// The exit code of what was done.
    pub exit_code: Option<i32>,
    /// Its last line, or why it was not done.
    pub line: Option<String>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleResult {
    /// It is under way.
    Running,
    /// It reached its aim.
    Done,
    /// It did not.
    Failed,
    /// It was not begun: a condition, another operation, or a run that had not ended.
    Skipped,
    /// Nobody was there.
    Missed,
}

impl ScheduleResult {
    /// The word as printed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ScheduleResult::Running => "running",
            ScheduleResult::Done => "done",
            ScheduleResult::Failed => "failed",
            ScheduleResult::Skipped => "skipped",
            ScheduleResult::Missed => "missed",
        }
    }

    /// Whether somebody should look.
    #[must_use]
    pub fn is_bad(self) -> bool {
        matches!(self, ScheduleResult::Failed | ScheduleResult::Missed)
    }
}
