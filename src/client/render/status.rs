//! `sentinel status` as text: verdict, table, what is wrong and what to do about it.

use std::fmt::Write as _;

use crate::api::{Service, State, Status, SupervisorState};
use crate::client::trouble::{self, Trouble};
use crate::verdict::Concern;

use super::Paint;
use super::facts::{FactView, fact_lines};
use super::fold::{self, Detail, Row, Rows};
use super::headline::headline;
use super::schedule;
use super::table::{Column, Layout};
use super::words::{clean, count, shorten, uptime, wrap};

/// How a person looks at it.
#[derive(Clone, Copy, Debug)]
pub struct View<'v> {
    /// Columns of the terminal; none: lines are whole.
    pub width: Option<usize>,
    /// Lines of the terminal; none: as many as there are.
    pub height: Option<usize>,
    /// `-v`.
    pub verbose: bool,
    /// Services were named: each is shown by itself.
    pub named: bool,
    /// Only what is not well.
    pub problems: bool,
    /// The operation because of which nobody answers, in words.
    pub under_way: Option<&'v str>,
    /// Colours.
    pub paint: Paint,
}

/// The mark of a troubled service, for eyes and terminals without colour.
const MARGIN: &str = "  ";
/// Before what is wrong with the service above.
const INDENT: &str = "      ";

/// A terminal keeps one line for the next prompt.
const PROMPT: usize = 1;
/// The most troubled services that are shown where there is hardly any room.
const MOST: [Detail; 8] = [
    Detail::Most(12),
    Detail::Most(9),
    Detail::Most(7),
    Detail::Most(5),
    Detail::Most(4),
    Detail::Most(3),
    Detail::Most(2),
    Detail::Most(1),
];

/// The whole answer of `status`: on a terminal, with as much detail as it has lines for.
#[must_use]
pub fn status(status: &Status, concerns: &[Concern], view: View<'_>) -> String {
    if view.verbose || view.named {
        return in_detail(status, concerns, view, Detail::Whole);
    }
    let least = if view.problems {
        Detail::Unwell
    } else {
        Detail::Groups
    };
    let whole = in_detail(status, concerns, view, least);
    // What was asked for by --problems is for reading on, however long it is.
    let Some(height) = view.height.filter(|_| !view.problems) else {
        return whole;
    };
    let fits = |text: &String| text.lines().count() + PROMPT <= height;
    if fits(&whole) {
        return whole;
    }
    let details = [Detail::Unwell, Detail::Brief].into_iter().chain(MOST);
    let mut last = whole;
    for detail in details {
        last = in_detail(status, concerns, view, detail);
        if fits(&last) {
            break;
        }
    }
    last
}

fn in_detail(status: &Status, concerns: &[Concern], view: View<'_>, detail: Detail) -> String {
    let mut text = first_lines(status, concerns, view);
    let mut shown = fold::rows(status, concerns, detail);
    if view.problems {
        shown.rows.retain(|row| matches!(row, Row::Service(..)));
        shown.well.clear();
    }
    if !shown.rows.is_empty() {
        let width = view.width.map(|width| width.saturating_sub(MARGIN.len()));
        let layout = Layout::of(&shown.rows, status.supervisor.state, width, view.verbose);
        let _ = writeln!(text, "\n{MARGIN}{}", view.paint.faint(&layout.titles()));
        for row in &shown.rows {
            text.push_str(&row_lines(status, row, &layout, (view, detail)));
        }
    }
    let supervised = status.supervisor.state == SupervisorState::Running;
    text.push_str(&left_out(&shown, supervised, view));
    let brief = detail >= Detail::Unwell && !view.problems;
    let schedules = schedule::section(&status.schedules, brief, view.width, view.paint);
    let untold = schedules.is_empty() || view.problems && status.schedules.iter().all(is_well);
    if !untold {
        let _ = write!(text, "\n{schedules}");
    }
    text.push_str(&lately(status, view));
    text.push_str(&alerts(status, view));
    if let Some(line) = last_line(status, view) {
        let gap = if brief && !schedules.is_empty() { "" } else { "\n" };
        let _ = writeln!(text, "{gap}{}", view.paint.faint(&line));
    }
    text
}

