//! Logs and the ledger, for those who ask over the socket: read in a thread of their own, never by the loop.
//!
//! A reader that is too slow is let go, like one of the events: it asks again for the last lines.

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;

use hyper::body::Bytes;
use serde_json::json;
use tokio::sync::mpsc;

use crate::api::Route;
use crate::config::Config;
use crate::ledger;
use crate::logs::{self, Entry, Pattern, Selection, Source, Stream, severity};
use crate::redact;
use crate::service::{ErrorLines, ServiceName};

/// Lines when nobody says how many, and the most that may be asked for.
const LINES: (usize, usize) = (100, 10_000);
/// How far a reader may fall behind, in lines.
const BEHIND: usize = 4096;
/// The most of a line that is sent, in bytes: a page is no place to read a megabyte on one line.
const LONGEST: usize = 8 << 10;
/// The supervisor's own log, by the name that `sentinel logs` knows it by.
const OWN: &str = "sentinel";

/// Where this house keeps what can be read.
#[derive(Clone, Debug)]
pub struct Shelf {
    state_dir: PathBuf,
    logs: Vec<Log>,
}

/// One log, and whether a line may be an error at all.
#[derive(Clone, Debug)]
struct Log {
    source: Source,
    errors: bool,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    services: Vec<String>,
    lines: usize,
    follow: bool,
    errors: bool,
}

impl Wish {
    /// From the query of a request: `service=a&service=b&lines=50&follow=true&errors=true`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(query: &str) -> Result<Self, String> {
        let mut wish = Self {
            services: Vec::new(),
            lines: LINES.0,
            follow: false,
            errors: false,
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, "true"));
            match name {
                "service" => wish.services.push(value.to_owned()),
                "lines" => wish.lines = lines(value)?,
                "follow" => wish.follow = flag(name, value)?,
                "errors" => wish.errors = flag(name, value)?,
                _ => {
                    return Err(format!(
                        "`{name}` is not known here; there are service, lines, follow, errors"
                    ));
                }
            }
        }
        Ok(wish)
    }
}

fn lines(value: &str) -> Result<usize, String> {
    let number = value.parse().ok().filter(|lines| *lines <= LINES.1);
    number.ok_or_else(|| format!("`lines` must be a number from 0 to {}, not `{value}`", LINES.1))
}

fn flag(name: &str, value: &str) -> Result<bool, String> {
    value
        .parse()
        .map_err(|_| format!("`{name}` must be true or false, not `{value}`"))
}

