//! The app over HTTP, with a stand-in supervisor behind it.

mod common;

use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Router, body::Body};
use common::{App, TOKEN, house, soon, supervisor, text};
use futures_util::stream;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::sync::mpsc;

const STATUS: &str = r#"{"ok": true, "supervisor": {"state": "running", "pid": 7, "version": "0.1.0", "uptime_s": 12.0,
 "config": "services.toml"}, "services": [{"name": "<b>a</b>", "state": "RUNNING", "wanted": true, "health": {"status": "none"}}]}"#;

/// The same with actions on.
const ACTING: &str =
    r#"{"supervisor": {"config": "/desk/services.toml"}, "services": [], "web": {"actions": true}}"#;

fn status_only() -> Router {
    Router::new().route("/v1/status", get(|| async { STATUS }))
}

/// A supervisor whose events are what the sender sends.
fn eventful(lines: mpsc::UnboundedReceiver<&'static str>) -> Router {
    let lines = std::sync::Arc::new(std::sync::Mutex::new(Some(lines)));
    let events = move || {
        let lines = lines.lock().expect("not poisoned").take().expect("asked once");
        let body = stream::unfold(lines, |mut lines| async {
            let line = lines.recv().await?;
            Some((Ok::<_, std::io::Error>(line), lines))
        });
        async { Body::from_stream(body) }
    };
    status_only().route("/v1/events", get(events))
}

#[tokio::test]
async fn pages_come_with_headers_that_leave_them_only_their_own_files() {
    let (_folder, socket) = house();
    let app = App::of(&socket, false).await;
    for path in ["/", "/system", "/assets/app.css", "/v1/status", "/nowhere"] {
        let response = app.send("GET", path, &[], "").await;
        let header = |name: &str| response.headers()[name].to_str().expect("text").to_owned();
        let policy = header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'; script-src 'self'; style-src 'self';"),
            "{policy}"
        );
        assert!(
            policy.contains("connect-src 'self' ws://127.0.0.1:8766 "),
            "{policy}"
        );
        assert!(
            policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
    }
}

