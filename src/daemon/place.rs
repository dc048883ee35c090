//! Where exec probes run: as children of the supervisor, in their service's folder and environment.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use super::mailbox::{ExecRequest, Mailbox, Message};
use crate::config;
use crate::probe::{CommandEnd, Place};
use crate::process::{Handle, Identity, Launch};
use crate::service::Spec;

/// How much of a probe's standard error is kept, in bytes.
const KEPT: u64 = 16 << 10;

/// A service's place, for its probes.
#[derive(Clone, Debug)]
pub struct DaemonPlace {
    /// Whose.
    pub spec: Arc<Spec>,
    /// The driver, which alone spawns and reaps.
    pub mailbox: Mailbox,
}

impl Place for DaemonPlace {
    fn run<'a>(&'a self, command: &'a [String]) -> BoxFuture<'a, io::Result<CommandEnd>> {
        Box::pin(self.execute(command))
    }
}

impl DaemonPlace {
    async fn execute(&self, command: &[String]) -> io::Result<CommandEnd> {
        let (errors, launch) = self.launch(command)?;
        let (started, process) = oneshot::channel();
        self.mailbox
            .post(Message::RunCommand(Box::new(ExecRequest { launch, started })));
        let (identity, exit) = process
            .await
            .map_err(io::Error::other)?
            .map_err(io::Error::other)?;
        let mut guard = KillOnDrop(Some(identity));
        let mut text = Vec::new();
        pipe::Receiver::from_owned_fd(errors)?
            .take(KEPT)
            .read_to_end(&mut text)
            .await?;
        let exit = exit.await.map_err(io::Error::other)?;
        guard.0 = None;
        let text = String::from_utf8_lossy(&text);
        let last_line = text
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .map(str::to_owned);
        Ok(CommandEnd { exit, last_line })
    }

    fn launch(&self, command: &[String]) -> io::Result<(OwnedFd, Launch)> {
        let spec = Spec {
            command: command.to_vec(),
            ..(*self.spec).clone()
        };
        let program = config::program(&spec).map_err(io::Error::other)?;
        let (reader, writer) = io::pipe()?;
        rustix::io::ioctl_fionbio(&reader, true)?;
        let null = std::fs::File::options().write(true).open("/dev/null")?;
        let launch = Launch {
            program,
            args: command.iter().skip(1).cloned().collect(),
            cwd: spec.cwd.clone(),
            env: spec.variables(),
            stdout: null.into(),
            stderr: writer.into(),
            sockets: Vec::new(),
            rights: (*spec.rights).clone(),
            cgroup: None,
        };
        Ok((reader.into(), launch))
    }
}

/// A probe that is given up takes its command with it.
struct KillOnDrop(Option<Identity>);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if let Some(handle) = self.0.and_then(|identity| Handle::open(identity).ok().flatten()) {
            let _ = handle.signal(nix::sys::signal::Signal::SIGKILL as i32);
        }
    }
}
