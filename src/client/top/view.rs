//! `top` as a picture: verdict, table, the selected service's trouble and log, the keys.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Borders, Clear, List, ListItem, ListState, Paragraph, Wrap};

use crate::client::render::words::clean;
use crate::client::render::{headline, rows};
use crate::client::trouble;
use crate::verdict::Concern;

use super::model::{Asking, Model};

const KEYS: &str = "↑↓ select  s start  x stop  r restart  R all  l log  p problems  ? help  q quit";

const HELP: &str = "\
↑ ↓  j k      select a service        PgUp PgDn  a page
g G           the first, the last

s             start it
x             stop it                 asks before
r             restart it              asks before
R             restart all             asks before

l  Enter      its log, on or off
p             only what is not right
/             only names that hold …  Esc: all again
?             these words             q  Esc: leave";

/// Draws everything.
pub fn draw(frame: &mut Frame<'_>, model: &mut Model, log: &[String], coloured: bool) {
    let palette = Palette { coloured };
    let area = frame.area();
    let services = model.look.as_ref().map_or(0, |look| look.status.services.len());
    let table = u16::try_from(services + 1).unwrap_or(u16::MAX);
    let log_height = if model.log { (area.height / 3).max(4) } else { 0 };
    let table = table.min(area.height.saturating_sub(log_height + 5)).max(2);
    let [head, body, trouble, log_area, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(table),
        Constraint::Length(2),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(area);
    model.page_is(usize::from(body.height.saturating_sub(1)));
    draw_head(frame, model, head, palette);
    draw_table(frame, model, body, palette);
    draw_trouble(frame, model, trouble, palette);
    if model.log {
        draw_log(frame, model, log, log_area);
    }
    draw_foot(frame, model, foot, palette);
    if model.help {
        draw_help(frame, area);
    }
}

/// What colours mean; without colour, what bold means.
#[derive(Clone, Copy)]
struct Palette {
    coloured: bool,
}

impl Palette {
    fn of(self, concern: Concern) -> Style {
        let (colour, modifier) = match concern {
            Concern::Fine => (Color::Green, Modifier::empty()),
            Concern::Starting => (Color::Yellow, Modifier::empty()),
            Concern::Unhealthy | Concern::NotRunning => (Color::Red, Modifier::BOLD),
        };
        let style = Style::new().add_modifier(modifier);
        if self.coloured { style.fg(colour) } else { style }
    }
}

const FAINT: Style = Style::new().add_modifier(Modifier::DIM);

fn draw_head(frame: &mut Frame<'_>, model: &Model, area: Rect, palette: Palette) {
    let Some(look) = &model.look else {
        return frame.render_widget("asking the supervisor …", area);
    };
    let gravest = look.concerns.iter().max().copied().unwrap_or(Concern::Fine);
    let mut notes = Vec::new();
    if model.problems {
        notes.push("only what is not right".to_owned());
    }
    if !model.filter.is_empty() {
        notes.push(format!("only /{}", model.filter));
    }
    let lines = vec![
        Line::styled(headline(&look.status, &look.concerns), palette.of(gravest)),
        Line::styled(notes.join(", "), FAINT),
    ];
    frame.render_widget(Text::from(lines), area);
}

fn draw_table(frame: &mut Frame<'_>, model: &Model, area: Rect, palette: Palette) {
    let Some(look) = &model.look else {
        return;
    };
    let [title, body] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    let shown = model.shown();
    let (titles, lines) = rows(&look.status, &shown, usize::from(area.width).saturating_sub(2));
    frame.render_widget(Line::styled(format!("  {titles}"), FAINT), title);
    let items = lines
        .into_iter()
        .zip(&shown)
        .map(|(line, (_, concern))| ListItem::new(line).style(palette.of(*concern)));
    let list = List::new(items)
        .highlight_symbol("› ")
        .highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = ListState::default().with_selected(model.selection());
    frame.render_stateful_widget(list, body, &mut state);
}

/// What is wrong with the selected service, or what the last wish came to.
fn draw_trouble(frame: &mut Frame<'_>, model: &Model, area: Rect, palette: Palette) {
    let troubles = model.look.as_ref().and_then(|look| {
        let name = model.selected()?;
        let service = look.status.services.iter().find(|service| service.name == name)?;
        trouble::of_service(service, &look.status).into_iter().next()
    });
    let (text, style) = match troubles {
        Some(trouble) => (clean(&trouble.text).into_owned(), palette.of(Concern::Unhealthy)),
        None => (String::new(), Style::new()),
    };
    frame.render_widget(Paragraph::new(text).style(style).wrap(Wrap { trim: true }), area);
}

fn draw_log(frame: &mut Frame<'_>, model: &Model, log: &[String], area: Rect) {
    let name = model.selected().unwrap_or("nothing selected");
    let block = Block::new()
        .borders(Borders::TOP)
        .border_style(FAINT)
        .title(format!(" {name} "));
    let room = usize::from(area.height.saturating_sub(1));
    let newest = &log[log.len().saturating_sub(room)..];
    let lines: Vec<Line<'_>> = newest.iter().map(|line| Line::raw(line.as_str())).collect();
    let text = if lines.is_empty() {
        Text::styled("its log is empty", FAINT)
    } else {
        Text::from(lines)
    };
    frame.render_widget(Paragraph::new(text).block(block), area);
}

fn draw_foot(frame: &mut Frame<'_>, model: &Model, area: Rect, palette: Palette) {
    let line = match &model.asking {
        Asking::Sure(deed, services) => {
            let whom = if services.is_empty() {
                "all services".to_owned()
            } else {
                services.join(", ")
            };
            Line::styled(
                format!("{} {whom}? y does it, any other key does not", deed.word()),
                palette.of(Concern::Starting),
            )
        }
        Asking::Filter => Line::raw(format!("/{}▏", model.filter)),
        Asking::Nothing if !model.message.is_empty() => Line::raw(model.message.as_str()),
        Asking::Nothing => Line::styled(KEYS, FAINT),
    };
    frame.render_widget(line, area);
}

fn draw_help(frame: &mut Frame<'_>, area: Rect) {
    let lines = u16::try_from(HELP.lines().count()).unwrap_or(u16::MAX);
    let [_, middle, _] = Layout::vertical([
        Constraint::Fill(1),
        Constraint::Length(lines + 2),
        Constraint::Fill(1),
    ])
    .areas(area);
    let [_, middle, _] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(66), Constraint::Fill(1)]).areas(middle);
    frame.render_widget(Clear, middle);
    frame.render_widget(
        Paragraph::new(HELP).block(Block::bordered().title(" keys ")),
        middle,
    );
}
