//! Watches how much memory a run's processes use together, for services that may not use more.
//!
//! There is nothing that the kernel could wake us by without a cgroup of our own, so this looks, at a
//! quarter of the time that it may last, every 10 s at least. The look is taken in another thread.

use std::path::PathBuf;
use std::time::Duration;

use tokio::task::AbortHandle;

use super::driver::Driver;
use super::mailbox::{Mailbox, Message};
use crate::api::{Fact, What};
use crate::process;
use crate::service::{MemoryMax, Run};
use crate::supervisor::{Input, Moment};

const OFTENEST: Duration = Duration::from_millis(50);
const SELDOMEST: Duration = Duration::from_secs(10);

/// Weighs one run, again and again, until it is dropped.
#[derive(Debug)]
pub struct Weighing {
    task: AbortHandle,
    most: MemoryMax,
    /// Since when it is too much.
    over_since: Option<Moment>,
    /// The last weight, in bytes.
    pub bytes: Option<u64>,
}

impl Drop for Weighing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Weighing {
    /// Begins; each weight becomes a message.
    #[must_use]
    pub fn begin(run: &Run, leader: i32, (house, mailbox): (PathBuf, Mailbox), most: MemoryMax) -> Self {
        let every = (most.lasting / 4).clamp(OFTENEST, SELDOMEST);
        let mark = process::Mark {
            number: run.number,
            service: run.service.to_string(),
            state_dir: house,
        };
        let run = run.clone();
        let task = tokio::task::spawn_local(async move {
            loop {
                let mark = mark.clone();
                let look = move || process::weigh(leader, &mark, most.bytes);
                if let Ok(Ok(bytes)) = tokio::task::spawn_blocking(look).await {
                    let run = run.clone();
                    mailbox.post(Message::Memory { run, bytes });
                }
                tokio::time::sleep(every).await;
            }
        });
        Self {
            task: task.abort_handle(),
            most,
            over_since: None,
            bytes: None,
        }
    }

    /// Takes a weight; whether it just became too much, and whether it has been for too long.
    fn judge(&mut self, now: Moment, bytes: u64) -> (bool, bool) {
        self.bytes = Some(bytes);
        if bytes <= self.most.bytes {
            self.over_since = None;
            return (false, false);
        }
        let first = self.over_since.is_none();
        let since = *self.over_since.get_or_insert(now);
        (first, now - since >= self.most.lasting)
    }
}

impl Driver {
    /// A run was weighed.
    pub(super) fn weigh(&mut self, run: &Run, bytes: u64) {
        let now = self.clock.now();
        let Some(weighing) = self.runs.get_mut(run).and_then(|state| state.memory.as_mut()) else {
            return;
        };
        let (first, too_long) = weighing.judge(now, bytes);
        let most = weighing.most;
        let words = format!(
            "its processes use {}, and memory_max is {}",
            shown(bytes),
            shown(most.bytes)
        );
        if first {
            self.record(Fact::of_run(run, What::MemoryHigh).detail(words.as_str()));
        }
        if too_long {
            let why = format!("{words}, for {} s", most.lasting.as_secs_f64());
            tracing::warn!(%run, "{why}");
            let run = run.clone();
            self.tell(Input::OverMemory { run, why });
        }
    }
}

/// `1.5 GiB`, `512.0 MiB`.
fn shown(bytes: u64) -> String {
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    match mebibytes < 1024.0 {
        true => format!("{mebibytes:.1} MiB"),
        false => format!("{:.1} GiB", mebibytes / 1024.0),
    }
}

#[cfg(test)]
mod tests {
    use super::{Weighing, shown};
    use crate::service::MemoryMax;
    use crate::supervisor::Moment;
    use std::time::Duration;

    #[tokio::test]
    async fn a_peak_is_forgiven_and_a_plateau_is_not() {
        let most = MemoryMax {
            bytes: 100,
            lasting: Duration::from_secs(10),
        };
        let mut weighing = Weighing {
            task: tokio::spawn(async {}).abort_handle(),
            most,
            over_since: None,
            bytes: None,
        };
        let mut judge = |second, bytes| weighing.judge(Moment(Duration::from_secs(second)), bytes);
        assert_eq!(judge(0, 100), (false, false), "as much as it may");
        assert_eq!(judge(1, 101), (true, false));
        assert_eq!(judge(10, 200), (false, false));
        assert_eq!(judge(11, 99), (false, false), "it gave it back");
        assert_eq!(judge(12, 300), (true, false));
        assert_eq!(judge(22, 101), (false, true));
        assert_eq!(shown(3 << 29), "1.5 GiB");
        assert_eq!(shown(1 << 20), "1.0 MiB");
    }
}