fn is_well(schedule: &crate::api::Schedule) -> bool {
    !schedule.last.as_ref().is_some_and(|last| last.result.is_bad())
}

/// What has no row.
fn left_out(shown: &Rows<'_>, supervised: bool, view: View<'_>) -> String {
    let mut text = String::new();
    let width = view
        .width
        .map_or(usize::MAX, |width| width.saturating_sub(MARGIN.len()));
    if shown.more > 0 {
        let line = format!(
            "and {} more that are not well: sentinel status --problems",
            shown.more
        );
        let _ = writeln!(text, "{MARGIN}{}", shorten(&line, width));
    }
    if !shown.well.is_empty() {
        let names: Vec<&str> = shown.well.iter().map(|service| service.name.as_str()).collect();
        // Nobody can vouch for what nobody supervises.
        let are_well = if supervised { " are well" } else { "" };
        let line = format!("{} more{are_well}: {}", names.len(), names.join(", "));
        let _ = writeln!(text, "{MARGIN}{}", view.paint.faint(&begun(&clean(&line), width)));
    }
    text
}

/// The text, or its beginning and a sign that there is more.
fn begun(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars()
        .take(width.saturating_sub(3))
        .chain("...".chars())
        .collect()
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

fn row_lines(status: &Status, row: &Row<'_>, layout: &Layout, (view, detail): (View<'_>, Detail)) -> String {
    let paint = view.paint;
    let supervised = status.supervisor.state == SupervisorState::Running;
    let (concern, of_state) = match row {
        Row::Service(service, concern) => (*concern, of_state(service, *concern)),
        Row::Group(group) => (group.concern, group.concern),
    };
    let mark = match (row, concern) {
        (Row::Service(..), Concern::NotRunning | Concern::Unhealthy) if supervised => paint.bad("! "),
        (Row::Service(..) | Row::Group(_), _) => MARGIN.to_owned(),
    };
    let row_text = layout.row(row, |column, cell| match column {
        Column::State if supervised => by_concern(paint, of_state, &cell),
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
    let mut text = format!("{mark}{row_text}\n");
    if let Row::Service(service, _) = row {
        let brief = detail >= Detail::Brief;
        let troubles = trouble::of_service(service, status);
        for trouble in troubles.iter().take(if brief { 1 } else { troubles.len() }) {
            text.push_str(&trouble_lines(trouble, brief, view));
        }
        if let Some(errors) = error_lines(service).filter(|_| supervised) {
            let width = view
                .width
                .map_or(usize::MAX, |width| width.saturating_sub(INDENT.len()));
            let _ = writeln!(text, "{INDENT}{}", paint.middling(&shorten(&errors, width)));
        }
        if !brief {
            text.push_str(&own_words(service, view));
        }
    }
    text
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

fn trouble_lines(trouble: &Trouble, brief: bool, view: View<'_>) -> String {
    let width = view
        .width
        .map_or(usize::MAX, |width| width.saturating_sub(INDENT.len()));
    let mut text = String::new();
    if brief {
        return format!("{INDENT}{}\n", begun(&clean(&trouble.text), width));
    }
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

/// What else may explain what is seen.
pub const OUTDATED: &str = "services.toml was written after it was read; to take it in: sentinel reload";

fn last_line(status: &Status, view: View<'_>) -> Option<String> {
    let supervisor = &status.supervisor;
    let (pid, up) = (supervisor.pid?, uptime(supervisor.uptime_s?));
    let mut line = format!("supervisor pid {pid}, up {up}");
    if view.verbose {
        line = format!("{line}, version {}, {}", supervisor.version, supervisor.config);
    }
    if supervisor.outdated {
        line = format!("{line}\n{OUTDATED}");
    }
    Some(line)
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
