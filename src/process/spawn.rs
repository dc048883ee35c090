//! Starts a process: own session and group, clean signals, closed descriptors, as the user it is to be.
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use nix::libc;
use nix::sys::signal::{SigHandler, Signal, signal};
use rustix::io::Errno;

use super::account::Account;
use super::activate::{FROM, WATCHDOG};
use super::stage::{Stage, Steps};
use super::vfork::{self, Program, Stillborn};
use super::{Handle, Identity, cgroup};
use crate::service::Rights;

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
    /// As whom, and with which limits.
    pub rights: Rights,
    /// The folder of the cgroup that it is to be in.
    pub cgroup: Option<Arc<OwnedFd>>,
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

/// Those of them that this process ignores: handlers end with exec by themselves.
pub(super) fn ignored() -> &'static [Signal] {
    static IGNORED: OnceLock<Vec<Signal>> = OnceLock::new();
    IGNORED.get_or_init(|| {
        INHERITABLE
            .into_iter()
            .filter(|&signal| is_ignored(signal))
            .collect()
    })
}

fn is_ignored(signal: Signal) -> bool {
    let mut now = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: nothing is installed; what the kernel says is written where there is room for it.
    unsafe {
        libc::sigaction(signal as i32, std::ptr::null(), now.as_mut_ptr()) != 0
            || now.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

/// These act as by default again. To be called in a new process only.
pub(super) fn reset_signals(ignored: &[Signal]) -> Result<(), Errno> {
    for &inheritable in ignored {
        // SAFETY: SIG_DFL installs no handler, and the call is async-signal-safe.
        unsafe { signal(inheritable, SigHandler::SigDfl) }
            .map_err(|error| Errno::from_raw_os_error(error as i32))?;
    }
    Ok(())
}

/// Starts it and returns once the program is executing.
///
/// # Errors
/// A sentence that names the stage, the cause and the way out.
pub fn spawn(launch: Launch) -> Result<Identity, String> {
    held(launch).map(|held| held.handle.identity())
}

/// A process that was started, and what is known of it without another look.
#[derive(Debug)]
pub struct Held {
    /// Holds it.
    pub handle: Handle,
    /// It was born in the cgroup of its launch; otherwise somebody has to look.
    pub in_cgroup: bool,
}

/// The same as [`spawn`], and keeps hold of it.
///
/// # Errors
/// The same.
pub fn held(mut launch: Launch) -> Result<Held, String> {
    let account = Account::of(&launch.rights).map_err(|(message, help)| format!("{message}; {help}"))?;
    let another = account.as_ref().is_some_and(Account::is_another);
    // Another user's process may not share our memory even for a moment: the kernel would no longer let us
    // be looked at. And a filter that forbids it once will do so again.
    static REFUSED: AtomicBool = AtomicBool::new(false);
    if !another && launch.program.is_absolute() && !REFUSED.load(Ordering::Relaxed) {
        match by_vfork(&mut launch, account.as_ref())? {
            Some(held) => return Ok(held),
            None => REFUSED.store(true, Ordering::Relaxed),
        }
    }
    by_fork(launch, account.as_ref())
}

/// Without a copy of ourselves; none where the kernel does not have it.
fn by_vfork(launch: &mut Launch, account: Option<&Account>) -> Result<Option<Held>, String> {
    let whose = (launch.program.clone(), launch.cwd.clone());
    let unusable = |error: io::Error| failure(Some(Stage::Exec), &whose.0, &whose.1, &error);
    let program = program(launch, account).map_err(unusable)?;
    let mut steps = Steps::new(&launch.rights, account, &launch.cwd, None);
    steps.sockets = std::mem::take(&mut launch.sockets);
    let output = [&launch.stdout, &launch.stderr];
    let born = match vfork::spawn(&program, &steps, output, launch.cgroup.as_deref()) {
        Ok(born) => born,
        Err(Stillborn::Unsupported) => {
            launch.sockets = steps.sockets;
            return Ok(None);
        }
        Err(Stillborn::At(stage, error)) => {
            return Err(failure(stage, &launch.program, &launch.cwd, &error.into()));
        }
    };
    Ok(Some(Held {
        handle: Handle::born(born.pidfd, started(born.pid)?),
        in_cgroup: born.in_cgroup,
    }))
}

/// What is executed, by which name, with which words and variables.
fn program(launch: &Launch, account: Option<&Account>) -> io::Result<Program> {
    let command = begin(launch);
    let bytes = |text: &OsStr| text.as_bytes().to_vec();
    let mut args = vec![match command.get_program() == launch.program.as_os_str() {
        true => bytes(launch.program.as_os_str()),
        false => b"sentinel".to_vec(),
    }];
    args.extend(command.get_args().map(bytes));
    let mut variables: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let own = command
        .get_envs()
        .filter_map(|(name, value)| Some((bytes(name), bytes(value?))));
    variables.extend(own);
    let texts = |(name, value): (String, String)| (name.into_bytes(), value.into_bytes());
    let known = account.map(Account::variables).unwrap_or_default();
    variables.extend(known.into_iter().map(|(name, value)| texts((name.into(), value))));
    variables.extend(launch.env.iter().cloned().map(texts));
    let env = variables
        .into_iter()
        .map(|(name, value)| [name, value].join(&b'='))
        .collect();
    Program::new(command.get_program().as_bytes(), args, env)
}

fn by_fork(launch: Launch, account: Option<&Account>) -> Result<Held, String> {
    let (mut report, reporter) = io::pipe().map_err(|error| format!("cannot make a pipe: {error}"))?;
    let mut steps = Steps::new(&launch.rights, account, &launch.cwd, Some(reporter.into()));
    let mut command = begin(&launch);
    steps.sockets = launch.sockets;
    steps.cgroup = launch.cgroup.and_then(|cgroup| cgroup::door(&cgroup));
    let known = account.map(Account::variables).unwrap_or_default();
    command.envs(known).envs(launch.env);
    command
        .stdin(Stdio::null())
        .stdout(launch.stdout)
        .stderr(launch.stderr);
    // SAFETY: between fork and exec only async-signal-safe calls are made, and nothing is allocated or
    // locked: that is what `Steps` is for.
    unsafe {
        command.pre_exec(move || steps.take());
    }
    let spawned = command.spawn();
    // Closes our writing end, so that the report has an end.
    drop(command);
    let child = spawned.map_err(|error| {
        let mut reached = Vec::new();
        let _ = report.read_to_end(&mut reached);
        let stage = reached.last().and_then(|&number| Stage::numbered(number));
        failure(stage, &launch.program, &launch.cwd, &error) + &as_whom(account)
    })?;
    let identity = started(i32::try_from(child.id()).map_err(|error| error.to_string())?)?;
    let pid = identity.pid;
    match Handle::open(identity) {
        Ok(Some(handle)) => Ok(Held {
            handle,
            in_cgroup: false,
        }),
        Ok(None) => Err(format!("process {pid} vanished")),
        Err(error) => Err(format!("cannot hold process {pid}: {error}")),
    }
}

/// Not reaped yet, so the pid cannot be anybody else's.
fn started(pid: i32) -> Result<Identity, String> {
    match Identity::of(pid) {
        Ok(Some(identity)) => Ok(identity),
        Ok(None) => Err(format!("process {pid} is not in /proc; is /proc mounted?")),
        Err(error) => Err(format!("cannot look at process {pid}: {error}")),
    }
}

/// Gives a command that somebody else starts the folder and the rights of a service; in a session of its own.
///
/// # Errors
/// There is no such user or group.
pub fn equip(command: &mut Command, rights: &Rights, cwd: &Path) -> io::Result<()> {
    let account = Account::of(rights).map_err(|(message, _)| io::Error::other(message))?;
    let steps = Steps::new(rights, account.as_ref(), cwd, None);
    command.envs(account.as_ref().map(Account::variables).unwrap_or_default());
    // SAFETY: as in `spawn`.
    unsafe {
        command.pre_exec(move || steps.take());
    }
    Ok(())
}

/// The program; or, when a variable must name its pid, sentinel itself, which sets it and becomes the program.
fn begin(launch: &Launch) -> Command {
    let watched = launch.env.iter().any(|(name, _)| name == WATCHDOG);
    if launch.sockets.is_empty() && !watched {
        let mut command = Command::new(&launch.program);
        command.args(&launch.args).env_clear();
        return command;
    }
    let numbers: Vec<String> = launch
        .sockets
        .iter()
        .map(|socket| socket.as_raw_fd().to_string())
        .collect();
    // This very program, though its file may be replaced by now, or out of the user's reach.
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("sentinel")
        .args(["activate", "--"])
        .arg(&launch.program)
        .args(&launch.args);
    command.env_clear().env(FROM, numbers.join(","));
    command
}

/// Which stage failed, why, and what to do about it.
fn failure(stage: Option<Stage>, program: &Path, cwd: &Path, error: &io::Error) -> String {
    let kind = error.kind();
    match stage {
        None => format!("cannot fork: {error}{}", way_out_of_fork(kind)),
        Some(Stage::Exec) => exec(program, error),
        Some(Stage::Folder) => format!("cannot enter its folder {} (chdir): {error}", cwd.display()),
        Some(stage @ (Stage::Groups | Stage::Group | Stage::User)) => {
            format!(
                "cannot {}: {error}; only root can: run sentinel as root",
                stage.words()
            )
        }
        Some(
            stage @ (Stage::Nice
            | Stage::OomScore
            | Stage::OpenFiles
            | Stage::Memory
            | Stage::Processes
            | Stage::Core),
        ) => format!(
            "cannot {}: {error}; only root may ask for more than sentinel itself has",
            stage.words()
        ),
        Some(stage @ (Stage::Session | Stage::Sockets | Stage::Signals | Stage::NoNewPrivs)) => {
            format!("cannot {}: {error}", stage.words())
        }
    }
}

fn way_out_of_fork(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::WouldBlock => "; the limit of processes is reached (ulimit -u, pids.max)",
        io::ErrorKind::OutOfMemory => "; this host has no memory left",
        _ => "",
    }
}

fn exec(program: &Path, error: &io::Error) -> String {
    let shown = program.display();
    match error.kind() {
        io::ErrorKind::NotFound if program.exists() => {
            format!("cannot execute {shown}: its interpreter (the #! line) is missing")
        }
        io::ErrorKind::WouldBlock => {
            format!("cannot execute {shown}: its user has too many processes already (`limits.processes`)")
        }
        io::ErrorKind::OutOfMemory => {
            format!("cannot execute {shown}: {error}; is `limits.memory` too low for it?")
        }
        _ => format!("cannot execute {shown}: {error}"),
    }
}

/// ` (as user trader)`.
fn as_whom(account: Option<&Account>) -> String {
    let another = account.filter(|account| account.is_another());
    another.map_or_else(String::new, |account| format!(" (as user {})", account.shown()))
}
