//! Columns that fit: chosen, measured and padded for a width.

use crate::api::{Service, SupervisorState};

use super::fold::{Row, Summary};
use super::health;
use super::words::{bytes, clean, shorten, uptime};

/// One column of the status table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Service,
    State,
    Pid,
    Uptime,
    Restarts,
    Cpu,
    Memory,
    Port,
    Health,
}

/// The columns of an ordinary status, and of `-v`.
const USUAL: [Column; 6] = [
    Column::Service,
    Column::State,
    Column::Uptime,
    Column::Restarts,
    Column::Port,
    Column::Health,
];
const VERBOSE: [Column; 9] = [
    Column::Service,
    Column::State,
    Column::Pid,
    Column::Uptime,
    Column::Restarts,
    Column::Cpu,
    Column::Memory,
    Column::Port,
    Column::Health,
];

/// What goes first when the terminal is narrow.
const DISPENSABLE: [Column; 6] = [
    Column::Memory,
    Column::Cpu,
    Column::Pid,
    Column::Restarts,
    Column::Uptime,
    Column::Port,
];

/// Between two columns.
const GAP: usize = 2;
/// Enough for `healthy 0.8 ms`.
const LEAST_HEALTH: usize = 14;
/// Enough to tell most services apart.
const LEAST_NAME: usize = 14;

impl Column {
    pub(super) fn title(self) -> &'static str {
        match self {
            Column::Service => "SERVICE",
            Column::State => "STATE",
            Column::Pid => "PID",
            Column::Uptime => "UPTIME",
            Column::Restarts => "RESTARTS",
            Column::Cpu => "CPU",
            Column::Memory => "MEMORY",
            Column::Port => "PORT",
            Column::Health => "HEALTH",
        }
    }

    fn right_aligned(self) -> bool {
        match self {
            Column::Pid | Column::Uptime | Column::Restarts | Column::Cpu | Column::Memory => true,
            Column::Service | Column::State | Column::Port | Column::Health => false,
        }
    }

    fn value(self, service: &Service, supervisor: SupervisorState) -> String {
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".into());
        match self {
            Column::Service => clean(&service.name).into_owned(),
            // Nobody can say what a supervisor that hangs was doing.
            Column::State if supervisor == SupervisorState::Unresponsive => "?".into(),
            Column::State => service.state.as_str().into(),
            Column::Pid => or_dash(service.pid.map(|pid| pid.to_string())),
            Column::Uptime => or_dash(service.uptime_s.map(uptime)),
            Column::Restarts => service.restarts.to_string(),
            Column::Cpu => or_dash(service.cpu_percent.map(|percent| format!("{percent:.1}%"))),
            Column::Memory => or_dash(service.memory_bytes.map(bytes)),
            Column::Port => ports(&service.ports),
            Column::Health => Self::health_parts(service, supervisor).join(", "),
        }
    }
}

impl Column {
    fn of_row(self, row: &Row<'_>, supervisor: SupervisorState) -> String {
        match row {
            Row::Service(service, _) => self.value(service, supervisor),
            Row::Group(group) => self.of_group(group, supervisor),
        }
    }

    /// How wide that is: known without writing it down, for most of hundreds of rows.
    fn width(self, row: &Row<'_>, supervisor: SupervisorState) -> usize {
        match (self, row) {
            (Column::Service, Row::Service(service, _)) => clean(&service.name).chars().count(),
            (Column::Restarts, Row::Service(service, _)) => service
                .restarts
                .checked_ilog10()
                .map_or(1, |digits| digits as usize + 1),
            (Column::Port, Row::Service(service, _)) if service.ports.is_empty() => 1,
            (Column::State, Row::Service(service, _)) if supervisor == SupervisorState::Running => {
                service.state.as_str().len()
            }
            (_, Row::Service(..) | Row::Group(_)) => self.of_row(row, supervisor).chars().count(),
        }
    }

    fn of_group(self, group: &Summary<'_>, supervisor: SupervisorState) -> String {
        let members = &group.members;
        match self {
            Column::Service => format!("@{}", clean(group.name)),
            Column::State if supervisor == SupervisorState::Unresponsive => "?".into(),
            Column::State => group.state(),
            Column::Uptime => group.uptime_s().map_or_else(|| "-".into(), uptime),
            Column::Restarts => members
                .iter()
                .map(|member| member.restarts)
                .sum::<u64>()
                .to_string(),
            // One row for many is for those who do not ask for more; `-v` shows each.
            Column::Pid | Column::Cpu | Column::Memory => "-".into(),
            Column::Port => ports(&group.ports()),
            Column::Health => group.health(),
        }
    }

