//! `sentinel status` as text: verdict, table, what is wrong and what to do about it.

use std::fmt::Write as _;

use crate::api::{Service, State, Status, SupervisorState};
use crate::client::trouble::{self, Trouble};
use crate::client::verdict::Concern;

use super::Paint;
use super::facts::{FactView, fact_lines};
use super::headline::headline;
use super::table::{Column, Layout};
use super::words::{clean, count, shorten, uptime, wrap};

/// How a person looks at it.
#[derive(Clone, Copy, Debug)]
pub struct View<'v> {
    /// Columns of the terminal; none: lines are whole.
    pub width: Option<usize>,
    /// `-v`.
    pub verbose: bool,
    /// The operation because of which nobody answers, in words.
    pub under_way: Option<&'v str>,
    /// Colours.
    pub paint: Paint,
}

/// The mark of a troubled service, for eyes and terminals without colour.
const MARGIN: &str = "  ";
/// Before what is wrong with the service above.
const INDENT: &str = "      ";

/// The whole answer of `status`.
#[must_use]
pub fn status(status: &Status, concerns: &[Concern], view: View<'_>) -> String {
    let mut text = first_lines(status, concerns, view);
    if !status.services.is_empty() {
        let width = view.width.map(|width| width.saturating_sub(MARGIN.len()));
        let layout = Layout::of(status, width, view.verbose);
        let _ = writeln!(text, "\n{MARGIN}{}", view.paint.faint(&layout.titles()));
        for (service, concern) in status.services.iter().zip(concerns) {
            text.push_str(&service_lines(status, service, *concern, &layout, view));
        }
    }
    text.push_str(&lately(status, view));
    text.push_str(&alerts(status, view));
    if let Some(line) = last_line(status, view) {
        let _ = writeln!(text, "\n{}", view.paint.faint(&line));
    }
    text
}

fn first_lines(status: &Status, concerns: &[Concern], view: View<'_>) -> String {
    let gravest = concerns.iter().max().copied().unwrap_or(Concern::Fine);
    let next = match (status.supervisor.state, view.under_way) {
        (SupervisorState::Running, _) => None,
        (_, Some(operation)) => Some(format!("wait for {operation}")),
        (SupervisorState::Absent, None) => Some("sentinel start".into()),
        (SupervisorState::Unresponsive, None) => Some("sentinel restart emergency".into()),
    };
    let gravest = if next.is_some() {
        Concern::NotRunning
    } else {
        gravest
    };
    let mut text = String::new();
    for line in wrap(&headline(status, concerns), view.width.unwrap_or(usize::MAX)) {
        let _ = writeln!(text, "{}", by_concern(view.paint, gravest, &line));
    }
    if let Some(next) = next {
        let _ = writeln!(text, "{} {next}", view.paint.hint("try:"));
    }
    text
}

fn service_lines(
    status: &Status,
    service: &Service,
    concern: Concern,
    layout: &Layout,
    view: View<'_>,
) -> String {
    let paint = view.paint;
    let supervised = status.supervisor.state == SupervisorState::Running;
    let mark = match concern {
        Concern::NotRunning | Concern::Unhealthy if supervised => paint.bad("! "),
        Concern::NotRunning | Concern::Unhealthy | Concern::Starting | Concern::Fine => MARGIN.to_owned(),
    };
    let row = layout.row(service, |column, cell| match column {
        Column::State if supervised => by_concern(paint, of_state(service, concern), &cell),
        Column::Health if supervised => by_concern(paint, concern, &cell),
        Column::State | Column::Health => cell,
        Column::Service
        | Column::Pid
        | Column::Uptime
        | Column::Restarts
        | Column::Cpu
        | Column::Memory
        | Column::Port => cell,
    });
    let mut text = format!("{mark}{row}\n");
    for trouble in trouble::of_service(service, status) {
        text.push_str(&trouble_lines(&trouble, view));
    }
    if let Some(errors) = error_lines(service).filter(|_| supervised) {
        let width = view
            .width
            .map_or(usize::MAX, |width| width.saturating_sub(INDENT.len()));
        let _ = writeln!(text, "{INDENT}{}", paint.middling(&shorten(&errors, width)));
    }
    text + &own_words(service, view)
}

