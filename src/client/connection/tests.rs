//! The client's half of the control socket, against sockets that answer as told.

use super::*;
use crate::api::{Event, FailureKind, Outcome};
use crate::client::sample;
use std::path::PathBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

/// A house in a folder whose path is too long for a socket's address.
struct House {
    _folder: tempfile::TempDir,
    paths: Paths,
}

fn house() -> House {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root: PathBuf = folder.path().join("a-long-name".repeat(12));
    let paths = Paths::of(&root.join("services.toml"));
    std::fs::create_dir_all(&paths.state_dir).expect("created");
    House {
        _folder: folder,
        paths,
    }
}

impl House {
    /// Listens on the house's socket.
    fn listen(&self) -> UnixListener {
        let folder = std::fs::File::open(&self.paths.state_dir).expect("there");
        UnixListener::bind(format!("/proc/self/fd/{}/sock", folder.as_raw_fd())).expect("bound")
    }

    /// Answers one request with these bytes; gives the request.
    fn answer(&self, response: String) -> tokio::task::JoinHandle<String> {
        let listener = self.listen();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.expect("a request");
            stream.write_all(response.as_bytes()).await.expect("written");
            String::from_utf8_lossy(&request[..length]).into_owned()
        })
    }

    async fn ask(&self, route: Route) -> Result<Outcome, Error> {
        let events = Connection::open(&self.paths)
            .await?
            .ask(route, &["web".to_owned()])
            .await?;
        events.outcome().await
    }
}

fn response(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_status_arrives_whole_through_a_path_of_any_length() {
    let house = house();
    assert!(house.paths.socket().as_os_str().len() > 108);
    let status = sample::stream_house();
    let request = house.answer(response("200 OK", &serde_json::to_string(&status).expect("json")));
    let connection = Connection::open(&house.paths).await.expect("connected");
    assert_eq!(connection.status().await.expect("a status"), status);
    assert!(
        request
            .await
            .expect("asked")
            .starts_with("GET /v1/status HTTP/1.1\r\n")
    );
}

#[tokio::test]
async fn a_request_names_its_services_and_ends_with_the_outcome() {
    let house = house();
    let done = Outcome {
        ok: true,
        ..Outcome::default()
    };
    let end = serde_json::to_string(&Event::End(done.clone())).expect("json");
    let request = house.answer(response("200 OK", &format!("{end}\n")));
    assert_eq!(house.ask(Route::Stop).await, Ok(done));
    let request = request.await.expect("asked");
    assert!(request.starts_with("POST /v1/stop HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with(r#"{"services":["web"]}"#), "{request}");
}

#[tokio::test]
async fn a_refusal_is_the_supervisors_own_sentence() {
    let house = house();
    let body = r#"{"kind":"usage","message":"there is no service `web`","help":null}"#;
    house.answer(response("404 Not Found", body));
    let error = house.ask(Route::Stop).await.expect_err("refused");
    assert_eq!(
        (error.kind, error.message.as_str()),
        (FailureKind::Usage, "there is no service `web`")
    );
}

#[tokio::test]
async fn without_a_socket_or_with_a_stale_one_there_is_no_supervisor() {
    let house = house();
    assert!(matches!(
        Connection::open(&house.paths).await,
        Err(NoAnswer::Absent)
    ));
    drop(house.listen());
    assert!(house.paths.socket().exists());
    assert!(matches!(
        Connection::open(&house.paths).await,
        Err(NoAnswer::Absent)
    ));
}

#[tokio::test]
async fn whoever_holds_the_lock_without_a_socket_hangs() {
    let house = house();
    let _lock = Lock::take(&house.paths.supervisor_lock(), "sentinel run").expect("free");
    let me = std::process::id().cast_signed();
    let answer = Connection::open(&house.paths).await;
    assert!(
        matches!(answer, Err(NoAnswer::Unresponsive(Some(pid))) if pid == me),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_supervisor_that_accepts_and_says_nothing_hangs() {
    let house = house();
    let _listener = house.listen();
    let connection = Connection::open_within(&house.paths, Duration::from_millis(50))
        .await
        .expect("connected");
    assert!(matches!(
        connection.status().await,
        Err(NoAnswer::Unresponsive(None))
    ));
}

#[tokio::test]
async fn a_supervisor_that_dies_in_its_answer_has_given_none() {
    let house = house();
    house.answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".into());
    assert!(house.ask(Route::Stop).await.is_err());
}
