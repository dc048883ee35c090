//! Where the `exec` probes of a service run when the client asks them: its folder, its environment.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};

use futures_util::future::BoxFuture;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use crate::config::find_program;
use crate::probe::{CommandEnd, Place};
use crate::process;
use crate::service::{Exit, Spec};

use super::death::Death;

/// Only the end of what a command complains about is kept.
const KEPT_BYTES: usize = 4096;

/// A service's folder and environment, as services.toml declares them.
#[derive(Debug)]
pub struct ServicePlace<'s> {
    spec: &'s Spec,
}

impl<'s> ServicePlace<'s> {
    /// The place of this service.
    #[must_use]
    pub fn of(spec: &'s Spec) -> Self {
        Self { spec }
    }

    fn spawn(&self, command: &[String]) -> io::Result<Running> {
        let (name, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let program = find_program(name, self.spec).map_err(io::Error::other)?;
        let mut command = Command::new(program);
        command.args(arguments).env_clear();
        // As the same user, and in a group of its own.
        process::equip(&mut command, &self.spec.rights, &self.spec.cwd)?;
        let child = command
            .envs(&*self.spec.env)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        Ok(Running(child))
    }
}

impl Place for ServicePlace<'_> {
    fn run<'a>(&'a self, command: &'a [String]) -> BoxFuture<'a, io::Result<CommandEnd>> {
        Box::pin(async move {
            let mut running = self.spawn(command)?;
            let death = Death::of_child(&running.0)?;
            let stderr = running.0.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
            let mut stderr = pipe::Receiver::from_owned_fd(OwnedFd::from(stderr))?;
            let mut said = Vec::new();
            // What it leaves in the background may keep the pipe open: its own end counts.
            tokio::select! {
                biased;
                result = keep_end(&mut stderr, &mut said) => {
                    result?;
                    death.wait().await?;
                }
                ended = death.wait() => ended?,
            }
            let exit = running.reap()?;
            let said = String::from_utf8_lossy(&said);
            let last_line = said
                .lines()
                .rev()
                .find(|line| !line.trim().is_empty())
                .map(str::to_owned);
            Ok(CommandEnd { exit, last_line })
        })
    }
}

async fn keep_end(stderr: &mut pipe::Receiver, said: &mut Vec<u8>) -> io::Result<()> {
    while stderr.read_buf(said).await? > 0 {
        let surplus = said.len().saturating_sub(KEPT_BYTES);
        said.drain(..surplus);
    }
    Ok(())
}

fn how(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unknown,
    }
}

/// A command that does not outlive the question, nor does what it began.
struct Running(Child);

impl Running {
    /// Takes down what is left of its group. Only before it is reaped: until then its pid, and so its
    /// group, cannot belong to anybody else.
    fn end_group(&self) {
        if let Some(group) = Pid::from_raw(self.0.id().cast_signed()) {
            // Gone already: what was wanted.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// Its exit, once it has ended.
    fn reap(mut self) -> io::Result<Exit> {
        self.end_group();
        let status = self.0.wait()?;
        Ok(how(status))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            self.end_group();
            // SIGKILL cannot be refused, so this does not take long.
            let _ = self.0.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, load};
    use crate::process::Identity;
    use std::time::Duration;

    /// Asks `sh -c script` as a probe of a service whose folder is temporary.
    async fn ask(
        script: &str,
        timeout: Duration,
    ) -> Result<io::Result<CommandEnd>, tokio::time::error::Elapsed> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("services.toml");
        let text = "[services.x]\ncommand = [\"sleep\", \"9\"]\nenv = { COLOUR = \"green\" }\n";
        std::fs::write(&file, text).expect("written");
        let config = load(
            &file,
            &Environment::from([("PATH".into(), "/usr/bin:/bin".into())]),
        )
        .expect("valid");
        let command = ["sh", "-c", script].map(str::to_owned);
        let place = ServicePlace::of(&config.services[0]);
        tokio::time::timeout(timeout, place.run(&command)).await
    }

    async fn end(script: &str) -> CommandEnd {
        ask(script, Duration::from_secs(60))
            .await
            .expect("in time")
            .expect("started")
    }

    #[tokio::test]
    async fn it_runs_with_the_environment_of_the_service_and_tells_its_last_words() {
        let end = end("echo one >&2; echo $COLOUR >&2; echo >&2; exit 3").await;
        assert_eq!(
            end,
            CommandEnd {
                exit: Exit::Code(3),
                last_line: Some("green".into())
            }
        );
    }

    #[tokio::test]
    async fn what_it_leaves_behind_neither_holds_up_the_answer_nor_lives_on() {
        let end = end("sleep 600 & echo $! >&2; exit 0").await;
        assert_eq!(end.exit, Exit::Code(0));
        let left: i32 = end.last_line.expect("a pid").parse().expect("a pid");
        if let Some(death) = Identity::of(left)
            .expect("/proc")
            .and_then(|left| Death::of(left).ok())
        {
            assert!(death.within(Duration::from_secs(60)).await);
        }
    }

    #[tokio::test]
    async fn a_question_that_is_dropped_ends_its_command() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let fifo = folder.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
        let script = format!("exec 3<>{0}; sleep 600 & echo up >&3; wait", fifo.display());
        assert!(ask(&script, Duration::from_millis(200)).await.is_err());
        // Nobody has the fifo open any more: there is no reader to be found.
        let no_reader = || {
            let mut options = std::fs::OpenOptions::new();
            let options = options.write(true);
            let open =
                std::os::unix::fs::OpenOptionsExt::custom_flags(options, nix::libc::O_NONBLOCK).open(&fifo);
            open.is_err_and(|error| error.raw_os_error() == Some(nix::libc::ENXIO))
        };
        let gone = async {
            while !no_reader() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), gone)
            .await
            .expect("all of it ends");
    }
}