    fn health_parts(service: &Service, supervisor: SupervisorState) -> Vec<String> {
        health::parts(&service.health, supervisor)
    }
}

fn ports(ports: &[u16]) -> String {
    match ports {
        [] => "-".into(),
        [only] => only.to_string(),
        [first, more @ ..] => format!("{first}+{}", more.len()),
    }
}

/// The columns of one table, with their widths.
pub(super) struct Layout {
    columns: Vec<(Column, usize)>,
    supervisor: SupervisorState,
}

impl Layout {
    /// Measures the rows; `width` is what all columns and gaps may take.
    pub(super) fn of(
        rows: &[Row<'_>],
        supervisor: SupervisorState,
        width: Option<usize>,
        verbose: bool,
    ) -> Self {
        let widest = |column: Column| {
            let values = rows.iter().map(|row| column.width(row, supervisor));
            values.max().unwrap_or(0).max(column.title().len())
        };
        let usual: &[Column] = if verbose { &VERBOSE } else { &USUAL };
        let columns = usual.iter().map(|column| (*column, widest(*column))).collect();
        let mut layout = Self { columns, supervisor };
        if let Some(width) = width {
            let none = |row: &Row<'_>| Column::Restarts.of_row(row, supervisor) == "0";
            if rows.iter().all(none) && layout.total() > width {
                // A column of zeros is worth less than the end of an answer.
                layout.columns.retain(|(column, _)| *column != Column::Restarts);
            }
            layout.fit(width);
        }
        layout
    }

    fn fit(&mut self, width: usize) {
        for column in DISPENSABLE {
            if self.narrowest() <= width {
                break;
            }
            self.columns.retain(|(kept, _)| *kept != column);
        }
        for column in [Column::Health, Column::Service] {
            let surplus = self.total().saturating_sub(width);
            let least = Self::least(column);
            if let Some((_, current)) = self.columns.iter_mut().find(|(kept, _)| *kept == column) {
                *current = (*current).min(current.saturating_sub(surplus).max(least));
            }
        }
    }

    fn least(column: Column) -> usize {
        if column == Column::Health {
            LEAST_HEALTH
        } else {
            LEAST_NAME
        }
    }

    fn total(&self) -> usize {
        self.columns
            .iter()
            .map(|(_, width)| width + GAP)
            .sum::<usize>()
            .saturating_sub(GAP)
    }

    /// The width when health and name give way as far as they can.
    fn narrowest(&self) -> usize {
        let given = self
            .columns
            .iter()
            .filter(|(column, _)| matches!(column, Column::Health | Column::Service));
        self.total()
            - given
                .map(|(column, width)| width.saturating_sub(Self::least(*column)))
                .sum::<usize>()
    }

    pub(super) fn titles(&self) -> String {
        self.line(|column, _| column.title().to_owned(), |_, text| text)
    }

    /// One row; `paint` colours a cell after it has been padded.
    pub(super) fn row(&self, row: &Row<'_>, paint: impl Fn(Column, String) -> String) -> String {
        self.line(|column, width| self.cell(column, width, row), paint)
    }

    fn cell(&self, column: Column, width: usize, row: &Row<'_>) -> String {
        match column {
            Column::Health => {
                let mut parts = match row {
                    Row::Service(service, _) => Column::health_parts(service, self.supervisor),
                    Row::Group(group) => vec![group.health()],
                };
                while parts.len() > 1 && parts.join(", ").chars().count() > width {
                    parts.pop();
                }
                shorten(&parts.join(", "), width)
            }
            Column::Service => shorten(&column.of_row(row, self.supervisor), width),
            Column::State
            | Column::Pid
            | Column::Uptime
            | Column::Restarts
            | Column::Cpu
            | Column::Memory
            | Column::Port => column.of_row(row, self.supervisor),
        }
    }

    fn line(
        &self,
        text: impl Fn(Column, usize) -> String,
        paint: impl Fn(Column, String) -> String,
    ) -> String {
        let last = self.columns.len() - 1;
        let cells = self.columns.iter().enumerate().map(|(index, (column, width))| {
            let text = text(*column, *width);
            let padded = match (column.right_aligned(), index == last) {
                (true, _) => format!("{text:>width$}"),
                (false, true) => text,
                (false, false) => format!("{text:<width$}"),
            };
            paint(*column, padded)
        });
        cells.collect::<Vec<_>>().join("  ")
    }
}
