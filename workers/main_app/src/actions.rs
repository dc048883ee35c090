//! Who may restart, start, stop and flush from a page: by default nobody.

use std::fmt;
use std::net::SocketAddr;

use axum::http::{HeaderMap, StatusCode, header};

use crate::door::host;
use crate::status::Web;

/// The shortest token: 16 random characters are beyond guessing.
const SHORTEST_TOKEN: usize = 16;

/// What proves that a request may act, and from where pages are reached. Whether they may act at all says
/// `[web]` of services.toml.
#[derive(Clone, Default)]
pub struct Actions {
    token: Option<String>,
    open: bool,
}

/// A token that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeakToken;

impl fmt::Display for WeakToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "MAIN_APP_TOKEN must have at least {SHORTEST_TOKEN} characters, for example from: openssl rand -hex 16"
        )
    }
}

impl fmt::Debug for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = if self.token.is_some() {
            "a token"
        } else {
            "no token"
        };
        write!(f, "Actions({token}, open: {})", self.open)
    }
}

/// Whether a page may act, for the page itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// With the token.
    On,
    /// No, and what would change that.
    Off(&'static str),
}

/// A refusal: its status, and the sentence.
pub type Refusal = (StatusCode, &'static str);

const OFF: &str = "Actions are off. To turn them on: actions = true under [web] in services.toml, and MAIN_APP_TOKEN in the environment of main_app.";
const NO_TOKEN: &str = "Actions are on in services.toml, and main_app has no MAIN_APP_TOKEN in its environment: it goes into the env_file.";
const REMOTE: &str = "main_app listens on an address that other hosts reach: actions need it on 127.0.0.1 behind TLS, or allow_remote = true under [web] in services.toml.";

impl Actions {
    /// From the value of MAIN_APP_TOKEN; `open`: other hosts reach the pages.
    ///
    /// # Errors
    /// A token that is too short.
    pub fn new(token: Option<String>, open: bool) -> Result<Self, WeakToken> {
        let token = token.filter(|token| !token.is_empty());
        match &token {
            Some(token) if token.len() < SHORTEST_TOKEN => Err(WeakToken),
            Some(_) | None => Ok(Self { token, open }),
        }
    }

    /// The same on a listener that other hosts reach, or not.
    #[must_use]
    pub fn listening(self, open: bool) -> Self {
        Self { open, ..self }
    }

    /// Whether pages may act at all, as services.toml says now.
    #[must_use]
    pub fn say(&self, web: Web) -> Said {
        match (web.actions, &self.token) {
            (false, _) => Said::Off(OFF),
            (true, None) => Said::Off(NO_TOKEN),
            (true, Some(_)) if self.open && !web.allow_remote => Said::Off(REMOTE),
            (true, Some(_)) => Said::On,
        }
    }

    /// Whether this request may; the refusal says why not.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn permit(&self, web: Web, headers: &HeaderMap, peer: SocketAddr) -> Result<(), Refusal> {
        if let Said::Off(why) = self.say(web) {
            return Err((StatusCode::FORBIDDEN, why));
        }
        if !peer.ip().to_canonical().is_loopback() && !web.allow_remote {
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
        let token = self.token.as_deref().unwrap_or_default();
        if token.is_empty() || !given.is_some_and(|given| equal(given.as_bytes(), token.as_bytes())) {
            return Err((StatusCode::UNAUTHORIZED, "The token is missing or wrong."));
        }
        Ok(())
    }
}

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

#[cfg(test)]
mod tests;