impl Shelf {
    /// That of this house.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let mut logs = Vec::new();
        for spec in &config.services {
            let error_pattern = match &spec.log.errors {
                ErrorLines::Matching(text) => Pattern::new(text).ok(),
                ErrorLines::ByLevel | ErrorLines::None => None,
            };
            let mut streams = vec![Stream::Stdout];
            streams.extend(spec.log.is_separate().then_some(Stream::Stderr));
            logs.extend(streams.into_iter().map(|stream| Log {
                source: Source {
                    stream,
                    error_pattern: error_pattern.clone(),
                    ..Source::new(
                        spec.name.clone(),
                        logs::path(&config.log_dir, spec.name.as_str(), stream, &spec.log),
                    )
                },
                errors: spec.log.errors != ErrorLines::None,
            }));
        }
        let own = ServiceName::parse(OWN).map(|name| Source::new(name, config.log_dir.join("sentinel.log")));
        logs.extend(own.ok().map(|source| Log { source, errors: true }));
        Self {
            state_dir: config.paths.state_dir.clone(),
            logs,
        }
    }

    /// What the route asks for, as lines that end when all is told or, followed, never.
    ///
    /// # Errors
    /// A service that has no log, or no thread can be made.
    pub fn read(self, route: Route, wish: Wish) -> Result<mpsc::Receiver<Bytes>, String> {
        let own = |name: &&String| !self.logs.iter().any(|log| log.source.service.as_str() == **name);
        if let Some(unknown) = wish.services.iter().find(own)
            && route == Route::Logs
        {
            return Err(format!("there is no service `{unknown}`"));
        }
        let (lines, receiver) = mpsc::channel(BEHIND);
        let work = move || match route {
            Route::Logs => self.tell_logs(&wish, &lines),
            _ => self.tell_ledger(&wish, &lines),
        };
        std::thread::Builder::new()
            .name("reading".into())
            .spawn(move || {
                if let Err(error) = work() {
                    tracing::warn!(%error, "cannot read what was asked for over the socket");
                }
            })
            .map_err(|error| format!("no thread to read in: {error}"))?;
        Ok(receiver)
    }

    fn tell_ledger(self, wish: &Wish, lines: &mpsc::Sender<Bytes>) -> io::Result<()> {
        let filter = ledger::Filter {
            services: wish.services.clone(),
            since: None,
            last: Some(wish.lines),
        };
        for record in ledger::read(&self.state_dir, &filter)? {
            // No runtime here: this thread may wait for its reader.
            if lines.blocking_send(line(&record)).is_err() {
                break;
            }
        }
        Ok(())
    }

    fn tell_logs(self, wish: &Wish, lines: &mpsc::Sender<Bytes>) -> io::Result<()> {
        let wanted = |log: &Log| wish.services.is_empty() || named(wish, log);
        let logs: Vec<Log> = self.logs.into_iter().filter(wanted).collect();
        let sources: Vec<Source> = logs.iter().map(|log| log.source.clone()).collect();
        let selection = Selection {
            lines: Some(wish.lines),
            errors: wish.errors,
            ..Selection::default()
        };
        if !wish.follow {
            return logs::tail(sources, &selection, |entry| {
                match lines.blocking_send(entry_line(&logs, &entry)) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                }
            });
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        runtime.block_on(async {
            let tell = |entry| match lines.try_send(entry_line(&logs, &entry)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            };
            tokio::select! {
                ended = logs::follow(sources, &selection, tell) => ended,
                () = lines.closed() => Ok(()),
            }
        })
    }
}

fn named(wish: &Wish, log: &Log) -> bool {
    wish.services
        .iter()
        .any(|name| name == log.source.service.as_str())
}

/// `{"service", "at", "stream", "text", "error"}`, and `"cut": true` when the line is longer than is sent.
fn entry_line(logs: &[Log], entry: &Entry) -> Bytes {
    let log = logs.iter().find(|log| log.source.service == entry.service);
    let error = match log {
        Some(Log { errors: false, .. }) => false,
        Some(log) => match &log.source.error_pattern {
            Some(pattern) => pattern.matches(&entry.text),
            None => severity::is_error(entry.stream, &entry.text),
        },
        None => severity::is_error(entry.stream, &entry.text),
    };
    let shown = &entry.text[..entry.text.len().min(LONGEST)];
    let mut document = json!({
        "service": entry.service.as_str(), "at": entry.at.map(|at| format!("{at:.6}")),
        "stream": entry.stream.as_str(), "text": String::from_utf8_lossy(shown), "error": error,
    });
    if shown.len() < entry.text.len() {
        document["cut"] = json!(true);
    }
    line(&document)
}

fn line(value: &impl serde::Serialize) -> Bytes {
    let mut text = redact::json(value);
    text.push(b'\n');
    text.into()
}

#[cfg(test)]
mod tests {
    use super::Wish;

    #[test]
    fn a_query_says_what_is_wanted() {
        let wish = |services: &[&str], lines, follow, errors| {
            Ok(Wish {
                services: services.iter().map(|&name| name.to_owned()).collect(),
                lines,
                follow,
                errors,
            })
        };
        assert_eq!(Wish::parse(""), wish(&[], 100, false, false));
        let all = "service=a&service=b&lines=5&follow=true&errors";
        assert_eq!(Wish::parse(all), wish(&["a", "b"], 5, true, true));
        for (query, words) in [
            ("lines=many", "must be a number from 0 to 10000"),
            ("lines=10001", "must be a number from 0 to 10000"),
            ("follow=1", "must be true or false"),
            ("tail=5", "there are service, lines, follow, errors"),
        ] {
            let error = Wish::parse(query).expect_err(query);
            assert!(error.contains(words), "{error}");
        }
    }
}
