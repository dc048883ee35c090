//! A process that we hold: a pidfd proven to be the one we mean, so that no signal hits a successor.

use super::Identity;
use super::ended;
use crate::descriptor;
use crate::service::Exit;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal, pidfd_getfd, pidfd_open, pidfd_send_signal};
use std::io;

/// A pidfd (pidfd_open(2)) proven to be that identity. Needs Linux 5.3.
#[derive(Debug)]
pub struct Handle {
    pidfd: OwnedFd,
    identity: Identity,
}

impl Handle {
    /// Takes hold of the process; `None` when it is gone, or another process has its pid by now.
    ///
    /// The order is the proof: the pidfd pins *some* process first; if the start time read after that
    /// is the one we look for, our process still had the pid then, and so it is the pinned one.
    ///
    /// # Errors
    /// The kernel refused a pidfd (descriptors exhausted, no such system call), or /proc a look.
    pub fn open(identity: Identity) -> io::Result<Option<Handle>> {
        // 0 and negative numbers name groups, not processes.
        let Some(pid) = Some(identity.pid).filter(|pid| *pid > 0).and_then(Pid::from_raw) else {
            return Ok(None);
        };
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            // INVAL (NOENT since 6.9): the number is a thread's by now, so no process has it as its pid.
            Err(Errno::SRCH | Errno::INVAL | Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let same = Identity::of(identity.pid)? == Some(identity);
        Ok(same.then_some(Handle { pidfd, identity }))
    }

    /// Of a process that the kernel gave us together with its pidfd, and that nobody has reaped since.
    pub(super) fn born(pidfd: OwnedFd, identity: Identity) -> Self {
        Self { pidfd, identity }
    }

    /// Sends a signal by its number; `false` when the process is already gone.
    ///
    /// # Errors
    /// The number is no signal that has a name, or the process is not ours to signal (EPERM).
    pub fn signal(&self, signal: i32) -> io::Result<bool> {
        let signal = Signal::from_named_raw(signal).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{signal} is not a signal"))
        })?;
        match pidfd_send_signal(&self.pidfd, signal) {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until it has exited (all threads of it); at once if it has. It need not be our child.
    ///
    /// # Errors
    /// No descriptor was left to wait with.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O enabled.
    pub async fn exited(&self) -> io::Result<()> {
        // A descriptor of its own: two waiters on one process are two registrations in the runtime's epoll.
        let waiter = descriptor::readable(self.pidfd.try_clone()?)?;
        waiter.readable().await?.retain_ready();
        Ok(())
    }

    /// Whether it still runs. A zombie does not: it holds no port, file or memory any more.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let now = Timespec::default();
        // A pidfd is readable once its process has exited. poll cannot fail with one valid descriptor.
        !matches!(retry_on_intr(|| poll(&mut fds, Some(&now))), Ok(1..))
    }

    /// How it ended, though it is not our child: known once its parent has reaped it, on Linux 6.15 and
    /// later. To be asked after [`Handle::exited`].
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        ended::exit(&self.pidfd)
    }

    /// A copy of what it has open under this number.
    ///
    /// # Errors
    /// It has nothing open there, or we may not trace it.
    pub fn descriptor(&self, number: i32) -> io::Result<OwnedFd> {
        Ok(pidfd_getfd(&self.pidfd, number, PidfdGetfdFlags::empty())?)
    }

    /// Whom we hold.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.identity
    }
}

#[cfg(test)]
mod tests {
    use super::Handle;
    use crate::process::Identity;
    use std::process::{Child, Command};
    use std::time::Duration;

    fn sleeper() -> (Child, Identity) {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let identity = Identity::of(i32::try_from(child.id()).unwrap()).unwrap().unwrap();
        (child, identity)
    }

    #[tokio::test]
    async fn two_waiters_see_the_exit_of_a_signalled_process() {
        let (mut child, identity) = sleeper();
        let handle = Handle::open(identity).unwrap().unwrap();
        assert!(handle.is_alive());
        assert!(handle.signal(15).unwrap());
        let both = async { tokio::join!(handle.exited(), handle.exited()) };
        let (one, two) = tokio::time::timeout(Duration::from_secs(60), both).await.unwrap();
        one.unwrap();
        two.unwrap();
        assert!(!handle.is_alive());
        child.wait().unwrap();
        assert!(
            !handle.signal(15).unwrap(),
            "a reaped process is told from a live one"
        );
        assert!(Handle::open(identity).unwrap().is_none());
    }

    #[test]
    fn a_recycled_pid_is_not_the_process_we_mean() {
        let (mut child, identity) = sleeper();
        let earlier = Identity {
            start: identity.start - 1,
            ..identity
        };
        assert!(Handle::open(earlier).unwrap().is_none());
        assert!(Handle::open(Identity { pid: 0, ..identity }).unwrap().is_none());
        assert!(Handle::open(Identity { pid: -1, ..identity }).unwrap().is_none());
        assert_eq!(child.try_wait().unwrap(), None, "nobody was signalled");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_number_that_is_no_signal_is_refused() {
        let (mut child, identity) = sleeper();
        let handle = Handle::open(identity).unwrap().unwrap();
        assert!(handle.signal(0).is_err());
        assert!(handle.signal(4711).is_err());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_thread_is_not_a_process() {
        let (send, receive) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let tid = nix::unistd::gettid().as_raw();
            send.send(Identity::of(tid).unwrap().unwrap()).unwrap();
            std::thread::park();
        });
        assert!(Handle::open(receive.recv().unwrap()).unwrap().is_none());
        thread.thread().unpark();
        thread.join().unwrap();
    }
}
