//! What a test needs of the kernel: namespaces, limits, another clock. Said loudly where it is not to be had.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Set for the half of a test that runs inside a namespace of its own.
const INSIDE: &str = "SENTINEL_FAULTS_INSIDE";

/// Says that this machine cannot do what the test needs. Not captured, so that nobody takes it for a pass.
pub fn skip(why: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "\nSKIPPED: {why}\n");
}

/// Runs the calling test again as the child of a new pid namespace's init, which reaps; true in there.
/// Outside it asserts that the inner half passed, or skips.
pub fn in_a_pid_namespace(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let user: &[&str] = if nix::unistd::geteuid().is_root() {
        &[]
    } else {
        &["--user", "--map-root-user"]
    };
    let unshare = |command: &[&str]| {
        let mut unshare = Command::new("unshare");
        unshare
            .args(user)
            .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(command);
        unshare
    };
    let possible = unshare(&["sh", "-c", "echo 999 > /proc/sys/kernel/ns_last_pid"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !possible {
        skip("no pid namespace in which pids can be chosen (unshare, ns_last_pid)");
        return false;
    }
    let me = std::env::current_exe().expect("this test");
    let me = me.to_str().expect("UTF-8");
    // The shell is init: it waits for anybody's child.
    let output = unshare(&[
        "sh",
        "-c",
        "\"$@\"; exit $?",
        "sh",
        me,
        "--exact",
        test,
        "--nocapture",
    ])
    .env(INSIDE, "1")
    .stdin(Stdio::null())
    .output()
    .expect("unshare runs");
    assert!(
        output.status.success(),
        "inside the namespace:\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    false
}

/// A library that is loaded before others and puts the wall clock off by what a file says, in seconds. None
/// without a C compiler.
pub fn clock_shim(folder: &Path) -> Option<PathBuf> {
    const SOURCE: &str = include_str!("clock_shim.c");
    let (source, library) = (folder.join("shim.c"), folder.join("shim.so"));
    std::fs::write(&source, SOURCE).expect("written");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status();
    built.is_ok_and(|status| status.success()).then_some(library)
}
