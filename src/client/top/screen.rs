//! The terminal while `top` has it: raw, on its second screen, and given back however `top` ends.

use std::io::{self, IsTerminal, Stdout};

use crossterm::event::{Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use futures_util::StreamExt;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use super::model::Key;

/// The terminal, until it is dropped.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    events: EventStream,
}

/// What the terminal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// A key that `top` knows.
    Key(Key),
    /// Ctrl-C, or the terminal is gone.
    Leave,
    /// Its size changed, or something that means nothing here: draw again.
    Other,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// It is no terminal, or does not obey.
    pub fn take() -> io::Result<Self> {
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            return Err(io::Error::other("it needs a terminal"));
        }
        enable_raw_mode()?;
        // From here on, dropping gives the terminal back.
        let screen = Self {
            terminal: Terminal::new(CrosstermBackend::new(io::stdout()))?,
            events: EventStream::new(),
        };
        execute!(io::stdout(), EnterAlternateScreen)?;
        Ok(screen)
    }

    /// Draws a picture.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn draw(&mut self, picture: impl FnOnce(&mut ratatui::Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(picture).map(drop)
    }

    /// The next thing that the terminal says. Safe to drop.
    pub async fn next(&mut self) -> Said {
        match self.events.next().await {
            Some(Ok(Event::Key(key))) if key.kind == KeyEventKind::Press => said(key),
            Some(Ok(_)) => Said::Other,
            Some(Err(_)) | None => Said::Leave,
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nobody could be told of a failure: the terminal is what failed.
        let _ = execute!(io::stdout(), LeaveAlternateScreen);
        let _ = disable_raw_mode();
        let _ = self.terminal.show_cursor();
    }
}

fn said(key: KeyEvent) -> Said {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Said::Leave,
            _ => Said::Other,
        };
    }
    Said::Key(match key.code {
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Char(letter) => Key::Char(letter),
        _ => return Said::Other,
    })
}
