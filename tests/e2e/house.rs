//! A hermetic house: a temporary folder with a services.toml, the real `sentinel`, real workers, free
//! ports; at the end everything is taken down, and whatever is left fails the test.

use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// How long anything may take before a test gives up on it: far longer than it takes, but for a machine
/// with other work.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A house of one test.
pub struct House {
    folder: tempfile::TempDir,
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
    pub took: Duration,
}

impl Ran {
    /// Standard output as one JSON document.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }

    /// Asserts the exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Asserts that a person is told this, on either stream.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(
            self.out.contains(words) || self.err.contains(words),
            "does not say {words:?}: {self:#?}"
        );
        self
    }
}

impl House {
    /// A house with these services.
    pub fn new(services: &str) -> Self {
        build_workers();
        let folder = tempfile::Builder::new()
            .prefix("house")
            .tempdir()
            .expect("a temporary folder");
        let house = Self { folder };
        house.write(services);
        house
    }

    /// Replaces services.toml.
    pub fn write(&self, services: &str) {
        fs::write(self.path("services.toml"), services).expect("written");
    }

    /// A path in the house.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().expect("it exists").join(name)
    }

    /// `sentinel` with these arguments, in this house.
    pub fn command<I: AsRef<OsStr>>(&self, arguments: &[I]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sentinel"));
        command
            .arg("--config")
            .arg(self.path("services.toml"))
            .args(arguments);
        command
            .env_remove("SENTINEL_CONFIG")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    /// Runs `sentinel` to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let began = Instant::now();
        let output = self.command(arguments).output().expect("sentinel runs");
        ran(&output, began.elapsed())
    }

    /// `sentinel status --json`, whatever its exit code.
    pub fn status(&self) -> Value {
        self.run(&["status", "--json"]).json()
    }

    /// One service's entry in the status.
    pub fn service(&self, name: &str) -> Value {
        let status = self.status();
        let services = status["services"].as_array().expect("services").clone();
        services
            .into_iter()
            .find(|service| service["name"] == name)
            .unwrap_or_else(|| panic!("no {name}: {status}"))
    }

    /// The pid of a service's leader.
    pub fn pid(&self, name: &str) -> i32 {
        let pid = self.service(name)["pid"]
            .as_i64()
            .unwrap_or_else(|| panic!("{name} has no pid"));
        i32::try_from(pid).expect("a pid")
    }

    /// The pid of a service's leader, if it is ready.
    pub fn running(&self, name: &str) -> Option<i32> {
        let service = self.service(name);
        let pid = i32::try_from(service["pid"].as_i64()?).ok()?;
        (service["state"] == "RUNNING").then_some(pid)
    }

    /// The pid of the supervisor.
    pub fn supervisor(&self) -> i32 {
        i32::try_from(self.status()["supervisor"]["pid"].as_i64().expect("a supervisor")).expect("a pid")
    }

    /// A service's log, raw.
    pub fn log(&self, service: &str) -> String {
        fs::read_to_string(self.path(&format!("logs/{service}.log"))).unwrap_or_default()
    }

    /// Every living process that carries this house's mark.
    pub fn marked(&self) -> Vec<i32> {
        let mark = format!(":{}", self.path(".sentinel").display());
        let carries = |pid: &i32| {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let mut variables = environ.split(|&byte| byte == 0);
            variables.any(|v| v.starts_with(b"SENTINEL_RUN=") && v.ends_with(mark.as_bytes()))
        };
        pids()
            .into_iter()
            .filter(carries)
            .filter(|&pid| alive(pid))
            .collect()
    }

    /// Asserts that nothing of this house is left: no process, no socket, no lock.
    #[track_caller]
    pub fn is_empty(&self) {
        until("every process is gone", || self.marked().is_empty());
        for name in ["sock", "supervisor.lock", "operation.lock"] {
            assert!(
                !self.path(".sentinel").join(name).exists(),
                ".sentinel/{name} is left"
            );
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.command(&["-q", "shutdown"]).output();
        let left = self.marked();
        for &pid in &left {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        if !std::thread::panicking() {
            assert!(left.is_empty(), "left behind: {left:?}");
        } else {
            let log = fs::read_to_string(self.path("logs/sentinel.log")).unwrap_or_default();
            eprintln!("--- sentinel.log\n{log}");
        }
    }
}

fn ran(output: &Output, took: Duration) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
        took,
    }
}

/// Waits for a started `sentinel` to end.
pub fn finish(child: Child) -> Ran {
    let began = Instant::now();
    let output = child.wait_with_output().expect("it ends");
    ran(&output, began.elapsed())
}

/// Waits for a condition, with a deadline.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Of three tries one must go well: for what a stumble of a busy machine may spoil. What is wrong fails each time.
pub fn one_of_three(once: fn()) {
    if (0..2).any(|_| std::panic::catch_unwind(once).is_ok()) {
        return;
    }
    once();
}

/// Whether a process lives; a zombie does not.
pub fn alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // While other threads of it end, it still holds its locks and sockets.
    let threads = || fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    stat.rsplit_once(')')
        .is_some_and(|(_, fields)| !fields.starts_with(" Z") || threads() > 1)
}

/// Every pid there is.
pub fn pids() -> Vec<i32> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// Sends a signal to a process that this test started.
#[track_caller]
pub fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).expect("signalled");
}

/// A port that nobody uses, below the range from which clients' ports are taken.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let start = u16::try_from(std::process::id() % 40).expect("small") * 250;
        let port = 20_000 + (start + step) % 10_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
}

/// `cargo test --workspace` builds the workers; `cargo test -p sentinel` alone would not.
fn build_workers() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let folder = Path::new(env!("CARGO_BIN_EXE_sentinel"))
            .parent()
            .expect("a folder");
        let workers = ["chaos", "market-sim", "trade-stream", "browser-proxy"];
        if workers.iter().all(|worker| folder.join(worker).exists()) {
            return;
        }
        let packages = workers.iter().flat_map(|worker| ["-p", worker]);
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "--bins"])
            .args(packages)
            .status();
        assert!(
            built.is_ok_and(|status| status.success()),
            "the workers do not build"
        );
    });
}
