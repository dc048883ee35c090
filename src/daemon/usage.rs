//! CPU and memory of the services' leaders, looked up only when somebody asks.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::process::{Consumption, consumption};

/// CPU is measured between two looks that are at least so far apart; the clock's tick is a hundredth of a second.
const APART: Duration = Duration::from_millis(200);

/// Remembers the last looks, so that CPU is measured between two of them.
#[derive(Debug, Default)]
pub struct Usage(HashMap<i32, Seen>);

/// What a process uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Used {
    /// Percent of one core since the last look; since its start at the first look.
    pub cpu_percent: f64,
    /// Resident memory, in bytes.
    pub memory_bytes: u64,
}

/// One process, as last seen.
#[derive(Clone, Copy, Debug)]
struct Seen {
    now: Consumption,
    /// Its CPU time at the look that is measured from, and when that was.
    from: (f64, Instant),
    /// Percent of one core between the last two looks.
    recent: Option<f64>,
}

impl Usage {
    /// Nothing looked up yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at these processes.
    pub fn look(&mut self, pids: &[i32]) {
        let at = Instant::now();
        let looked = pids.iter().filter_map(|&pid| Some((pid, consumption(pid)?)));
        let seen = looked.map(|(pid, now)| (pid, Seen::after(self.0.get(&pid), now, at)));
        self.0 = seen.collect();
    }

    /// The CPU time that one has used, in seconds.
    #[must_use]
    pub fn cpu_seconds(&self, pid: i32) -> Option<f64> {
        Some(self.0.get(&pid)?.now.cpu_seconds)
    }

    /// What was seen of one that has lived for `uptime_s` seconds.
    #[must_use]
    pub fn of(&self, pid: i32, uptime_s: f64) -> Option<Used> {
        let seen = self.0.get(&pid)?;
        let average = seen.now.cpu_seconds * 100.0 / uptime_s.max(0.1);
        let cpu = seen.recent.filter(|recent| *recent > 0.0).unwrap_or(average);
        Some(Used {
            cpu_percent: (cpu * 10.0).round() / 10.0,
            memory_bytes: seen.now.memory_bytes,
        })
    }
}

impl Seen {
    fn after(earlier: Option<&Self>, now: Consumption, at: Instant) -> Self {
        // Another process may have the pid by now.
        let Some(earlier) = earlier.filter(|earlier| earlier.now.start == now.start) else {
            return Self {
                now,
                from: (now.cpu_seconds, at),
                recent: None,
            };
        };
        let passed = at - earlier.from.1;
        if passed < APART {
            return Self { now, ..*earlier };
        }
        Self {
            now,
            from: (now.cpu_seconds, at),
            recent: Some((now.cpu_seconds - earlier.from.0) * 100.0 / passed.as_secs_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_measured_between_looks_that_are_apart() {
        let began = Instant::now();
        let used = |cpu_seconds, start| Consumption {
            start,
            cpu_seconds,
            memory_bytes: 4096,
        };
        let first = Seen::after(None, used(1.0, 7), began);
        assert_eq!(first.recent, None);
        let soon = Seen::after(Some(&first), used(1.1, 7), began + APART / 2);
        assert_eq!(soon.recent, None, "a tick is too coarse for so short a time");
        let later = Seen::after(Some(&soon), used(1.5, 7), began + Duration::from_secs(1));
        assert_eq!(later.recent, Some(50.0));
        let another = Seen::after(Some(&later), used(0.1, 8), began + Duration::from_secs(2));
        assert_eq!(another.recent, None, "another process with the same pid");
        let usage = Usage(HashMap::from([(3, later)]));
        assert_eq!(usage.of(3, 10.0).map(|used| used.cpu_percent), Some(50.0));
        assert_eq!(usage.of(4, 10.0), None);
    }
}
