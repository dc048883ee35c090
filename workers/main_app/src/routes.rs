//! The addresses of the app and what answers each.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use hyper::body::Bytes;
use tokio::sync::Semaphore;
use ws_listener::Stop;

use crate::status::Status;
use crate::supervisor::NoAnswer;
use crate::view::View;
use crate::{Settings, actions, assets, door, html, live};

/// Pages that may follow events at a time: each holds a connection to the supervisor.
const MOST_FOLLOWERS: usize = 64;

/// What every answer may need.
#[derive(Clone, Debug)]
pub struct App {
    /// What is served.
    pub settings: Arc<Settings>,
    /// The places of followers.
    pub followers: Arc<Semaphore>,
    /// When to end.
    pub stop: Stop,
}

/// The app's routes.
pub fn of(settings: Settings, stop: Stop) -> Router {
    let app = App {
        settings: Arc::new(settings),
        followers: Arc::new(Semaphore::new(MOST_FOLLOWERS)),
        stop,
    };
    Router::new()
        .route("/", get(tape))
        .route("/system", get(system))
        .route("/assets/{name}", get(assets::asset))
        .route("/v1/status", get(status))
        .route("/v1/system", get(system_json))
        .route("/v1/events", get(live::events))
        .route("/v1/{verb}", post(actions::act))
        .route("/openapi.json", get(openapi))
        .route("/health", get(health))
        .layer(middleware::from_fn_with_state(app.clone(), door::pass))
        .with_state(app)
}

async fn tape(State(app): State<App>) -> Html<String> {
    Html(html::tape(&app.settings.stream))
}

async fn system(State(app): State<App>) -> Response {
    let view = view(&app).await;
    let page = html::system(&view, app.settings.actions.are_on());
    Html(page).into_response()
}

async fn system_json(State(app): State<App>) -> Response {
    let view = view(&app).await;
    let body = serde_json::to_vec(&view).unwrap_or_default();
    json_response(StatusCode::OK, body)
}

async fn view(app: &App) -> View {
    match read(app).await {
        Ok(status) => View::of(&status, jiff::Timestamp::now()),
        Err(answer) => View::without(&answer),
    }
}

async fn read(app: &App) -> Result<Status, NoAnswer> {
    let body = app.settings.supervisor.status().await?;
    serde_json::from_slice(&body).map_err(|error| NoAnswer::Io(std::io::Error::other(error)))
}

async fn status(State(app): State<App>) -> Response {
    match app.settings.supervisor.status().await {
        Ok(body) => json_response(StatusCode::OK, body),
        Err(answer) => answer_of(&answer),
    }
}

async fn openapi() -> Response {
    json_response(StatusCode::OK, include_str!("../assets/openapi.json"))
}

/// That this answers is the answer: whether the supervisor is well is its own affair, and a restart
/// of this app would not mend it.
async fn health() -> Response {
    json_response(StatusCode::OK, r#"{"type":"health","healthy":true}"#)
}

/// A JSON body.
pub fn json_response(status: StatusCode, body: impl Into<Bytes>) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, body.into()).into_response()
}

/// What a browser is told when the supervisor gave no answer.
pub fn answer_of(answer: &NoAnswer) -> Response {
    json_response(answer.status(), answer.to_json())
}
