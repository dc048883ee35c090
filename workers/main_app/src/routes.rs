//! The addresses of the app and what answers each.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use hyper::body::Bytes;
use tokio::sync::Semaphore;
use ws_listener::Stop;

use crate::fact_view::{FactRow, Record};
use crate::hub::{FACTS, Hub};
use crate::look::look;
use crate::supervisor::NoAnswer;
use crate::view::View;
use crate::{Settings, assets, door, html, live, orders};

/// Pages that may follow at a time: each may hold a connection to the supervisor, which has 128.
const MOST_FOLLOWERS: usize = 64;

/// What every answer may need.
#[derive(Clone, Debug)]
pub struct App {
    /// What is served.
    pub settings: Arc<Settings>,
    /// What all system pages see.
    pub hub: Arc<Hub>,
    /// The places of followers.
    pub followers: Arc<Semaphore>,
    /// When to end.
    pub stop: Stop,
}

/// The app's routes.
pub fn of(settings: Settings, stop: Stop) -> Router {
    let app = App {
        hub: Hub::new(settings.supervisor.clone()),
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
        .route("/v1/live", get(live::system))
        .route("/v1/events", get(live::events))
        .route("/v1/logs", get(live::logs))
        .route("/v1/ledger", get(ledger))
        .route("/v1/ports", get(ports))
        .route("/metrics", get(metrics))
        .route("/v1/metrics", get(metrics))
        .route("/v1/flush", post(orders::flush))
        .route("/v1/restart/{mode}", post(orders::restart_all))
        .route("/v1/{verb}", post(orders::act))
        .route("/openapi.json", get(openapi))
        .route("/health", get(health))
        .layer(middleware::from_fn_with_state(app.clone(), door::pass))
        .with_state(app)
}

async fn tape(State(app): State<App>) -> Html<String> {
    Html(html::tape(&app.settings.stream))
}

async fn system(State(app): State<App>) -> Response {
    let (view, facts) = tokio::join!(view(&app), facts(&app));
    let actions = app.settings.actions.say(app.settings.supervisor.known().web);
    Html(html::system(&view, &facts, &actions)).into_response()
}

async fn system_json(State(app): State<App>) -> Response {
    let view = view(&app).await;
    let body = serde_json::to_vec(&view).unwrap_or_default();
    json_response(StatusCode::OK, body)
}

async fn view(app: &App) -> View {
    match look(&app.settings.supervisor).await {
        Ok(status) => View::of(&status, jiff::Timestamp::now()),
        Err(answer) => View::without(&answer),
    }
}

/// The last rows of the ledger, newest first; none from a supervisor that is away.
async fn facts(app: &App) -> Vec<FactRow> {
    let path = format!("/v1/ledger?lines={FACTS}");
    let body = app.settings.supervisor.read(&path).await.unwrap_or_default();
    let records = body.split(|&byte| byte == b'\n').rev();
    let records = records.filter_map(|line| serde_json::from_slice::<Record>(line).ok());
    records.map(|record| FactRow::of(&record)).collect()
}

async fn status(State(app): State<App>) -> Response {
    live::pass_on(&app.settings.supervisor, "/v1/status", "application/json").await
}

async fn ports(State(app): State<App>) -> Response {
    live::pass_on(&app.settings.supervisor, "/v1/ports", "application/json").await
}

async fn metrics(State(app): State<App>) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    live::pass_on(&app.settings.supervisor, "/metrics", kind).await
}

async fn ledger(State(app): State<App>, RawQuery(query): RawQuery) -> Response {
    let path = format!("/v1/ledger?{}", query.unwrap_or_default());
    live::pass_on(&app.settings.supervisor, &path, "application/x-ndjson").await
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
