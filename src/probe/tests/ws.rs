//! WebSocket probes.

use futures_util::SinkExt;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::{
    PATIENT, asked, cause, ends_with_close, fails_with, health_probe, http_server, mute_server, serve, text,
    ws_server,
};
use crate::probe::MAX_ANSWER;
use crate::service::Probe;

#[tokio::test]
async fn trades_may_come_before_the_answer() {
    let health = json!({"type": "health", "healthy": true, "total_clients": 3});
    let trade = text(&json!({"type": "trade", "symbol": "AAPL", "data": {"price": 1.5}}));
    let ping = Message::Ping("x".into());
    let (port, server) = ws_server(vec![
        trade.clone(),
        ping,
        trade,
        Message::text("not json"),
        text(&health),
    ])
    .await;

    let answer = asked(&health_probe(port), PATIENT).await;

    assert_eq!(answer.outcome, Ok(Some(health)));
    assert!(answer.is_good() && answer.latency < PATIENT);
    let (question, closed) = server.await.expect("server");
    assert_eq!(question, r#"{"action":"health"}"#);
    assert!(closed, "the client says Close");
}

#[tokio::test]
async fn a_bad_answer_is_an_answer_and_brings_its_reason() {
    let health = json!({"type": "health", "healthy": false, "reason": "stream silent for 40 s"});
    let (port, server) = ws_server(vec![text(&health)]).await;

    let answer = asked(&health_probe(port), PATIENT).await;

    let failure = answer.outcome.as_ref().expect_err("unhealthy");
    assert_eq!(
        failure.to_string(),
        format!("127.0.0.1:{port}: answered, but healthy is false, wanted true: stream silent for 40 s")
    );
    assert_eq!(answer.detail(), Some(&health));
    assert!(answer.latency < PATIENT, "it did not wait for better news");
    assert!(server.await.expect("server").1, "the client says Close");
}

#[tokio::test]
async fn strangers_alone_are_no_answer() {
    let strangers = |brief| async move {
        let messages = ["trade", "pong"].map(|kind| text(&json!({"type": kind})));
        let (port, _server) = ws_server(messages.into()).await;
        asked(&health_probe(port), brief).await
    };
    let why =
        |brief| format!(r#"no answer within {brief} s; 2 other messages came, the last: {{"type":"pong"}}"#);
    fails_with(strangers, why).await;
}

#[tokio::test]
async fn the_nearest_of_the_wrong_explains() {
    let ask_anew = |brief| async move {
        let wanted = json!({"channel": "status", "state": "up", "id": 7});
        let (port, _server) = ws_server(vec![
            text(&json!({"channel": "status", "state": "down", "id": 7})),
            text(&json!({"channel": "status", "state": "up?", "id": 8})),
            text(&json!({"channel": "trades"})),
        ])
        .await;
        let probe = Probe::Ws {
            url: format!("ws://localhost:{port}/"),
            send: Some(json!("?")),
            expect: Some(wanted),
        };
        asked(&probe, brief).await
    };
    let why = |_| r#"answered, but state is "down", wanted "up""#.into();
    fails_with(ask_anew, why).await;
}

#[tokio::test]
async fn a_close_instead_of_an_answer_names_its_code() {
    let (port, _server) = serve(|stream| async move {
        let mut socket = accept_async(stream).await.expect("handshake");
        let frame = CloseFrame {
            code: 1013.into(),
            reason: "try again later".into(),
        };
        socket.close(Some(frame)).await.expect("sent");
        ends_with_close(socket).await
    })
    .await;
    assert_eq!(
        cause(&asked(&health_probe(port), PATIENT).await),
        "closed the connection instead of answering: close code 1013, try again later"
    );
}

#[tokio::test]
async fn without_a_question_the_handshake_is_the_answer() {
    let (port, server) =
        serve(|stream| async move { ends_with_close(accept_async(stream).await.expect("ws")).await }).await;
    let probe = Probe::Ws {
        url: format!("ws://127.0.0.1:{port}"),
        send: None,
        expect: None,
    };
    assert_eq!(asked(&probe, PATIENT).await.outcome, Ok(None));
    assert!(server.await.expect("server"), "the client says Close");
}

#[tokio::test]
async fn without_an_expectation_the_first_message_answers() {
    let (port, _server) = ws_server(vec![text(&json!({"type": "pong"}))]).await;
    let url = format!("ws://127.0.0.1:{port}");
    let probe = Probe::Ws {
        url,
        send: Some(json!({"action": "ping"})),
        expect: None,
    };
    assert_eq!(
        asked(&probe, PATIENT).await.outcome,
        Ok(Some(json!({"type": "pong"})))
    );
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused() {
    let (port, _server) = serve(|stream| async move {
        let mut socket = accept_async(stream).await.expect("handshake");
        let _ = socket.send(Message::text("x".repeat(MAX_ANSWER + 1))).await;
    })
    .await;
    assert_eq!(
        cause(&asked(&health_probe(port), PATIENT).await),
        "the answer is larger than 1024 KiB"
    );
}

#[tokio::test]
async fn one_that_accepts_and_is_mute_fails_in_time() {
    let mute = |brief| async move {
        let (port, _server) = mute_server().await;
        asked(&health_probe(port), brief).await
    };
    let why = |brief| format!("connected, but no WebSocket handshake within {brief} s");
    fails_with(mute, why).await;
}

#[tokio::test]
async fn other_servers_are_told_from_websockets() {
    let (port, _server) = http_server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(
        cause(&asked(&health_probe(port), PATIENT).await),
        "no WebSocket handshake: answered HTTP 200, wanted 101"
    );
    let fake = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n";
    let (port, _server) = http_server(fake).await;
    assert_eq!(
        cause(&asked(&health_probe(port), PATIENT).await),
        "no WebSocket handshake: WebSocket protocol error: Key mismatch in \"Sec-WebSocket-Accept\" header"
    );
    let (port, _server) = http_server("SSH-2.0-OpenSSH_9.2\r\n").await;
    let sentence = cause(&asked(&health_probe(port), PATIENT).await);
    assert!(sentence.starts_with("no WebSocket handshake: "), "{sentence}");
}

#[tokio::test]
async fn a_dropped_question_closes_its_socket() {
    let (port, server) = serve(|mut stream| async move {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    })
    .await;
    let question = tokio::spawn(async move { asked(&health_probe(port), PATIENT).await });
    tokio::task::yield_now().await;
    question.abort();
    tokio::time::timeout(PATIENT, server)
        .await
        .expect("the server sees the end")
        .expect("server");
}
