//! CPU and memory of the services' leaders, looked up only when somebody asks.

use std::fmt;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Remembers the last look, so that CPU is measured between two of them.
pub struct Usage(Option<System>);

/// What a process uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Used {
    /// Percent of one core since the last look; since its start at the first look.
    pub cpu_percent: f64,
    /// Resident memory, in bytes.
    pub memory_bytes: u64,
}

impl Usage {
    /// Nothing looked up yet.
    #[must_use]
    pub fn new() -> Self {
        Self(System::new().ok())
    }

    /// Looks at these processes.
    pub fn look(&mut self, pids: &[i32]) {
        let pids: Vec<Pid> = pids
            .iter()
            .filter_map(|&pid| Some(Pid::from_u32(u32::try_from(pid).ok()?)))
            .collect();
        let kind = ProcessRefreshKind::nothing()
            .with_cpu()
            .with_memory()
            .without_tasks();
        let Some(system) = &mut self.0 else { return };
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, kind);
    }

    /// The CPU time that one has used, in seconds.
    #[must_use]
    pub fn cpu_seconds(&self, pid: i32) -> Option<f64> {
        let pid = Pid::from_u32(u32::try_from(pid).ok()?);
        Some(self.0.as_ref()?.process(pid)?.accumulated_cpu_time() as f64 / 1e3)
    }

    /// What was seen of one that has lived for `uptime_s` seconds.
    #[must_use]
    pub fn of(&self, pid: i32, uptime_s: f64) -> Option<Used> {
        let process = self
            .0
            .as_ref()?
            .process(Pid::from_u32(u32::try_from(pid).ok()?))?;
        let average = process.accumulated_cpu_time() as f64 / 10.0 / uptime_s.max(0.1);
        let recent = f64::from(process.cpu_usage());
        let cpu = if recent > 0.0 { recent } else { average };
        Some(Used {
            cpu_percent: (cpu * 10.0).round() / 10.0,
            memory_bytes: process.memory(),
        })
    }
}

impl fmt::Debug for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Usage").finish_non_exhaustive()
    }
}
