//! Events to browsers: each follower has its own subscription at the supervisor, renewed for as
//! long as the page is open.
//!
//! `live` means that what follows is complete from now on; `change` is one, as the supervisor
//! wrote it; `away` says why nothing comes, and when it is tried again.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::routes::{App, json_response};
use crate::supervisor::{NoAnswer, Supervisor};

/// The first and the longest pause before the supervisor is asked again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// A supervisor without events has to be replaced before it has them.
const UNSUPPORTED_PAUSE: Duration = Duration::from_secs(60);
/// The longest line of an event.
const LONGEST_LINE: usize = 64 << 10;
/// Events that may wait for a browser.
const QUEUE: usize = 256;

/// The follower is gone.
struct Gone;

/// `GET /v1/events`.
pub async fn events(State(app): State<App>) -> Response {
    let Ok(place) = app.followers.clone().try_acquire_owned() else {
        let message = json!({"message": "Too many pages follow already."}).to_string();
        return json_response(StatusCode::SERVICE_UNAVAILABLE, message);
    };
    let (sender, receiver) = mpsc::channel(QUEUE);
    let supervisor = app.settings.supervisor.clone();
    let mut stop = app.stop.clone();
    tokio::spawn(async move {
        let closed = sender.clone();
        tokio::select! {
            Gone = follow(&supervisor, &sender) => {}
            () = closed.closed() => {}
            () = stop.requested() => {}
        }
        drop(place);
    });
    let events = stream::unfold(receiver, |mut receiver| async {
        let event = receiver.recv().await?;
        Some((Ok::<Event, Infallible>(event), receiver))
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

/// Passes on what the supervisor tells, and asks again whenever that ends.
async fn follow(supervisor: &Supervisor, to: &mpsc::Sender<Event>) -> Gone {
    let mut pause = PAUSES.0;
    loop {
        let why = match supervisor.events().await {
            Ok(body) => {
                pause = PAUSES.0;
                match pass_on(body, to).await {
                    Ok(why) => why,
                    Err(gone) => return gone,
                }
            }
            Err(why) => why,
        };
        let supported = !is_unsupported(&why);
        let wait = if supported { pause } else { UNSUPPORTED_PAUSE };
        let away = json!({"message": why.message(), "supported": supported, "retry_s": wait.as_secs_f64()});
        if to
            .send(Event::default().event("away").data(away.to_string()))
            .await
            .is_err()
        {
            return Gone;
        }
        sleep(wait).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// A supervisor that is older than the event stream names the routes that it has.
fn is_unsupported(why: &NoAnswer) -> bool {
    matches!(
        why,
        NoAnswer::Refused(StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND, _)
    )
}

/// Lines as events, until the supervisor ends.
async fn pass_on(mut body: Incoming, to: &mpsc::Sender<Event>) -> Result<NoAnswer, Gone> {
    send(to, Event::default().event("live").data("{}")).await?;
    let mut rest = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        rest.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            // An event's text must not hold a carriage return; in JSON one is only space.
            let line = String::from_utf8_lossy(&line).replace('\r', " ");
            if !line.trim().is_empty() {
                send(to, Event::default().event("change").data(line.trim())).await?;
            }
        }
        if rest.len() > LONGEST_LINE {
            break;
        }
    }
    Ok(NoAnswer::Ended)
}

async fn send(to: &mpsc::Sender<Event>, event: Event) -> Result<(), Gone> {
    to.send(event).await.map_err(|_| Gone)
}
