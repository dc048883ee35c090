//! Starts a process: own session and group, clean signals, closed descriptors. The only unsafe code here.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::{SigHandler, Signal, signal};

use super::Identity;
use super::activate::FROM;

/// What to start, and with what; nothing is inherited that is not named here.
#[derive(Debug)]
pub struct Launch {
    /// The executable file.
    pub program: PathBuf,
    /// Its arguments, without the program itself.
    pub args: Vec<String>,
    /// Its working directory.
    pub cwd: PathBuf,
    /// Its whole environment.
    pub env: Vec<(String, String)>,
    /// Its standard output.
    pub stdout: OwnedFd,
    /// Its standard error.
    pub stderr: OwnedFd,
    /// Listening sockets that it gets as sd_listen_fds(3) has it.
    pub sockets: Vec<OwnedFd>,
}

/// Signals that a caller (nohup, a script's `&`, a test runner) may have set to be ignored, which exec would keep.
const INHERITABLE: [Signal; 9] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGTSTP,
    Signal::SIGTTIN,
    Signal::SIGTTOU,
];

/// Starts it and returns once the program is executing.
///
/// # Errors
/// A sentence that names the stage: the folder, or the program.
pub fn spawn(launch: Launch) -> Result<Identity, String> {
    let mut command = begin(&launch);
    let sockets = launch.sockets;
    command.current_dir(&launch.cwd).envs(launch.env);
    command
        .stdin(Stdio::null())
        .stdout(launch.stdout)
        .stderr(launch.stderr);
    // SAFETY: between fork and exec only async-signal-safe calls are made (setsid, fcntl, sigaction), and
    // nothing is allocated or locked. SIG_DFL installs no handler.
    unsafe {
        command.pre_exec(move || {
            nix::unistd::setsid()?;
            for socket in &sockets {
                fcntl(socket, FcntlArg::F_SETFD(FdFlag::empty()))?;
            }
            for inheritable in INHERITABLE {
                signal(inheritable, SigHandler::SigDfl)?;
            }
            Ok(())
        });
    }
    let child = command
        .spawn()
        .map_err(|error| stage(&launch.program, &launch.cwd, &error))?;
    let pid = i32::try_from(child.id()).map_err(|error| error.to_string())?;
    // Not reaped yet, so the pid cannot be anybody else's.
    match Identity::of(pid) {
        Ok(Some(identity)) => Ok(identity),
        Ok(None) => Err(format!("process {pid} is not in /proc; is /proc mounted?")),
        Err(error) => Err(format!("cannot look at process {pid}: {error}")),
    }
}

/// The program; or, when it gets sockets, sentinel itself, which hands them over and becomes the program.
fn begin(launch: &Launch) -> Command {
    if launch.sockets.is_empty() {
        let mut command = Command::new(&launch.program);
        command.args(&launch.args).env_clear();
        return command;
    }
    let numbers: Vec<String> = launch
        .sockets
        .iter()
        .map(|socket| socket.as_raw_fd().to_string())
        .collect();
    // Not by its name: that may be another version by now, or nothing.
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("sentinel")
        .args(["activate", "--"])
        .arg(&launch.program)
        .args(&launch.args);
    command.env_clear().env(FROM, numbers.join(","));
    command
}

/// Which stage failed: the standard library reports chdir and exec with the same error.
fn stage(program: &Path, cwd: &Path, error: &io::Error) -> String {
    if let Err(why) = std::fs::read_dir(cwd)
        && why.kind() != io::ErrorKind::PermissionDenied
    {
        return format!("cannot enter its folder {}: {why}", cwd.display());
    }
    match error.kind() {
        io::ErrorKind::NotFound if program.exists() => {
            format!(
                "cannot execute {}: its interpreter (the #! line) is missing",
                program.display()
            )
        }
        io::ErrorKind::WouldBlock => format!("cannot fork: {error} (process limit reached)"),
        io::ErrorKind::NotFound
        | io::ErrorKind::PermissionDenied
        | io::ErrorKind::OutOfMemory
        | io::ErrorKind::ExecutableFileBusy => format!("cannot execute {}: {error}", program.display()),
        _ => format!("cannot start {} in {}: {error}", program.display(), cwd.display()),
    }
}
