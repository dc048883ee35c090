//! `sentinel` as a command: for what a supervisor cannot do to itself, or does not answer.
//!
//! The command goes on if this app is ended by what it does; a new supervisor that one of its own services
//! asks for steps out of that service by itself.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use futures_util::{Stream, stream};
use hyper::body::Bytes;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// Lines that may wait for the page.
const QUEUE: usize = 256;

/// Runs `sentinel` on this services.toml (its own choice without one) and tells what it prints: lines
/// `{"event":"line","text"}`, then `{"event":"end","ok","exit_code","error"}`.
///
/// # Errors
/// It cannot be started.
pub fn run(
    config: Option<&Path>,
    words: &[&str],
) -> io::Result<impl Stream<Item = Result<Bytes, Infallible>> + use<>> {
    let mut command = Command::new(program());
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    let child = command
        .args(["--color", "never"])
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (sender, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(tell(child, sender));
    Ok(stream::unfold(receiver, |mut receiver| async {
        let line: Bytes = receiver.recv().await?;
        Some((Ok(line), receiver))
    }))
}

/// The one beside this program, else whatever PATH has.
fn program() -> OsString {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|own| Some(own.parent()?.join("sentinel")));
    let beside: Option<PathBuf> = beside.filter(|path| path.is_file());
    beside.map_or_else(|| "sentinel".into(), Into::into)
}

/// A page that leaves does not end the command.
async fn tell(mut child: Child, to: mpsc::Sender<Bytes>) {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (_, last) = tokio::join!(pass(stdout, &to), pass(stderr, &to));
    let status = child.wait().await;
    let code = status.as_ref().ok().and_then(std::process::ExitStatus::code);
    let ok = code == Some(0);
    let why = last.unwrap_or_else(|| match code {
        Some(code) => format!("sentinel ended with code {code}."),
        None => "sentinel was ended by a signal.".into(),
    });
    let error = (!ok).then(|| json!({ "message": why }));
    let end = json!({"event": "end", "ok": ok, "exit_code": code, "error": error});
    let _ = to.send(line(&end)).await;
}

/// Passes lines on; gives the one that says most of a failure: the first that begins so, else the last.
async fn pass(pipe: Option<impl AsyncRead + Unpin>, to: &mpsc::Sender<Bytes>) -> Option<String> {
    let mut lines = BufReader::new(pipe?).lines();
    let (mut last, mut error) = (None, None);
    while let Ok(Some(text)) = lines.next_line().await {
        let _ = to.send(line(&json!({"event": "line", "text": text}))).await;
        if let Some(rest) = text.strip_prefix("error: ") {
            error.get_or_insert_with(|| rest.to_owned());
        }
        last = Some(text);
    }
    error.or(last)
}

fn line(value: &serde_json::Value) -> Bytes {
    format!("{value}\n").into()
}
