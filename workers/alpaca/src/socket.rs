//! The socket under a session: TCP, TLS, WebSocket.

use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// Whether this is a URL a WebSocket can be opened at; the error says what is wrong.
pub(crate) fn check_url(url: &str) -> Result<(), String> {
    let request = url
        .into_client_request()
        .map_err(|error| error.to_string())?;
    match request.uri().scheme_str() {
        Some("ws" | "wss") => Ok(()),
        Some(other) => Err(format!("its scheme is {other}, not ws or wss")),
        None => Err("it has no scheme: it must begin with ws:// or wss://".into()),
    }
}
