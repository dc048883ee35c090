//! HTTP probes.

use serde_json::json;

use super::{PATIENT, asked, cause, fails_with, http_probe, http_server, json_answer, mute_server};
use crate::probe::MAX_ANSWER;

#[tokio::test]
async fn a_good_answer_brings_its_body() {
    let (port, server) = http_server(json_answer("200 OK", r#"{"status":"up","db":{"ok":true}}"#)).await;
    let answer = asked(
        &http_probe(port, None, Some(json!({"db": {"ok": true}}))),
        PATIENT,
    )
    .await;
    assert_eq!(
        answer.outcome,
        Ok(Some(json!({"status": "up", "db": {"ok": true}})))
    );
    let head = server.await.expect("server").to_lowercase();
    assert!(head.starts_with("get /health?x=1 http/1.1\r\n"), "{head}");
    assert!(
        head.contains(&format!("\r\nhost: localhost:{port}\r\n")),
        "{head}"
    );
    assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
}

#[tokio::test]
async fn the_body_can_end_with_the_connection() {
    let (port, _server) = http_server("HTTP/1.0 200 OK\r\n\r\n{\"ok\":1}").await;
    let answer = asked(&http_probe(port, None, Some(json!({"ok": 1}))), PATIENT).await;
    assert_eq!(answer.outcome, Ok(Some(json!({"ok": 1}))));
}

#[tokio::test]
async fn wrong_answers_are_named() {
    let unavailable = json_answer("503 Service Unavailable", r#"{"reason":"no database"}"#);
    let plain = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned();
    let down = json_answer("200 OK", r#"{"status":"down"}"#);
    let wanted = || Some(json!({"status": "up"}));
    let cases = [
        (
            unavailable.clone(),
            None,
            None,
            "answered HTTP 503, wanted 2xx: no database",
        ),
        (plain.clone(), Some(204), None, "answered HTTP 200, wanted 204"),
        (plain, None, wanted(), "answered, but the body is not JSON"),
        (
            down,
            None,
            wanted(),
            r#"answered, but status is "down", wanted "up""#,
        ),
    ];
    for (sent, status, expect, sentence) in cases {
        let (port, _server) = http_server(sent).await;
        assert_eq!(
            cause(&asked(&http_probe(port, status, expect), PATIENT).await),
            sentence
        );
    }
    let (port, _server) = http_server(unavailable).await;
    assert!(asked(&http_probe(port, Some(503), None), PATIENT).await.is_good());
}

#[tokio::test]
async fn garbage_and_silence_are_told_apart() {
    let (port, _server) = http_server("220 smtp.example.org ESMTP\r\n").await;
    let sentence = cause(&asked(&http_probe(port, None, None), PATIENT).await);
    assert!(sentence.starts_with("not an HTTP answer: "), "{sentence}");

    let (port, _server) = http_server("").await;
    assert_eq!(
        cause(&asked(&http_probe(port, None, None), PATIENT).await),
        "closed the connection instead of answering"
    );

    let mute = |brief| async move {
        let (port, _server) = mute_server().await;
        asked(&http_probe(port, None, None), brief).await
    };
    fails_with(mute, |brief| format!("no answer within {brief} s")).await;
}

#[tokio::test]
async fn a_large_body_is_refused_only_where_it_is_wanted() {
    let body = vec![b' '; MAX_ANSWER + 1];
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let sent = [head.as_bytes(), &body].concat();

    let (port, _server) = http_server(sent.clone()).await;
    let answer = asked(&http_probe(port, None, Some(json!({}))), PATIENT).await;
    assert_eq!(cause(&answer), "the answer is larger than 1024 KiB");

    let (port, _server) = http_server(sent).await;
    assert!(asked(&http_probe(port, None, None), PATIENT).await.is_good());
}

#[tokio::test]
async fn an_endless_head_is_not_http() {
    let sent = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(1 << 20));
    let (port, _server) = http_server(sent).await;
    let sentence = cause(&asked(&http_probe(port, None, None), PATIENT).await);
    assert!(sentence.starts_with("not an HTTP answer: "), "{sentence}");
}