#[tokio::test]
async fn a_name_that_is_not_this_hosts_is_refused() {
    let (_folder, socket) = house();
    let app = App::of(&socket, false).await;
    let response = app.send("GET", "/", &[("host", "evil.example")], "").await;
    assert_eq!(response.status(), StatusCode::MISDIRECTED_REQUEST);
    assert!(text(response).await.contains("--allow-host"));
    let response = app.send("GET", "/", &[("host", "localhost:3000")], "").await;
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_status_is_passed_on_and_the_page_is_whole_without_a_script() {
    let (_folder, socket) = house();
    supervisor(&socket, status_only());
    let app = App::of(&socket, false).await;
    assert_eq!(app.get("/v1/status").await, (200, STATUS.into()));
    let (status, page) = app.get("/system").await;
    assert_eq!(status, 200);
    assert!(page.contains("&lt;b&gt;a&lt;/b&gt; runs and is well"), "{page}");
    assert!(
        page.contains(r#"<span class="badge" data-tone="good">RUNNING</span>"#),
        "{page}"
    );
    assert!(!page.contains("<b>"), "{page}");
    let (_, view) = app.get("/v1/system").await;
    let view: Value = serde_json::from_str(&view).expect("JSON");
    assert_eq!(view["services"][0]["name"], "<b>a</b>");
}

#[tokio::test]
async fn without_a_supervisor_every_answer_says_so() {
    let (_folder, socket) = house();
    let app = App::of(&socket, false).await;
    let (status, body) = app.get("/v1/status").await;
    assert_eq!(status, 503);
    let expected = json!({"message": "There is no supervisor.", "help": "On the host: sentinel start"});
    assert_eq!(serde_json::from_str::<Value>(&body).expect("JSON"), expected);
    let (status, page) = app.get("/system").await;
    assert_eq!(status, 200);
    assert!(
        page.contains("There is no supervisor.") && page.contains("sentinel start"),
        "{page}"
    );
    let (status, body) = app.get("/health").await;
    assert_eq!(
        (status, body.as_str()),
        (200, r#"{"type":"health","healthy":true}"#)
    );
}

#[tokio::test]
async fn every_route_is_in_the_document() {
    let (_folder, socket) = house();
    let app = App::of(&socket, false).await;
    let (_, document) = app.get("/openapi.json").await;
    let document: Value = serde_json::from_str(&document).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    assert_eq!(paths.len(), 17);
    for (path, operations) in paths {
        let path = path
            .replace("{name}", "app.css")
            .replace("{verb}", "restart")
            .replace("{mode}", "quick");
        for method in operations.as_object().expect("operations").keys() {
            let response = app.send(&method.to_uppercase(), &path, &[], "").await;
            let known = operations[method]["responses"].as_object().expect("responses");
            let status = response.status().as_u16().to_string();
            assert!(known.contains_key(&status), "{method} {path}: {status}");
        }
    }
}

#[tokio::test]
async fn an_unchanged_file_is_not_sent_again() {
    let (_folder, socket) = house();
    let app = App::of(&socket, false).await;
    let response = app.send("GET", "/assets/tape.js", &[], "").await;
    let tag = response.headers()["etag"].to_str().expect("text").to_owned();
    assert_eq!(
        response.headers()["content-type"],
        "text/javascript; charset=utf-8"
    );
    let again = app
        .send("GET", "/assets/tape.js", &[("if-none-match", &tag)], "")
        .await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(app.get("/assets/../Cargo.toml").await.0, 404);
}

/// The next event of a stream: its name and its data.
async fn next_event(body: &mut Incoming, rest: &mut String) -> (String, String) {
    loop {
        if let Some(end) = rest.find("\n\n") {
            let event: String = rest.drain(..end + 2).collect();
            let field = |name: &str| {
                let lines = event.lines().filter_map(|line| line.strip_prefix(name));
                lines.map(str::trim).collect::<String>()
            };
            return (field("event:"), field("data:"));
        }
        let frame = soon("an event", body.frame())
            .await
            .expect("open")
            .expect("readable");
        rest.push_str(std::str::from_utf8(frame.data_ref().expect("data")).expect("text"));
    }
}

#[tokio::test]
async fn changes_come_as_events_and_their_end_is_told() {
    let (_folder, socket) = house();
    let (sender, lines) = mpsc::unbounded_channel();
    supervisor(&socket, eventful(lines));
    let app = App::of(&socket, false).await;
    let response = app.send("GET", "/v1/events", &[], "").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let (mut body, mut rest) = (response.into_body(), String::new());
    assert_eq!(next_event(&mut body, &mut rest).await.0, "live");
    // Lines need not come whole, and a carriage return must not end an event.
    sender.send("{\"event\":\r \"service\",").expect("open");
    sender.send(" \"name\": \"a\"}\n{}\n").expect("open");
    let (name, data) = next_event(&mut body, &mut rest).await;
    assert_eq!(name, "change");
    let data: Value = serde_json::from_str(&data).expect("JSON");
    assert_eq!(data, json!({"event": "service", "name": "a"}));
    assert_eq!(
        next_event(&mut body, &mut rest).await,
        ("change".into(), "{}".into())
    );
    drop(sender);
    let (name, data) = next_event(&mut body, &mut rest).await;
    assert_eq!(name, "away");
    assert!(data.contains(r#""supported":true"#), "{data}");
}

#[tokio::test]
async fn an_older_supervisor_is_told_from_one_that_is_gone() {
    for (routes, supported) in [(Some(status_only()), false), (None, true)] {
        let (_folder, socket) = house();
        if let Some(routes) = routes {
            supervisor(&socket, routes);
        }
        let app = App::of(&socket, false).await;
        let mut body = app.send("GET", "/v1/events", &[], "").await.into_body();
        let (name, data) = next_event(&mut body, &mut String::new()).await;
        let data: Value = serde_json::from_str(&data).expect("JSON");
        assert_eq!((name.as_str(), &data["supported"]), ("away", &json!(supported)));
    }
}

#[tokio::test]
async fn followers_do_not_hold_up_the_end() {
    let (_folder, socket) = house();
    let app = App::of(&socket, false).await;
    let mut body = app.send("GET", "/v1/events", &[], "").await.into_body();
    assert_eq!(next_event(&mut body, &mut String::new()).await.0, "away");
    drop(app.stop);
    soon("the end", app.ended).await.expect("ended");
}

#[tokio::test]
async fn an_answer_without_end_does_not_hold_up_the_end() {
    let (_folder, socket) = house();
    let endless = || async { Body::from_stream(stream::pending::<std::io::Result<String>>()) };
    let routes = Router::new()
        .route("/v1/status", get(|| async { ACTING }))
        .route("/v1/restart", post(endless));
    supervisor(&socket, routes);
    let app = App::of(&socket, true).await;
    let bearer = format!("Bearer {TOKEN}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let response = app
        .send("POST", "/v1/restart", &headers, r#"{"services":["main_app"]}"#)
        .await;
    assert_eq!(response.status(), StatusCode::OK);
    drop(app.stop);
    soon("the end", app.ended).await.expect("ended");
}

fn obeying(orders: mpsc::UnboundedSender<(String, String)>) -> Router {
    let order = move |axum::extract::Path(verb): axum::extract::Path<String>, body: String| {
        let unknown = body.contains("nobody");
        orders.send((verb, body)).expect("the test listens");
        async move {
            if unknown {
                return (
                    StatusCode::BAD_REQUEST,
                    r#"{"kind":"usage","message":"no nobody","help":null}"#,
                );
            }
            (
                StatusCode::OK,
                "{\"event\":\"end\",\"ok\":true,\"services\":[],\"error\":null}\n",
            )
        }
    };
    Router::new()
        .route("/v1/status", get(|| async { ACTING }))
        .route("/v1/{verb}", post(order))
}

#[tokio::test]
async fn actions_need_the_token_and_reach_the_supervisor() {
    let (_folder, socket) = house();
    let (sender, mut orders) = mpsc::unbounded_channel();
    supervisor(&socket, obeying(sender));
    let body = r#"{"services":["a"]}"#;
    let bearer = format!("Bearer {TOKEN}");
    let token = [("authorization", bearer.as_str())];

    let off = App::of(&socket, false).await;
    assert_eq!(off.post("/v1/restart", &token, body).await.0, 403);
    let app = App::of(&socket, true).await;
    assert_eq!(app.post("/v1/restart", &[], body).await.0, 401);
    let foreign = [token[0], ("origin", "http://evil.example")];
    assert_eq!(app.post("/v1/restart", &foreign, body).await.0, 403);
    for every in ["{}", r#"{"services":[]}"#, "", "null"] {
        assert_eq!(app.post("/v1/stop", &token, every).await.0, 400, "{every}");
    }
    assert_eq!(app.post("/v1/shutdown", &token, body).await.0, 404);
    for whole in ["/v1/restart/quick", "/v1/restart/emergency", "/v1/flush"] {
        assert_eq!(off.post(whole, &token, "{}").await.0, 403, "{whole}");
        assert_eq!(app.post(whole, &[], "{}").await.0, 401, "{whole}");
        assert_eq!(app.post(whole, &foreign, "{}").await.0, 403, "{whole}");
    }
    assert_eq!(app.post("/v1/restart/shutdown", &token, "{}").await.0, 404);
    assert!(
        orders.try_recv().is_err(),
        "nothing of that reached the supervisor"
    );

    let (status, progress) = app.post("/v1/restart", &token, body).await;
    assert_eq!(status, 200);
    assert!(progress.contains(r#""event":"end""#), "{progress}");
    assert_eq!(orders.recv().await, Some(("restart".into(), body.into())));
    let (status, refusal) = app.post("/v1/start", &token, r#"{"services":["nobody"]}"#).await;
    assert_eq!(status, 400);
    assert!(refusal.contains("no nobody"), "{refusal}");
}

#[tokio::test]
async fn what_the_file_says_now_counts() {
    let (_folder, socket) = house();
    supervisor(&socket, status_only());
    let app = App::of(&socket, true).await;
    let bearer = format!("Bearer {TOKEN}");
    let body = r#"{"services":["a"]}"#;
    let (status, refusal) = app
        .post("/v1/restart", &[("authorization", bearer.as_str())], body)
        .await;
    assert_eq!(status, 403);
    assert!(refusal.contains("actions = true under [web]"), "{refusal}");
    let (_, page) = app.get("/system").await;
    assert!(
        page.contains(r#"data-actions="off""#) && page.contains("actions = true under [web]"),
        "{page}"
    );
}

#[tokio::test]
async fn logs_ledger_ports_and_metrics_pass_as_they_are() {
    let (_folder, socket) = house();
    let log = |axum::extract::RawQuery(query): axum::extract::RawQuery| async move {
        format!("{{\"query\":{:?}}}\n", query.unwrap_or_default())
    };
    let routes = status_only()
        .route("/v1/logs", get(log))
        .route("/v1/ledger", get(log))
        .route("/v1/ports", get(|| async { r#"[{"port":1}]"# }))
        .route("/metrics", get(|| async { "sentinel_info 1\n" }));
    supervisor(&socket, routes);
    let app = App::of(&socket, false).await;
    let (_, lines) = app.get("/v1/logs?service=a&lines=5").await;
    assert_eq!(lines, "{\"query\":\"service=a&lines=5\"}\n");
    assert_eq!(app.get("/v1/ledger?lines=2").await.1, "{\"query\":\"lines=2\"}\n");
    assert_eq!(app.get("/v1/ports").await, (200, r#"[{"port":1}]"#.into()));
    assert_eq!(app.get("/v1/metrics").await, (200, "sentinel_info 1\n".into()));
    let followed = app.send("GET", "/v1/logs?follow=true", &[], "").await;
    let (mut body, mut rest) = (followed.into_body(), String::new());
    assert_eq!(next_event(&mut body, &mut rest).await.0, "live");
    let (name, data) = next_event(&mut body, &mut rest).await;
    assert_eq!(
        (name.as_str(), data.as_str()),
        ("line", r#"{"query":"follow=true"}"#)
    );
    assert_eq!(next_event(&mut body, &mut rest).await.0, "away");
}

#[tokio::test]
async fn all_pages_see_what_one_look_sees() {
    let (_folder, socket) = house();
    let (sender, lines) = mpsc::unbounded_channel();
    let facts = r#"{"seq":1,"at":"2026-01-05T15:00:00Z","what":"began"}"#;
    let routes = eventful(lines).route("/v1/ledger", get(move || async move { format!("{facts}\n") }));
    supervisor(&socket, routes);
    let app = App::of(&socket, false).await;
    // The stand-in answers one question for events: a second one would be refused.
    let mut pages = Vec::new();
    for _ in 0..2 {
        pages.push((
            app.send("GET", "/v1/live", &[], "").await.into_body(),
            String::new(),
        ));
    }
    for (body, rest) in &mut pages {
        let (name, data) = next_event(body, rest).await;
        assert!(name == "ledger" && data.contains("began"), "{name}: {data}");
        let (name, data) = next_event(body, rest).await;
        let picture: Value = serde_json::from_str(&data).expect("JSON");
        assert_eq!(
            (name.as_str(), &picture["link"]["words"]),
            ("picture", &json!("Live"))
        );
        assert_eq!(picture["view"]["headline"], "<b>a</b> runs and is well");
    }
    sender
        .send("{\"event\":\"fact\",\"record\":{\"seq\":2,\"at\":\"2026-01-05T15:00:01Z\",\"what\":\"given_up\",\"service\":\"a\"}}\n")
        .expect("open");
    for (body, rest) in &mut pages {
        loop {
            let (name, data) = next_event(body, rest).await;
            if name == "ledger" {
                let rows: Value = serde_json::from_str(&data).expect("JSON");
                assert_eq!(
                    (&rows[0]["what"], &rows[1]["what"]),
                    (&json!("FATAL"), &json!("began"))
                );
                break;
            }
        }
    }
}