/// What the service says of itself.
fn own_words(service: &Service, view: View<'_>) -> String {
    let says = match (service.reloading, &service.status_text) {
        (false, None) => return String::new(),
        (true, None) => "is reloading".to_owned(),
        (false, Some(text)) => format!("says: {}", clean(text)),
        (true, Some(text)) => format!("is reloading, says: {}", clean(text)),
    };
    let width = view
        .width
        .map_or(usize::MAX, |width| width.saturating_sub(INDENT.len()));
    let line = |line: String| format!("{INDENT}{}\n", view.paint.faint(&line));
    wrap(&says, width).into_iter().map(line).collect()
}

/// `3 error lines since start, the last: …`.
#[must_use]
pub fn error_lines(service: &Service) -> Option<String> {
    let errors = &service.errors;
    if errors.count == 0 {
        return None;
    }
    let lines = count(errors.count, "error line");
    Some(match &errors.last {
        Some(last) => format!("{lines} since start, the last: {}", clean(last)),
        None => format!("{lines} since start"),
    })
}

/// A state is coloured by itself: a service that runs and is unhealthy is still RUNNING.
fn of_state(service: &Service, concern: Concern) -> Concern {
    if service.state == State::Running {
        Concern::Fine
    } else {
        concern
    }
}

fn trouble_lines(trouble: &Trouble, view: View<'_>) -> String {
    let width = view
        .width
        .map_or(usize::MAX, |width| width.saturating_sub(INDENT.len()));
    let mut text = String::new();
    for line in wrap(&clean(&trouble.text), width) {
        let _ = writeln!(text, "{INDENT}{line}");
    }
    if let Some(next) = &trouble.next {
        let _ = writeln!(text, "{INDENT}{} {next}", view.paint.hint("try:"));
    }
    text
}

/// What happened last to the services that were named.
fn lately(status: &Status, view: View<'_>) -> String {
    if status.events.is_empty() {
        return String::new();
    }
    let facts = FactView::sized(view.width, view.paint, &status.events);
    let mut day = None;
    let lines = status
        .events
        .iter()
        .map(|record| fact_lines(record, &facts, &mut day));
    format!("\n{}", lines.collect::<String>())
}

/// Alerts that nobody takes are trouble of their own.
fn alerts(status: &Status, view: View<'_>) -> String {
    let Some(alerts) = status.alerts.as_ref().filter(|alerts| alerts.waiting > 0) else {
        return String::new();
    };
    let mut line = format!("{} waiting", count(alerts.waiting as u64, "alert"));
    if let Some(trouble) = &alerts.trouble {
        line = format!("{line}: {}", clean(trouble));
    }
    let lines = wrap(&line, view.width.unwrap_or(usize::MAX));
    let painted = lines.iter().map(|line| format!("{}\n", view.paint.bad(line)));
    format!("\n{}", painted.collect::<String>())
}

fn last_line(status: &Status, view: View<'_>) -> Option<String> {
    let supervisor = &status.supervisor;
    let (pid, up) = (supervisor.pid?, uptime(supervisor.uptime_s?));
    let line = format!("supervisor pid {pid}, up {up}");
    Some(if view.verbose {
        format!("{line}, version {}, {}", supervisor.version, supervisor.config)
    } else {
        line
    })
}

fn by_concern(paint: Paint, concern: Concern, text: &str) -> String {
    match concern {
        Concern::Fine => paint.good(text),
        Concern::Starting => paint.middling(text),
        Concern::Unhealthy | Concern::NotRunning => paint.bad(text),
    }
}

#[cfg(test)]
mod tests;
