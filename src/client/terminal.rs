//! The streams a person looks at: whether they are terminals, how wide, in colour or not.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;

use crate::cli::{Color, Flags};
use crate::redact;

use super::error::Error;
use super::render::Paint;

/// Where text goes, and how much of it.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// `--json`: stdout holds one document and nothing else.
    pub json: bool,
    /// `-q`.
    pub quiet: bool,
    /// `-v`.
    pub verbose: bool,
    /// The colours of stdout.
    pub paint: Paint,
    /// The colours of stderr.
    pub paint_errors: Paint,
    /// Columns of stdout; none when it is no terminal: then lines are whole.
    pub width: Option<usize>,
    /// Whether progress may redraw itself: both streams are terminals.
    pub live: bool,
}

impl Terminal {
    /// Looks at this process's own streams.
    #[must_use]
    pub fn of(flags: &Flags) -> Self {
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self {
            json: flags.json,
            quiet: flags.quiet,
            verbose: flags.verbose,
            paint: Paint::new(coloured(flags.color, out)),
            paint_errors: Paint::new(coloured(flags.color, err)),
            width: out.then(columns).flatten(),
            live: out && err && !dumb(),
        }
    }

    /// Prints to stdout, without secrets. A reader that went away (`| head -1`) is no error.
    ///
    /// # Errors
    /// When stdout cannot be written, such as on a full disk.
    pub fn print(&self, text: &str) -> Result<(), Error> {
        write_out(&redact::text(text))
    }

    /// Prints to stdout, and says whether anybody reads on.
    ///
    /// # Errors
    /// As [`Terminal::print`].
    pub fn print_on(&self, text: &str) -> Result<ControlFlow<()>, Error> {
        let mut out = io::stdout().lock();
        match out
            .write_all(redact::text(text).as_bytes())
            .and_then(|()| out.flush())
        {
            Ok(()) => Ok(ControlFlow::Continue(())),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
            Err(error) => Err(Error::failed("cannot write to standard output").because(&error)),
        }
    }

    /// Prints one JSON document to stdout.
    ///
    /// # Errors
    /// As [`Terminal::print`].
    pub fn print_json(&self, document: &impl serde::Serialize) -> Result<(), Error> {
        let broken = |error: serde_json::Error| Error::failed("cannot write JSON").because(&error);
        let text = serde_json::to_string_pretty(document).map_err(broken)?;
        let text = match redact::text(&text) {
            Cow::Borrowed(clean) => clean.to_owned(),
            // Only texts lose their secrets, so that it stays JSON.
            Cow::Owned(_) => {
                let tree: serde_json::Value =
                    serde_json::from_slice(&redact::json(document)).map_err(broken)?;
                serde_json::to_string_pretty(&tree).map_err(broken)?
            }
        };
        write_out(&format!("{text}\n"))
    }

    /// Prints to stderr, as well as it goes: there is nobody left to tell if it does not.
    pub fn complain(&self, text: &str) {
        let _ = io::stderr().lock().write_all(redact::text(text).as_bytes());
    }

    /// The one printer of errors: stderr always, stdout too with `--json`.
    pub fn print_error(&self, error: &Error) {
        self.complain(&error.to_text(self.paint_errors));
        if self.json {
            let _ = self.print_json(&error.to_json());
        }
    }
}

fn write_out(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::failed("cannot write to standard output").because(&error))
        }
        _ => Ok(()),
    }
}

fn coloured(choice: Color, terminal: bool) -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    match choice {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal && !unwanted && !dumb(),
    }
}

fn dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}
