//! A program of the user's: the message as JSON on its standard input, the gist of it in its environment.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};

use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;

use super::GIVEN;
use crate::alerts::Message;
use crate::process::{Handle, Identity};

/// The most of its standard error that is read for its last line, in bytes.
const SAID: usize = 16 << 10;

/// Runs it and waits for its exit code 0.
pub(super) async fn run(words: &[String], message: &Message) -> Result<(), String> {
    let program = words.first().ok_or("no command is declared")?;
    let mut child = Running(spawn(program, &words[1..], message)?);
    let json = serde_json::to_vec(message).map_err(|error| error.to_string())?;
    if let Some(stdin) = child.0.stdin.take() {
        let mut stdin =
            pipe::Sender::from_owned_fd(OwnedFd::from(stdin)).map_err(|error| error.to_string())?;
        // One that does not want to read it has its reasons.
        let _ = stdin.write_all(&json).await;
    }
    let pid = i32::try_from(child.0.id()).map_err(|error| error.to_string())?;
    let handle = Identity::of(pid).and_then(|identity| identity.map_or(Ok(None), Handle::open));
    if let Some(handle) = handle.map_err(|error| format!("cannot watch {program}: {error}"))? {
        handle
            .exited()
            .await
            .map_err(|error| format!("cannot wait for {program}: {error}"))?;
    }
    let status = child
        .0
        .wait()
        .map_err(|error| format!("cannot wait for {program}: {error}"))?;
    judge(program, status, &last_line(&mut child.0))
}

fn spawn(program: &str, arguments: &[String], message: &Message) -> Result<Child, String> {
    let services: Vec<&str> = message
        .alerts
        .iter()
        .filter_map(|told| told.service.as_deref())
        .collect();
    let kinds: Vec<&str> = message.alerts.iter().map(|told| told.kind.word()).collect();
    let states: Vec<&str> = message.alerts.iter().map(|told| told.state.word()).collect();
    Command::new(program)
        .args(arguments)
        .env_remove(GIVEN)
        .env("SENTINEL_ALERT_TEXT", &message.text)
        .env("SENTINEL_ALERT_HOST", &message.host)
        .env("SENTINEL_ALERT_ID", &message.id)
        .env("SENTINEL_ALERT_SERVICES", services.join(" "))
        .env("SENTINEL_ALERT_KINDS", kinds.join(" "))
        .env("SENTINEL_ALERT_STATES", states.join(" "))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run {program}: {error}"))
}

/// What it said last. What it left in the background may hold the pipe: only what is there is read.
fn last_line(child: &mut Child) -> String {
    let Some(mut stderr) = child.stderr.take() else {
        return String::new();
    };
    let mut said = vec![0; SAID];
    let length = rustix::io::ioctl_fionbio(&stderr, true).map_err(std::io::Error::from);
    let length = length.and_then(|()| stderr.read(&mut said)).unwrap_or(0);
    let text = String::from_utf8_lossy(&said[..length]).into_owned();
    text.lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default()
        .to_owned()
}

fn judge(program: &str, status: ExitStatus, said: &str) -> Result<(), String> {
    if status.success() {
        return Ok(());
    }
    match said {
        "" => Err(format!("{program} ended with {status}")),
        said => Err(format!("{program} ended with {status}: {said}")),
    }
}

/// It does not outlive the delivery.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}
