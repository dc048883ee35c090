//! What a page may ask for: a service started, stopped or restarted by the supervisor; the whole restarted
//! or strays flushed by `sentinel` itself, which works when the supervisor does not.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::json;
use tracing::{info, warn};

use crate::command;
use crate::look::look;
use crate::routes::{App, answer_of, json_response};

/// The body of an order about services.
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
    if let Err(refusal) = permit(&app, &verb, &headers, peer).await {
        return refusal;
    }
    if !matches!(verb.as_str(), "restart" | "start" | "stop") {
        let message = json!({"message": "There is restart, start, stop and flush."});
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
        Ok(progress) => lines(Body::new(progress)),
        Err(refused) => answer_of(&refused),
    }
}

/// `POST /v1/restart/{quick,emergency}`: this app is restarted with all the others, so the answer breaks off.
pub async fn restart_all(
    State(app): State<App>,
    Path(mode): Path<String>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = permit(&app, &mode, &headers, peer).await {
        return refusal;
    }
    if !matches!(mode.as_str(), "quick" | "emergency") {
        let message = json!({"message": "There is restart/quick and restart/emergency."});
        return json_response(StatusCode::NOT_FOUND, message.to_string());
    }
    info!(%peer, "restart {mode}");
    run(&app, &["--quiet", "restart", &mode])
}

/// `POST /v1/flush`: ends strays and strangers that listen on assigned ports; services go on.
pub async fn flush(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = permit(&app, "flush", &headers, peer).await {
        return refusal;
    }
    info!(%peer, "flush --strays");
    run(&app, &["flush", "--strays", "--yes"])
}

fn run(app: &App, words: &[&str]) -> Response {
    let config = app.settings.supervisor.known().config;
    match command::run(config.as_deref(), words) {
        Ok(told) => lines(Body::from_stream(told)),
        Err(error) => {
            let message = format!("sentinel cannot be started: {error}");
            let help = "It is looked for beside main-app and in PATH.";
            json_response(
                StatusCode::BAD_GATEWAY,
                json!({"message": message, "help": help}).to_string(),
            )
        }
    }
}

fn lines(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

/// Asks services.toml, as the supervisor has it now; one that does not answer has said so before.
async fn permit(app: &App, what: &str, headers: &HeaderMap, peer: SocketAddr) -> Result<(), Response> {
    let supervisor = &app.settings.supervisor;
    if let Err(why) = look(supervisor).await {
        warn!("the supervisor's last word on actions counts: {}", why.message());
    }
    let web = supervisor.known().web;
    let permitted = app.settings.actions.permit(web, headers, peer);
    permitted.map_err(|(status, message)| {
        warn!(%peer, what, "refused: {message}");
        json_response(status, json!({ "message": message }).to_string())
    })
}
