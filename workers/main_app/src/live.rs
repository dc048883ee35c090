//! What goes on for as long as a page is open, as server-sent events.
//!
//! `/v1/events` and a followed `/v1/logs` give each follower its own connection to the supervisor, renewed
//! for as long as the page is open: `live` means that what follows is complete from now on; `change` or
//! `line` is one, as the supervisor wrote it; `away` says why nothing comes, and when it is tried again.
//! `/v1/live` is what system pages see: `picture` and `ledger`, made once for all of them by the hub.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, stream};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::hub::Sight;
use crate::routes::{App, answer_of, json_response};
use crate::supervisor::{NoAnswer, Supervisor};

/// The first and the longest pause before the supervisor is asked again.
pub const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// A supervisor without events has to be replaced before it has them.
pub const UNSUPPORTED_PAUSE: Duration = Duration::from_secs(60);
/// The longest line of an event.
const LONGEST_LINE: usize = 64 << 10;
/// Events that may wait for a browser.
const QUEUE: usize = 256;

/// The follower is gone.
struct Gone;

/// Lines of an answer that goes on.
pub struct Lines {
    body: Incoming,
    rest: Vec<u8>,
}

impl Lines {
    /// Those of this body.
    pub fn of(body: Incoming) -> Self {
        Self {
            body,
            rest: Vec::new(),
        }
    }

    /// The next one that is not empty; none when the body has ended or talks nonsense. Safe to drop.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.rest.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                // An event's text must not hold a carriage return; in JSON one is only space.
                let line = String::from_utf8_lossy(&line).replace('\r', " ");
                if !line.trim().is_empty() {
                    return Some(line.trim().to_owned());
                }
                continue;
            }
            if self.rest.len() > LONGEST_LINE {
                return None;
            }
            let frame = self.body.frame().await?.ok()?;
            self.rest
                .extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        }
    }
}

/// `GET /v1/events`.
pub async fn events(State(app): State<App>) -> Response {
    follow_path(&app, "/v1/events".into(), "change")
}

/// `GET /v1/logs`: followed, events; else lines of JSON that end.
pub async fn logs(State(app): State<App>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let path = format!("/v1/logs?{query}");
    if query
        .split('&')
        .any(|pair| pair == "follow=true" || pair == "follow")
    {
        return follow_path(&app, path, "line");
    }
    pass_on(&app.settings.supervisor, &path, "application/x-ndjson").await
}

/// What the supervisor answers to a GET, as it is.
pub async fn pass_on(supervisor: &Supervisor, path: &str, kind: &'static str) -> Response {
    match supervisor.read(path).await {
        Ok(body) => ([(header::CONTENT_TYPE, kind)], body).into_response(),
        Err(answer) => answer_of(&answer),
    }
}

/// `GET /v1/live`.
pub async fn system(State(app): State<App>) -> Response {
    let Ok(place) = app.followers.clone().try_acquire_owned() else {
        return too_many();
    };
    let mut sights = app.hub.follow();
    let mut stop = app.stop.clone();
    let (sender, receiver) = mpsc::channel(2);
    tokio::spawn(async move {
        let closed = sender.clone();
        tokio::select! {
            Gone = show(&mut sights, &sender) => {}
            () = closed.closed() => {}
            () = stop.requested() => {}
        }
        drop((place, sights));
    });
    sse(receiver)
}

/// Each sight as it comes; of several, the last.
async fn show(sights: &mut tokio::sync::watch::Receiver<Sight>, to: &mpsc::Sender<Event>) -> Gone {
    let mut told = Sight::default();
    loop {
        let sight = sights.borrow_and_update().clone();
        for (name, new, old) in [
            ("ledger", &sight.ledger, &told.ledger),
            ("picture", &sight.picture, &told.picture),
        ] {
            if !new.is_empty()
                && new != old
                && send(to, Event::default().event(name).data(&**new)).await.is_err()
            {
                return Gone;
            }
        }
        told = sight;
        if sights.changed().await.is_err() {
            return Gone;
        }
    }
}

fn follow_path(app: &App, path: String, name: &'static str) -> Response {
    let Ok(place) = app.followers.clone().try_acquire_owned() else {
        return too_many();
    };
    let (sender, receiver) = mpsc::channel(QUEUE);
    let supervisor = app.settings.supervisor.clone();
    let mut stop = app.stop.clone();
    tokio::spawn(async move {
        let closed = sender.clone();
        tokio::select! {
            Gone = follow(&supervisor, &path, name, &sender) => {}
            () = closed.closed() => {}
            () = stop.requested() => {}
        }
        drop(place);
    });
    sse(receiver)
}

fn too_many() -> Response {
    let message = json!({"message": "Too many pages follow already."}).to_string();
    json_response(StatusCode::SERVICE_UNAVAILABLE, message)
}

fn sse(receiver: mpsc::Receiver<Event>) -> Response {
    Sse::new(as_stream(receiver))
        .keep_alive(KeepAlive::default())
        .into_response()
}

fn as_stream(receiver: mpsc::Receiver<Event>) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(receiver, |mut receiver| async {
        let event = receiver.recv().await?;
        Some((Ok(event), receiver))
    })
}

/// Passes on what the supervisor tells, and asks again whenever that ends.
async fn follow(supervisor: &Supervisor, path: &str, name: &str, to: &mpsc::Sender<Event>) -> Gone {
    let mut pause = PAUSES.0;
    loop {
        let why = match supervisor.lines(path).await {
            Ok(body) => {
                pause = PAUSES.0;
                match tell_lines(body, name, to).await {
                    Ok(why) => why,
                    Err(gone) => return gone,
                }
            }
            Err(why) => why,
        };
        let supported = !is_unsupported(&why);
        let wait = if supported { pause } else { UNSUPPORTED_PAUSE };
        let away = json!({"message": why.message(), "supported": supported, "retry_s": wait.as_secs_f64()});
        let away = Event::default().event("away").data(away.to_string());
        if send(to, away).await.is_err() {
            return Gone;
        }
        sleep(wait).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// A supervisor that is older than what it is asked for names the routes that it has.
pub fn is_unsupported(why: &NoAnswer) -> bool {
    matches!(
        why,
        NoAnswer::Refused(StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND, _)
    )
}

/// Lines as events, until the supervisor ends.
async fn tell_lines(body: Incoming, name: &str, to: &mpsc::Sender<Event>) -> Result<NoAnswer, Gone> {
    send(to, Event::default().event("live").data("{}")).await?;
    let mut lines = Lines::of(body);
    while let Some(line) = lines.next().await {
        send(to, Event::default().event(name).data(line)).await?;
    }
    Ok(NoAnswer::Ended)
}

async fn send(to: &mpsc::Sender<Event>, event: Event) -> Result<(), Gone> {
    to.send(event).await.map_err(|_| Gone)
}
