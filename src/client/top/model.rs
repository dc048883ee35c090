//! What `top` shows and what a key means. Pure: keys and looks in, wishes out.

use crate::api::{Route, Service};
use crate::client::look::Look;
use crate::verdict::Concern;

/// A key, as far as `top` knows keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// One line up.
    Up,
    /// One line down.
    Down,
    /// A screen up.
    PageUp,
    /// A screen down.
    PageDown,
    /// To the first service.
    Home,
    /// To the last service.
    End,
    /// Enter.
    Enter,
    /// Escape.
    Escape,
    /// Backspace.
    Backspace,
    /// A character.
    Char(char),
}

/// What the person wants from the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To leave.
    Quit,
    /// To have the supervisor do this to these services; all if empty.
    Ask(Deed, Vec<String>),
}

/// What can be done to services from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Start them.
    Start,
    /// Stop them.
    Stop,
    /// Restart them.
    Restart,
}

impl Deed {
    /// How the supervisor is asked.
    #[must_use]
    pub fn route(self) -> Route {
        match self {
            Deed::Start => Route::Start,
            Deed::Stop => Route::Stop,
            Deed::Restart => Route::Restart,
        }
    }

    /// As a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Deed::Start => "start",
            Deed::Stop => "stop",
            Deed::Restart => "restart",
        }
    }
}

/// What keys mean now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asking {
    /// Nothing is asked.
    Nothing,
    /// Whether to do this: `y` does it.
    Sure(Deed, Vec<String>),
    /// The letters to filter by.
    Filter,
}

/// All that is shown.
#[derive(Clone, Debug)]
pub struct Model {
    /// The last look; none before the first.
    pub look: Option<Look>,
    /// What keys mean now.
    pub asking: Asking,
    /// Only services whose names hold this.
    pub filter: String,
    /// Only services with something wrong.
    pub problems: bool,
    /// Whether the log of the selected service is shown.
    pub log: bool,
    /// Whether the keys are explained.
    pub help: bool,
    /// What became of the last wish.
    pub message: String,
    /// The name of the selected service: it stays selected while others come and go.
    selected: Option<String>,
    page: usize,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            look: None,
            asking: Asking::Nothing,
            filter: String::new(),
            problems: false,
            log: true,
            help: false,
            message: String::new(),
            selected: None,
            page: 10,
        }
    }
}

impl Model {
    /// A new look.
    pub fn see(&mut self, look: Look) {
        self.look = Some(look);
        self.keep_selection();
    }

    /// So many lines fit on a page.
    pub fn page_is(&mut self, lines: usize) {
        self.page = lines.max(1);
    }

    /// The services that are shown, with their concerns.
    #[must_use]
    pub fn shown(&self) -> Vec<(&Service, Concern)> {
        let Some(look) = &self.look else {
            return Vec::new();
        };
        let all = look.status.services.iter().zip(look.concerns.iter().copied());
        all.filter(|(service, concern)| {
            (!self.problems || *concern != Concern::Fine) && service.name.contains(&self.filter)
        })
        .collect()
    }

    /// The place of the selected service among those shown.
    #[must_use]
    pub fn selection(&self) -> Option<usize> {
        let selected = self.selected.as_deref()?;
        self.shown()
            .iter()
            .position(|(service, _)| service.name == selected)
    }

    /// The selected service's name.
    #[must_use]
    pub fn selected(&self) -> Option<&str> {
        self.selected.as_deref()
    }

    /// A key was pressed.
    pub fn press(&mut self, key: Key) -> Option<Wish> {
        match std::mem::replace(&mut self.asking, Asking::Nothing) {
            Asking::Sure(deed, services) => {
                return (key == Key::Char('y')).then_some(Wish::Ask(deed, services));
            }
            Asking::Filter => {
                self.type_filter(key);
                return None;
            }
            Asking::Nothing => {}
        }
        self.command(key)
    }

    fn command(&mut self, key: Key) -> Option<Wish> {
        match key {
            Key::Char('q') => return Some(Wish::Quit),
            Key::Escape if self.help => self.help = false,
            Key::Escape if self.filter.is_empty() => return Some(Wish::Quit),
            Key::Escape => self.filter.clear(),
            Key::Up | Key::Char('k') => self.step(-1),
            Key::Down | Key::Char('j') => self.step(1),
            Key::PageUp => self.step(-self.page.cast_signed()),
            Key::PageDown => self.step(self.page.cast_signed()),
            Key::Home | Key::Char('g') => self.step(isize::MIN / 2),
            Key::End | Key::Char('G') => self.step(isize::MAX / 2),
            Key::Enter | Key::Char('l') => self.log = !self.log,
            Key::Char('p') => self.problems = !self.problems,
            Key::Char('/') => self.asking = Asking::Filter,
            Key::Char('?' | 'h') => self.help = !self.help,
            Key::Char('s') => return self.selected_services().map(|one| Wish::Ask(Deed::Start, one)),
            Key::Char('x') => self.be_sure(Deed::Stop),
            Key::Char('r') => self.be_sure(Deed::Restart),
            Key::Char('R') => self.asking = Asking::Sure(Deed::Restart, Vec::new()),
            Key::Backspace | Key::Char(_) => {}
        }
        self.keep_selection();
        None
    }

    fn type_filter(&mut self, key: Key) {
        match key {
            Key::Char(letter) => self.filter.push(letter),
            Key::Backspace => {
                self.filter.pop();
            }
            Key::Escape => return self.filter.clear(),
            Key::Enter | Key::Up | Key::Down | Key::PageUp | Key::PageDown | Key::Home | Key::End => return,
        }
        self.asking = Asking::Filter;
        self.keep_selection();
    }

    fn be_sure(&mut self, deed: Deed) {
        if let Some(services) = self.selected_services() {
            self.asking = Asking::Sure(deed, services);
        }
    }

    fn selected_services(&self) -> Option<Vec<String>> {
        self.selection().and(self.selected.clone()).map(|name| vec![name])
    }

    fn step(&mut self, by: isize) {
        let shown = self.shown();
        let last = shown.len().saturating_sub(1);
        let now = self.selection().unwrap_or(0);
        let place = now.saturating_add_signed(by).min(last);
        self.selected = shown.get(place).map(|(service, _)| service.name.clone());
    }

    /// What is selected is shown; what is wrong is selected first.
    fn keep_selection(&mut self) {
        if self.selection().is_some() {
            return;
        }
        let shown = self.shown();
        let gravest = shown
            .iter()
            .enumerate()
            .max_by_key(|(place, (_, concern))| (*concern, std::cmp::Reverse(*place)));
        self.selected = gravest.map(|(_, (service, _))| service.name.clone());
    }
}

#[cfg(test)]
mod tests;
