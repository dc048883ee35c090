//! Processes that hold sockets: `sleep` or `sh` with a listener as its standard input or output.

use sentinel::ports::{Caller, Flush, Outcome, PortPlan, PortReport, Rules};
use sentinel::process::{Identity, MARK, Mark, Table};
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// A child between fork and exec has copies of all our descriptors, so that it would be seen holding
/// the listeners of another test: no test makes a child while another has a listener in its hands.
static HANDS: Mutex<()> = Mutex::new(());

/// A child in a group of its own, which ends with this value.
pub struct Held {
    child: Child,
    says: BufReader<ChildStderr>,
}

impl Held {
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    pub fn identity(&self) -> Identity {
        Identity::of(self.pid()).unwrap().unwrap()
    }

    pub fn lives(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// The signal that it died of.
    pub fn signal(&mut self) -> Option<i32> {
        self.child.wait().unwrap().signal()
    }

    /// Ends it and its group, and reaps it.
    pub fn end(&mut self) {
        let group = nix::unistd::Pid::from_raw(self.pid());
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        let _ = self.child.wait();
    }

    pub fn next_line(&mut self) -> String {
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.end();
    }
}

/// How a holder is to be.
pub struct Holder<'a> {
    /// For `sh`; it says `ready` on stderr. Without one: `sleep`.
    pub script: Option<&'a str>,
    pub mark: Option<Mark>,
    pub second: Option<OwnedFd>,
}

pub const PLAIN: Holder<'static> = Holder {
    script: None,
    mark: None,
    second: None,
};

impl Holder<'_> {
    /// A child with the socket as its standard input, which has left our other descriptors behind.
    pub fn with(self, socket: impl Into<OwnedFd>) -> Held {
        let arguments = self
            .script
            .map_or(vec!["sleep", "60"], |script| vec!["sh", "-c", script]);
        let mut command = Command::new(arguments[0]);
        command
            .args(&arguments[1..])
            .stdin(Stdio::from(socket.into()))
            .stdout(self.second.map_or(Stdio::null(), Stdio::from))
            .stderr(Stdio::piped())
            .process_group(0)
            .env_remove(MARK);
        if let Some(mark) = self.mark {
            command.env(MARK, mark.to_env());
        }
        let mut child = command.spawn().unwrap();
        let says = BufReader::new(child.stderr.take().unwrap());
        let mut held = Held { child, says };
        if self.script.is_some() {
            assert_eq!(held.next_line(), "ready\n");
        }
        held
    }
}

/// Runs what makes listeners and children while no other test does.
pub fn alone<T>(make: impl FnOnce() -> T) -> T {
    let hands = HANDS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let made = make();
    drop(hands);
    made
}

/// A listener on a free port, and the port.
pub fn listener(address: &str) -> (TcpListener, u16) {
    let address = (address, 0).to_socket_addrs().unwrap().next().unwrap();
    let listener = TcpListener::bind(address).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A child that listens on a port of 127.0.0.1 and does nothing else.
pub fn server(holder: Holder<'_>) -> (Held, u16) {
    alone(|| {
        let (listener, port) = listener("127.0.0.1");
        (holder.with(listener), port)
    })
}

pub fn house() -> PathBuf {
    Path::new("/srv/test/.sentinel").to_path_buf()
}

pub fn mark(service: &str, number: u64) -> Option<Mark> {
    Some(Mark {
        number,
        service: service.to_string(),
        state_dir: house(),
    })
}

/// A flush with a short grace, no live runs and nothing protected.
pub fn flush() -> Flush {
    Flush {
        rules: Rules {
            protected: vec![],
            spare_managed: false,
            caller: Caller::current(&Table::read().unwrap()),
        },
        house: house(),
        live: vec![],
        keeper: None,
        grace: Duration::from_secs(60),
    }
}

pub async fn nothing_to_stop(services: Vec<String>) -> Result<(), String> {
    panic!("no service was to be stopped, but {services:?}")
}

/// Plans and frees one port.
pub async fn free(flush: &Flush, port: u16) -> PortReport {
    let plans = flush.plan(&[port]).unwrap();
    carry_out(flush, &plans).await
}

/// Carries out a plan of one port.
pub async fn carry_out(flush: &Flush, plans: &[PortPlan]) -> PortReport {
    let mut reports = flush.free(plans, nothing_to_stop).await;
    assert_eq!(reports.len(), 1);
    reports.remove(0)
}

/// Outcome, and each holder's pid, kind and signal.
pub fn brief(report: &PortReport) -> (Outcome, Vec<(i32, Option<&str>)>) {
    let holders = report
        .holders
        .iter()
        .map(|holder| (holder.pid, holder.signal.as_deref()));
    (report.outcome, holders.collect())
}
