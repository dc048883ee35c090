//! How long a supervisor may take to answer: one that works, or waits for a processor, is not one that hangs.

use std::fs;
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// One that has not begun its answer by then hangs, unless it can be seen to work.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// One that works and has not answered by then is stuck in its work.
const AT_MOST: Duration = Duration::from_secs(15);

/// Waits for one supervisor.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    supervisor: Option<i32>,
    /// With one that shows no life.
    first: Duration,
    /// With one that works.
    whole: Duration,
}

impl Patience {
    /// With this supervisor, and in no case longer than `limit`.
    pub fn with(supervisor: Option<i32>, limit: Duration) -> Self {
        Self {
            supervisor,
            first: limit.min(ANSWER_WITHIN),
            whole: limit.min(AT_MOST),
        }
    }

    /// The answer; none of one that hangs.
    pub async fn wait<T>(self, answer: impl Future<Output = T>) -> Option<T> {
        let end = Instant::now() + self.whole;
        let mut answer = std::pin::pin!(answer);
        let mut before = self.look();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if let Ok(answer) = timeout(self.first.min(left), &mut answer).await {
                return Some(answer);
            }
            let now = self.look();
            let lives = matches!((&before, &now), (Some(before), Some(now)) if now.works_since(before));
            if !lives || Instant::now() >= end {
                return None;
            }
            before = now;
        }
    }

    fn look(&self) -> Option<Signs> {
        Signs::of(self.supervisor?)
    }
}

/// Signs of life of a process.
#[derive(Debug)]
struct Signs {
    state: char,
    /// Nanoseconds on a processor, and waiting for one: `schedstat` (Documentation/scheduler/sched-stats).
    ran: String,
}

impl Signs {
    fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let state = stat.rsplit_once(')')?.1.trim_start().chars().next()?;
        let ran = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
        Some(Self { state, ran })
    }

    fn works_since(&self, before: &Self) -> bool {
        let ended_or_stopped = matches!(self.state, 'T' | 't' | 'Z' | 'X');
        !ended_or_stopped && (self.state == 'R' || self.ran != before.ran)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};

    fn patience(child: &Child) -> Patience {
        Patience {
            supervisor: Some(child.id().cast_signed()),
            first: Duration::from_millis(100),
            whole: Duration::from_secs(60),
        }
    }

    async fn late() -> u32 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        7
    }

    /// Ended with its test.
    struct Process(Child);

    impl Process {
        fn begin(script: &str) -> Self {
            Self(Command::new("sh").args(["-c", script]).spawn().expect("a shell"))
        }
    }

    impl Drop for Process {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[tokio::test]
    async fn who_works_is_waited_for() {
        let works = Process::begin("while :; do :; done");
        assert_eq!(patience(&works.0).wait(late()).await, Some(7));
    }

    #[tokio::test]
    async fn who_works_for_ever_is_not_waited_for_for_ever() {
        let works = Process::begin("while :; do :; done");
        let mut patience = patience(&works.0);
        patience.whole = Duration::from_millis(250);
        assert_eq!(patience.wait(late()).await, None);
    }

    #[tokio::test]
    async fn who_sleeps_or_is_stopped_hangs() {
        let sleeps = Process::begin("exec sleep 60");
        let until = |wanted: char, child: &Child| {
            let pid = child.id().cast_signed();
            while Signs::of(pid).is_some_and(|signs| signs.state != wanted) {
                std::thread::yield_now();
            }
        };
        until('S', &sleeps.0);
        // Whatever it still had to do, it does not do it for that long.
        assert_eq!(patience(&sleeps.0).wait(std::future::pending::<()>()).await, None);
        let works = Process::begin("while :; do :; done");
        let pid = nix::unistd::Pid::from_raw(works.0.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).expect("ours");
        until('T', &works.0);
        assert_eq!(patience(&works.0).wait(std::future::pending::<()>()).await, None);
    }
}
