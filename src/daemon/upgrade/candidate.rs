//! The candidate runs beside the supervisor first, and does all that could go wrong in taking over, but for
//! taking over: reads the state and services.toml with its own code, and begins a machine from them.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use super::handover::Handover;
use super::shown;
use crate::config::{self, Config};
use crate::daemon::mailbox::{ExecRequest, Mailbox, Message};
use crate::exit::ExitCode;
use crate::process::{Handle, Identity, Launch};
use crate::redact;
use crate::service::{Exit, Rights, signal_name};
use crate::supervisor::{Input, Moment, Supervisor};

/// A candidate that has not answered by then hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How much of what it says is read, in bytes.
const KEPT: u64 = 16 << 10;
/// How its one good answer begins; its version follows.
const YES: &str = "can resume: sentinel ";

/// Asks a binary whether it can take over; its version, or why not.
pub async fn ask(binary: PathBuf, file: PathBuf, state: File, mailbox: Mailbox) -> Result<String, String> {
    let (said, launch) =
        launch(&binary, &file, &state).map_err(|error| format!("cannot be asked: {error}"))?;
    let (started, process) = oneshot::channel();
    mailbox.post(Message::RunCommand(Box::new(ExecRequest { launch, started })));
    let (identity, exit) = process.await.map_err(|_| "nobody starts it".to_owned())??;
    let answer = async {
        let mut text = Vec::new();
        let read = pipe::Receiver::from_owned_fd(said)?
            .take(KEPT)
            .read_to_end(&mut text)
            .await;
        read.map(|_| String::from_utf8_lossy(&text).into_owned())
    };
    let both = async { (answer.await, exit.await) };
    match tokio::time::timeout(ANSWER_WITHIN, both).await {
        Ok((Ok(text), Ok(exit))) => verdict(&text, exit),
        Ok(_) => Err("its answer cannot be read".into()),
        Err(_) => {
            end(identity);
            Err(format!("it does not answer within {} s", ANSWER_WITHIN.as_secs()))
        }
    }
}

fn launch(binary: &Path, file: &Path, state: &File) -> io::Result<(OwnedFd, Launch)> {
    let (reader, writer) = io::pipe()?;
    rustix::io::ioctl_fionbio(&reader, true)?;
    let words = ["--config", &file.to_string_lossy(), "can-resume"].map(str::to_owned);
    let state = shown(state).display().to_string();
    let env = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let launch = Launch {
        program: binary.to_path_buf(),
        args: words.into_iter().chain([state]).collect(),
        cwd: PathBuf::from("/"),
        env: env.collect(),
        stdout: writer.try_clone()?.into(),
        stderr: writer.into(),
        sockets: Vec::new(),
        rights: Rights::default(),
        cgroup: None,
    };
    Ok((reader.into(), launch))
}

fn verdict(text: &str, exit: Exit) -> Result<String, String> {
    let last = text
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    match (last.strip_prefix(YES), exit) {
        (Some(version), Exit::Code(0)) => Ok(version.trim().to_owned()),
        (None, Exit::Code(0)) => Err(format!(
            "it is no sentinel that can be upgraded to; it says {last:?}"
        )),
        (_, Exit::Signal(signal)) => Err(format!("it crashed when it was tried ({})", signal_name(signal))),
        (_, Exit::Code(_) | Exit::Unknown) if last.is_empty() => {
            Err(format!("it failed when it was tried ({exit})"))
        }
        (_, Exit::Code(_) | Exit::Unknown) => Err(last.trim_start_matches("sentinel: ").to_owned()),
    }
}

fn end(identity: Identity) {
    if let Ok(Some(handle)) = Handle::open(identity) {
        let _ = handle.signal(nix::sys::signal::Signal::SIGKILL as i32);
    }
}

/// `can-resume`: tells on standard output whether this binary could take over from that state.
#[must_use]
pub fn can_resume(file: &Path, state: &Path) -> ExitCode {
    match try_it(file, state) {
        Ok(()) => {
            println!("{YES}{}", env!("CARGO_PKG_VERSION"));
            ExitCode::Ok
        }
        Err(why) => {
            eprintln!("sentinel: {why}");
            ExitCode::Failed
        }
    }
}

fn try_it(file: &Path, state: &Path) -> Result<(), String> {
    let state = File::open(state).map_err(|error| format!("cannot open the state: {error}"))?;
    let handover = Handover::read(state)?;
    let config = load(file, &handover)?;
    let now = handover.began;
    let (mut machine, _) = Supervisor::resume(config.services, 0, &handover.machine);
    let _ = machine.handle(Moment(now.0), Input::Tick);
    Ok(())
}

/// services.toml, as this version reads it: it must know every service that runs.
///
/// # Errors
/// What is missing or wrong, in a sentence.
pub fn load(file: &Path, handover: &Handover) -> Result<Config, String> {
    let config = config::load(file, &config::environment()).map_err(|mistakes| {
        format!(
            "does not accept services.toml: {}",
            mistakes.to_string().replace('\n', "; ")
        )
    })?;
    redact::learn(&config.redactor);
    let declared = |name: &str| config.services.iter().any(|spec| spec.name.as_str() == name);
    let mut known = handover
        .machine
        .services
        .iter()
        .map(|remembered| remembered.service.as_str());
    match known.find(|name| !declared(name)) {
        None => Ok(config),
        Some(name) => Err(format!("does not find {name} in services.toml")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        let yes = format!("a warning\n{YES}1.2.3\n");
        assert_eq!(verdict(&yes, Exit::Code(0)), Ok("1.2.3".into()));
        assert!(verdict(&yes, Exit::Code(1)).is_err());
        assert!(verdict("hello\n", Exit::Code(0)).is_err_and(|why| why.contains("hello")));
        assert!(verdict("", Exit::Code(0)).is_err());
        assert!(verdict("", Exit::Signal(11)).is_err_and(|why| why.contains("SIGSEGV")));
        assert!(verdict("", Exit::Code(3)).is_err_and(|why| why.contains("exit code 3")));
        let no = verdict("sentinel: does not know the state\n", Exit::Code(1));
        assert_eq!(no, Err("does not know the state".into()));
    }
}
