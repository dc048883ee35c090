//! The binary does what it is told.

use std::io::Read;
use std::process::{Command, Stdio};

fn chaos(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
    command.args(arguments);
    command
}

#[test]
fn it_exits_with_the_code_it_was_told() {
    let status = chaos(&["--exit-after", "1", "--code", "7"])
        .status()
        .expect("it runs");
    assert_eq!(status.code(), Some(7));
}

#[test]
fn it_outlives_sigterm_when_told_to() {
    let mut child = chaos(&["--ignore-term", "--say", "here"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut said = [0; 5];
    child
        .stdout
        .take()
        .expect("piped")
        .read_exact(&mut said)
        .expect("it speaks");
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("signalled");
    assert_eq!(child.try_wait().expect("a child"), None);
    child.kill().expect("killed");
    child.wait().expect("reaped");
}
