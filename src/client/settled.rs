//! A look at services none of which is on its way down by itself: what becomes of one that has just ended, its
//! policy says a moment later.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::connection::Connection;
use super::error::Error;
use super::events::Events;
use super::look::Look;
use crate::api::{Route, Service, State};
use crate::config::Config;

/// Looks at these services, or at all, once they are settled; after `within` as they are.
///
/// # Errors
/// As [`Look::at`] and [`Look::only`].
pub async fn settled(config: &Config, services: &[String], within: Duration) -> Result<Look, Error> {
    let until = Instant::now() + within;
    let mut changes = None;
    loop {
        let look = Look::at(config, within).await?.only(services)?;
        if !look.status.services.iter().any(is_passing) {
            return Ok(look);
        }
        changes = match changes {
            // What changes from here on is heard of, and before that it is looked at once more.
            None => listen(config).await,
            Some(events) => next(events, until).await,
        };
        if changes.is_none() {
            return Ok(look);
        }
    }
}

fn is_passing(service: &Service) -> bool {
    service.wanted && service.state == State::Stopping
}

async fn listen(config: &Config) -> Option<Events> {
    let connection = Connection::open(&config.paths).await.ok()?;
    connection.ask(Route::Events, &[]).await.ok()
}

/// None when nothing changed until then.
async fn next(mut changes: Events, until: Instant) -> Option<Events> {
    let change = timeout_at(until, changes.next()).await;
    matches!(change, Ok(Ok(Some(_)))).then_some(changes)
}
