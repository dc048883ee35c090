//! The flush of a restart: every assigned port, before anything new starts.

use std::time::Duration;

use super::progress::Progress;
use crate::api::{Event, Failure, FailureKind, Mode, Phase};
use crate::config::Config;
use crate::ports::{Caller, Flush, Ownership, PortPlan, PortReport, Rules, Verdict};
use crate::process::Table;

/// From SIGTERM to SIGKILL for whoever holds an assigned port.
const GRACE: Duration = Duration::from_secs(3);

/// Frees every assigned port and tells of each that was not free.
///
/// # Errors
/// A port could not be freed.
pub async fn all(
    config: &Config,
    mode: Mode,
    progress: &mut Progress,
) -> (Vec<PortReport>, Result<(), Failure>) {
    let mut reports = Vec::new();
    let work = async {
        let grace = if mode == Mode::Emergency {
            Duration::ZERO
        } else {
            GRACE
        };
        reports = free(config, grace)
            .await
            .map_err(|error| could_not_look(&error))?;
        verdict(&reports)
    };
    let result = progress.phase(Phase::Flush, work).await;
    for report in reports
        .iter()
        .filter(|report| !report.holders.is_empty() || !report.outcome.ok())
    {
        let report = serde_json::to_value(report).unwrap_or_default();
        progress.send(&Event::Port { report }).await;
    }
    (reports, result)
}

async fn free(config: &Config, grace: Duration) -> std::io::Result<Vec<PortReport>> {
    let flush = flush(config, grace)?;
    let plans = held(flush.plan(&assigned(config))?);
    Ok(flush
        .free(&plans, async |_| Err("no supervisor runs".into()))
        .await)
}

fn flush(config: &Config, grace: Duration) -> std::io::Result<Flush> {
    let rules = Rules {
        protected: config.protected_ports.clone(),
        spare_managed: false,
        caller: Caller::current(&Table::read()?),
    };
    Ok(Flush {
        rules,
        house: config.paths.state_dir.clone(),
        live: Vec::new(),
        keeper: None,
        grace,
    })
}

fn assigned(config: &Config) -> Vec<u16> {
    let mut ports: Vec<u16> = config
        .services
        .iter()
        .flat_map(|spec| spec.ports.clone())
        .collect();
    ports.sort_unstable();
    ports
}

/// The ports that somebody listens on: a protected port that nobody holds is no obstacle.
fn held(plans: Vec<PortPlan>) -> Vec<PortPlan> {
    plans
        .into_iter()
        .filter(|plan| !plan.sockets.is_empty())
        .collect()
}

fn verdict(reports: &[PortReport]) -> Result<Option<String>, Failure> {
    let sentences: Vec<&str> = reports
        .iter()
        .filter_map(|report| report.error.as_deref())
        .collect();
    if reports.iter().all(|report| report.outcome.ok()) {
        let freed = reports.iter().filter(|report| !report.holders.is_empty()).count();
        return Ok((freed > 0).then(|| format!("{freed} of {} ports were held", reports.len())));
    }
    let help = "`sentinel flush --dry-run` shows who holds what".into();
    Err(Failure {
        kind: FailureKind::Failed,
        message: sentences.join("\n"),
        help: Some(help),
    })
}

fn could_not_look(error: &std::io::Error) -> Failure {
    let message = format!("cannot see who holds the ports: {error}");
    Failure {
        kind: FailureKind::Failed,
        message,
        help: None,
    }
}

/// What a flush would refuse, known before anything is stopped. Our own processes are no obstacle: they
/// are stopped, not flushed.
#[must_use]
pub fn refusals(config: &Config) -> Vec<String> {
    let plans = flush(config, GRACE).and_then(|flush| flush.plan(&assigned(config)));
    let Ok(plans) = plans.map(held) else {
        return Vec::new();
    };
    let stranger = |holder: &crate::ports::PlannedHolder| holder.ownership == Ownership::Foreign;
    let strange = plans
        .into_iter()
        .filter(|plan| plan.holders.is_empty() || plan.holders.iter().any(stranger));
    strange
        .filter_map(|plan| match plan.verdict {
            Verdict::Refuse(why) => Some(why),
            Verdict::Free | Verdict::Spare | Verdict::Clear => None,
        })
        .collect()
}
