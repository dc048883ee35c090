//! Who may restart, start and stop services from a page: by default nobody.

use std::fmt;
use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::json;
use tracing::{info, warn};

use crate::door::host;
use crate::routes::{App, answer_of, json_response};

/// The shortest token: 16 random characters are beyond guessing.
const SHORTEST_TOKEN: usize = 16;

/// Whether pages may act, and what proves that a request may.
#[derive(Clone, Default)]
pub struct Actions {
    token: Option<String>,
    remote: bool,
}

/// Settings that would make actions unsafe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadActions {
    /// They are on, and nothing proves who asks.
    NoToken,
    /// They are on, on an address that other hosts reach.
    Remote,
}

impl fmt::Display for BadActions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoToken => write!(
                f,
                "MAIN_APP_ACTIONS=1 needs a MAIN_APP_TOKEN of at least {SHORTEST_TOKEN} characters, \
                 for example from: openssl rand -hex 16"
            ),
            Self::Remote => f.write_str(
                "MAIN_APP_ACTIONS=1 on an address that other hosts reach: listen on 127.0.0.1 behind TLS, \
                 or set MAIN_APP_ACTIONS_REMOTE=1 if the network is yours",
            ),
        }
    }
}

impl fmt::Debug for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = if self.are_on() { "on" } else { "off" };
        write!(f, "Actions({on}, remote: {})", self.remote)
    }
}

impl Actions {
    /// From the values of MAIN_APP_ACTIONS, MAIN_APP_TOKEN and MAIN_APP_ACTIONS_REMOTE.
    ///
    /// # Errors
    /// On, without a token that is long enough.
    pub fn new(on: Option<&str>, token: Option<String>, remote: bool) -> Result<Self, BadActions> {
        if !matches!(on, Some("1" | "true")) {
            return Ok(Self::default());
        }
        let token = token.filter(|token| token.len() >= SHORTEST_TOKEN);
        Ok(Self {
            token: Some(token.ok_or(BadActions::NoToken)?),
            remote,
        })
    }

    /// Refuses an address that other hosts reach, unless that was asked for.
    ///
    /// # Errors
    /// On, not loopback, and not allowed there.
    pub fn check_address(&self, loopback: bool) -> Result<(), BadActions> {
        if self.are_on() && !loopback && !self.remote {
            return Err(BadActions::Remote);
        }
        Ok(())
    }

    /// Whether pages may act at all.
    #[must_use]
    pub fn are_on(&self) -> bool {
        self.token.is_some()
    }

    /// Whether this request may; the refusal says why not.
    fn permit(&self, headers: &HeaderMap, peer: SocketAddr) -> Result<(), Refusal> {
        let Some(token) = &self.token else {
            return Err((
                StatusCode::FORBIDDEN,
                "Actions are off. To turn them on: MAIN_APP_ACTIONS=1 and MAIN_APP_TOKEN.",
            ));
        };
        if !peer.ip().to_canonical().is_loopback() && !self.remote {
            return Err((StatusCode::FORBIDDEN, "Actions are allowed from this host only."));
        }
        if !same_origin(headers) {
            return Err((
                StatusCode::FORBIDDEN,
                "Actions are allowed from this app's own pages only.",
            ));
        }
        let is_json = text(headers, header::CONTENT_TYPE.as_str()) == Some("application/json");
        if !is_json {
            return Err((
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The body must be application/json.",
            ));
        }
        let given = text(headers, "authorization").and_then(|value| value.strip_prefix("Bearer "));
        if !given.is_some_and(|given| equal(given.as_bytes(), token.as_bytes())) {
            return Err((StatusCode::UNAUTHORIZED, "The token is missing or wrong."));
        }
        Ok(())
    }
}

type Refusal = (StatusCode, &'static str);

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether a browser says that our own page sent this. Programs say nothing, and need the token too.
fn same_origin(headers: &HeaderMap) -> bool {
    let site = text(headers, "sec-fetch-site").is_none_or(|site| site == "same-origin");
    let origin = text(headers, "origin").is_none_or(|origin| {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        authority == Some(host(headers))
    });
    site && origin
}

/// Compares in a time that does not tell where the first difference is.
fn equal(left: &[u8], right: &[u8]) -> bool {
    let differences = left.iter().zip(right).fold(0, |sum, (a, b)| sum | (a ^ b));
    left.len() == right.len() && std::hint::black_box(differences) == 0
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    services: Vec<String>,
}

/// `POST /v1/{restart,start,stop}`: passes the request on, and its progress back.
pub async fn act(
    State(app): State<App>,
    Path(verb): Path<String>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err((status, message)) = app.settings.actions.permit(&headers, peer) {
        warn!(%peer, verb, "refused: {message}");
        return json_response(status, json!({ "message": message }).to_string());
    }
    if !matches!(verb.as_str(), "restart" | "start" | "stop") {
        let message = json!({"message": "There is restart, start and stop."});
        return json_response(StatusCode::NOT_FOUND, message.to_string());
    }
    // For the supervisor, no name means every service: more than a page may ask.
    let order = match serde_json::from_slice::<Order>(&body) {
        Ok(order) if !order.services.is_empty() => order,
        Ok(_) | Err(_) => {
            let message =
                json!({"message": r#"The body must be {"services":["NAME"]}, with at least one name."#});
            return json_response(StatusCode::BAD_REQUEST, message.to_string());
        }
    };
    info!(%peer, "{verb} {}", order.services.join(" "));
    match app.settings.supervisor.ask(&verb, &order.services).await {
        Ok(progress) => {
            let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
            (kind, Body::new(progress)).into_response()
        }
        Err(refused) => answer_of(&refused),
    }
}

#[cfg(test)]
mod tests;
