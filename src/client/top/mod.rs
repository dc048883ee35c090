//! `sentinel top`: the house on one screen, live, with its actions on keys.
//!
//! A loop that waits for keys, for the supervisor's events, for what was asked of it, and once a second
//! for figures that change by themselves; [`model`] says what each means, [`view`] draws it.

mod model;
mod screen;
mod view;

use std::ops::ControlFlow;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::api::Route;
use crate::config::Config;
use crate::logs::{self, Selection, Source};
use crate::service::ServiceName;

use super::connection::Connection;
use super::error::Error;
use super::events::Events;
use super::house;
use super::look::Look;
use model::{Deed, Model, Wish};
use screen::{Said, Screen};

/// How often figures that nobody announces (uptime, cpu, memory) are asked for.
const FIGURES: Duration = Duration::from_secs(1);
/// Enough lines for the tallest terminal's log.
const LOG_LINES: usize = 100;

/// What was asked of the supervisor, on its way: ends with a sentence.
type Errand<'h> = Pin<Box<dyn Future<Output = String> + 'h>>;

/// Shows the house until the person leaves.
///
/// # Errors
/// There is no terminal, or no way to the supervisor.
pub async fn run(config: &Config, coloured: bool) -> Result<(), Error> {
    let mut model = Model::default();
    model.see(Look::glance(config).await?);
    let mut screen = Screen::take().map_err(|error| {
        Error::failed("top cannot use this terminal")
            .because(&error)
            .help("sentinel status --watch")
    })?;
    let mut figures = interval(FIGURES);
    figures.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut news = Connection::open(&config.paths).await.ok();
    let mut changes = match news.take() {
        Some(connection) => connection.ask(Route::Events, &[]).await.ok(),
        None => None,
    };
    let mut errand: Option<Errand<'_>> = None;
    loop {
        let lines = log_lines(config, model.selected());
        screen
            .draw(|frame| view::draw(frame, &mut model, &lines, coloured))
            .map_err(|error| Error::failed("the terminal is gone").because(&error))?;
        tokio::select! {
            said = screen.next() => match said {
                Said::Leave => return Ok(()),
                Said::Other => continue,
                Said::Key(key) => {
                    model.message.clear();
                    match model.press(key) {
                        Some(Wish::Quit) => return Ok(()),
                        Some(Wish::Ask(deed, services)) => {
                            model.message = format!("{} {} …", deed.word(), services.join(", "));
                            errand = Some(Box::pin(ask(config, deed, services)));
                        }
                        None => {}
                    }
                    continue;
                }
            },
            message = finished(&mut errand) => {
                errand = None;
                model.message = message;
            }
            changed = next(&mut changes) => if !changed { changes = None },
            _ = figures.tick() => {}
        }
        model.see(Look::glance(config).await?);
    }
}

/// Whether something changed; false when nobody will say so any more.
async fn next(changes: &mut Option<Events>) -> bool {
    match changes {
        Some(events) => matches!(events.next().await, Ok(Some(_))),
        None => std::future::pending().await,
    }
}

async fn finished(errand: &mut Option<Errand<'_>>) -> String {
    match errand {
        Some(errand) => errand.await,
        None => std::future::pending().await,
    }
}

async fn ask(config: &Config, deed: Deed, services: Vec<String>) -> String {
    let whom = if services.is_empty() {
        "all services".to_owned()
    } else {
        services.join(", ")
    };
    let word = deed.word();
    let outcome = async {
        let connection = Connection::open(&config.paths).await?;
        connection.ask(deed.route(), &services).await?.outcome().await
    };
    match outcome.await {
        Ok(outcome) if outcome.ok => format!("{word} {whom}: done"),
        Ok(outcome) => {
            let reasons = outcome.services.into_iter().filter_map(|service| service.reason);
            let error = outcome.error.map(|failure| failure.message);
            let reason = error.into_iter().chain(reasons).next().unwrap_or_default();
            format!("{word} {whom}: failed: {reason}")
        }
        Err(error) => format!("{word} {whom}: {}", error.message),
    }
}

/// The end of the selected service's log; what cannot be read is empty, as a log that is not there.
fn log_lines(config: &Config, service: Option<&str>) -> Vec<String> {
    let mut lines = Vec::new();
    let Some(service) = service.and_then(|name| ServiceName::parse(name).ok()) else {
        return lines;
    };
    let path = house::log_of(&config.log_dir, service.as_str());
    let selection = Selection {
        lines: Some(LOG_LINES),
        ..Selection::default()
    };
    let _ = logs::tail(vec![Source::new(service, path)], &selection, |entry| {
        lines.push(super::render::words::clean(&String::from_utf8_lossy(&entry.text)).into_owned());
        ControlFlow::Continue(())
    });
    lines
}
