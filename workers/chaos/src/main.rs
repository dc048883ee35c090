//! A worker that misbehaves on request: for demonstrations and for tests of a supervisor.

mod inherit;
mod notify;
mod serve;
mod signals;

use std::io::Write;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Does what it is told, however bad.
#[derive(Debug, Parser)]
struct Cli {
    /// Listen on this port of 127.0.0.1 and answer every HTTP request.
    #[arg(long)]
    listen: Vec<u16>,
    /// Answer on the socket that was handed over, as sd_listen_fds(3) has it.
    #[arg(long)]
    activated: bool,
    /// Begin to listen only after this many milliseconds.
    #[arg(long, default_value_t = 0)]
    listen_after: u64,
    /// Answer requests with status 503 from this many milliseconds on.
    #[arg(long)]
    sick_after: Option<u64>,
    /// Answer requests with status 503 while this file exists.
    #[arg(long)]
    sick_while: Option<std::path::PathBuf>,
    /// Do not end on SIGTERM, SIGINT and SIGHUP.
    #[arg(long)]
    ignore_term: bool,
    /// End after this many milliseconds, with the code of `--code`.
    #[arg(long)]
    exit_after: Option<u64>,
    /// The exit code.
    #[arg(long, default_value_t = 0)]
    code: u8,
    /// Start a descendant that ignores SIGTERM and outlives this process.
    #[arg(long, value_enum)]
    leave: Vec<Leave>,
    /// Print this line on standard output at the start.
    #[arg(long)]
    say: Vec<String>,
    /// Print this line on standard error at the start.
    #[arg(long)]
    complain: Vec<String>,
    /// Print this text without a newline and keep going.
    #[arg(long)]
    mutter: Option<String>,
    /// Print a numbered line on standard output this often, in milliseconds; 0 means without a pause.
    #[arg(long)]
    chatter: Option<u64>,
    /// Write to standard output without a pause: whole lines, or one line without an end.
    #[arg(long, value_enum)]
    flood: Option<Flood>,
    /// Tell the supervisor READY=1 over NOTIFY_SOCKET after this many milliseconds.
    #[arg(long)]
    notify_after: Option<u64>,
    /// Say this over NOTIFY_SOCKET at the start; `{pid}` stands for this process's pid.
    #[arg(long)]
    tell: Vec<String>,
    /// Say it so many milliseconds later than READY=1.
    #[arg(long, default_value_t = 0)]
    tell_after: u64,
    /// Say WATCHDOG=1 over NOTIFY_SOCKET this often, in milliseconds.
    #[arg(long)]
    heartbeat: Option<u64>,
    /// Say it only so many times, then hang.
    #[arg(long)]
    heartbeats: Option<u64>,
    /// Use so much memory, in MiB.
    #[arg(long)]
    eat: Option<usize>,
    /// Be root altogether, where this program is set-user-id root.
    #[arg(long)]
    become_root: bool,
    /// Leave the session of whoever started this process.
    #[arg(long, hide = true)]
    setsid: bool,
    /// Start the rest of the command line as a child and exit at once.
    #[arg(long, hide = true)]
    daemonize: bool,
}

/// What a flood consists of.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Flood {
    /// Lines of 100 bytes.
    Lines,
    /// One line that never ends.
    Endless,
}

/// Where a descendant goes.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Leave {
    /// It stays in the same process group.
    Group,
    /// It makes a session of its own.
    Session,
    /// Double fork and a session of its own: its parent is gone at once.
    Daemon,
}

/// When it is to be sick.
fn illness(cli: &Cli) -> serve::Illness {
    serve::Illness {
        after: cli.sick_after.map(Duration::from_millis),
        file: cli.sick_while.clone(),
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.daemonize {
        return begin(&["--ignore-term", "--setsid"]);
    }
    if cli.setsid {
        let _ = nix::unistd::setsid();
    }
    if cli.ignore_term {
        signals::ignore();
    }
    for leave in &cli.leave {
        let code = match leave {
            Leave::Group => begin(&["--ignore-term"]),
            Leave::Session => begin(&["--ignore-term", "--setsid"]),
            Leave::Daemon => begin(&["--daemonize"]),
        };
        if code != ExitCode::SUCCESS {
            return code;
        }
    }
    if cli.become_root {
        become_root();
    }
    speak(&cli);
    let _eaten = cli.eat.map(|mebibytes| vec![1_u8; mebibytes << 20]);
    report(&cli);
    pause(cli.listen_after);
    let illness = illness(&cli);
    for &port in &cli.listen {
        if let Err(error) = serve::listen(port, illness.clone()) {
            eprintln!("chaos: cannot listen on port {port}: {error}");
            return ExitCode::FAILURE;
        }
    }
    if cli.activated {
        match inherit::listener() {
            Ok(listener) => serve::answer_on(listener, illness),
            Err(error) => {
                eprintln!("chaos: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    if let Some(after) = cli.exit_after {
        pause(after);
        return ExitCode::from(cli.code);
    }
    if let Some(every) = cli.heartbeat {
        notify::heartbeat(every, cli.heartbeats);
    }
    if let Some(how) = cli.flood {
        flood(how);
    }
    match cli.chatter {
        Some(every) => chatter(every),
        None => loop {
            std::thread::park();
        },
    }
}

/// What is said over NOTIFY_SOCKET at the start.
fn report(cli: &Cli) {
    if let Some(after) = cli.notify_after {
        pause(after);
        notify::tell("READY=1\n");
    }
    pause(cli.tell_after);
    cli.tell.iter().for_each(|text| notify::tell(text));
}

/// Not only by the file's mode: so that whoever started us may not signal us any more.
fn become_root() {
    if let Err(error) = nix::unistd::setuid(nix::unistd::Uid::from_raw(0)) {
        eprintln!("chaos: cannot become root: {error}");
    }
}

/// Starts another of us.
fn begin(arguments: &[&str]) -> ExitCode {
    let started =
        std::env::current_exe().and_then(|me| Command::new(me).args(arguments).stdin(Stdio::null()).spawn());
    match started {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chaos: cannot start a descendant: {error}");
            ExitCode::FAILURE
        }
    }
}

fn speak(cli: &Cli) {
    for line in &cli.say {
        println!("{line}");
    }
    for line in &cli.complain {
        eprintln!("{line}");
    }
    if let Some(text) = &cli.mutter {
        print!("{text}");
        let _ = std::io::stdout().flush();
    }
}

/// A mebibyte at a time, as fast as it is read; nobody left to read it is the end.
fn flood(how: Flood) {
    let mut block = vec![b'x'; 1 << 20];
    if matches!(how, Flood::Lines) {
        block
            .iter_mut()
            .skip(99)
            .step_by(100)
            .for_each(|byte| *byte = b'\n');
    }
    let mut out = std::io::stdout().lock();
    while out.write_all(&block).is_ok() {}
}

fn chatter(every: u64) -> ! {
    let mut number: u64 = 0;
    loop {
        println!("line {number}");
        number += 1;
        pause(every);
    }
}

/// Lets time pass. Misbehaving on time is this program's purpose; nothing is awaited.
fn pause(milliseconds: u64) {
    if milliseconds > 0 {
        let (_never, silence) = mpsc::channel::<()>();
        let _ = silence.recv_timeout(Duration::from_millis(milliseconds));
    }
}
