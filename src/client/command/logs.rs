//! `sentinel logs`: the services' output, printed or followed. Needs no supervisor.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;

use crate::api::FailureKind;
use crate::cli::LogsArgs;
use crate::client::error::Error;
use crate::client::house;
use crate::client::render::{EntryView, log_entry, log_entry_json};
use crate::config::Config;
use crate::exit::ExitCode;
use crate::logs::{self, Entry, Selection, Source};
use crate::selector;
use crate::service::ServiceName;

use super::Caller;

/// Lines of each service when nobody says how many.
const USUAL_LINES: usize = 20;

/// The supervisor's own log, by the name that `logs` knows it by.
const OWN: &str = "sentinel";

pub(super) async fn run(caller: &Caller, args: &LogsArgs) -> Result<ExitCode, Error> {
    let config = house::load(&caller.flags)?;
    let sources = sources(&config, &args.services)?;
    let selection = selection(args)?;
    let mut printer = Printer::new(caller, &sources, args.follow);
    let result = if args.follow {
        logs::follow(sources, &selection, |entry| printer.print(&entry)).await
    } else {
        logs::tail(sources, &selection, |entry| printer.print(&entry))
    };
    result.map_err(|error| Error::failed(error.to_string()))?;
    printer.finish()?;
    Ok(ExitCode::Ok)
}

fn selection(args: &LogsArgs) -> Result<Selection, Error> {
    let since = match &args.since {
        None => None,
        Some(text) => Some(
            logs::since::parse_since(text, &jiff::Zoned::now())
                .map_err(|message| Error::new(FailureKind::Usage, message))?,
        ),
    };
    let usual = since.is_none().then_some(USUAL_LINES);
    Ok(Selection {
        lines: args.lines.or(usual),
        since,
        errors: args.errors,
    })
}

fn sources(config: &Config, names: &[String]) -> Result<Vec<Source>, Error> {
    if names.is_empty() {
        return house::names(config)
            .iter()
            .map(|name| source(config, name))
            .collect();
    }
    let mut wanted: Vec<String> = Vec::new();
    for word in names {
        // A service that is no longer declared still has a log to read.
        let undeclared = house::spec(config, word).is_none() && !selector::is_selector(word);
        if word == OWN || undeclared && house::log_of(&config.log_dir, word).is_file() {
            wanted.push(word.clone());
        } else {
            wanted.extend(house::selected(config, std::slice::from_ref(word))?);
        }
    }
    let mut seen = std::collections::HashSet::new();
    wanted.retain(|name| seen.insert(name.clone()));
    wanted.iter().map(|name| source(config, name)).collect()
}

fn source(config: &Config, name: &str) -> Result<Source, Error> {
    let path = house::log_of(&config.log_dir, name);
    let service = ServiceName::parse(name).map_err(|message| Error::new(FailureKind::Usage, message))?;
    Ok(Source { service, path })
}

/// Prints entries until stdout breaks.
struct Printer {
    out: BufWriter<io::StdoutLock<'static>>,
    view: EntryView,
    json: bool,
    /// Somebody watches: every line at once.
    live: bool,
    broken: Option<io::Error>,
}

impl Printer {
    fn new(caller: &Caller, sources: &[Source], live: bool) -> Self {
        let name_width = match sources {
            [_] => None,
            many => many.iter().map(|source| source.service.as_str().len()).max(),
        };
        let terminal = &caller.terminal;
        let view = EntryView {
            name_width,
            on_terminal: terminal.width.is_some(),
            zone: jiff::tz::TimeZone::system(),
            paint: terminal.paint,
        };
        let out = BufWriter::new(io::stdout().lock());
        Self {
            out,
            view,
            json: terminal.json,
            live,
            broken: None,
        }
    }

    fn print(&mut self, entry: &Entry) -> ControlFlow<()> {
        let line = if self.json {
            log_entry_json(entry)
        } else {
            log_entry(entry, &self.view)
        };
        let written = self.out.write_all(&line);
        match written.and_then(|()| if self.live { self.out.flush() } else { Ok(()) }) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.broken = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    /// A reader that went away (`| head -1`) is no error.
    fn finish(mut self) -> Result<(), Error> {
        let broken = self.broken.take().or_else(|| self.out.flush().err());
        match broken.filter(|error| error.kind() != io::ErrorKind::BrokenPipe) {
            None => Ok(()),
            Some(error) => Err(Error::failed("cannot write to standard output").because(&error)),
        }
    }
}
