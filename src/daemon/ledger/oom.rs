//! Whether a SIGKILL that nobody here sent was the kernel's OOM killer, and how sure that is.
//!
//! Sources, best first: the kernel's log, which names the process (/dev/kmsg, readable by root or with
//! `kernel.dmesg_restrict = 0`; printk's text "Killed process PID (…)" since Linux 2.6); the `oom_kill` count
//! of our control group (memory.events, cgroup v2; memory.oom_control, v1); the host's `oom_kill` count in
//! /proc/vmstat (since Linux 4.13), which says only that somebody was killed meanwhile.

use std::fs::{self, File};
use std::io::Read;
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::libc::O_NONBLOCK;

use crate::api::OomProof;
use crate::process::read_lines;

/// The most records of the kernel's log that are looked through.
const RECORDS: usize = 20_000;
/// How long a look before a start is good enough: of many starts at once, one looks.
const FRESH: Duration = Duration::from_secs(1);
/// How long after the count rose the log is asked about others who ended: it may have risen for several.
const AFTERMATH: Duration = Duration::from_secs(10);

/// The counts at the last look.
#[derive(Debug)]
pub struct Oom {
    cgroup: Option<u64>,
    host: Option<u64>,
    looked: Instant,
    rose: Option<Instant>,
}

impl Oom {
    /// Looks.
    #[must_use]
    pub fn look() -> Self {
        Self {
            cgroup: cgroup_count(),
            host: host_count(),
            looked: Instant::now(),
            rose: None,
        }
    }

    /// Looks again, so that what happened before a process began is not laid at its door.
    pub fn refresh(&mut self) {
        if self.looked.elapsed() >= FRESH {
            let rose = self.rose;
            *self = Self { rose, ..Self::look() };
        }
    }

    /// How we know that the OOM killer ended this process, which lived for `lived`; none if nothing says so.
    pub fn proof(&mut self, pid: i32, lived: Duration) -> Option<OomProof> {
        let rose =
            |before: Option<u64>, now: Option<u64>| before.zip(now).is_some_and(|(before, now)| now > before);
        let host = host_count();
        let host_rose = rose(self.host, host);
        let lately = self.rose.is_some_and(|at| at.elapsed() < AFTERMATH);
        // The host's count knows of every kill; the log is long, and this stands between an end and a new run.
        if host.is_some() && !host_rose && !lately {
            return None;
        }
        let (cgroup, before) = (cgroup_count(), self.cgroup);
        let risen = if host_rose {
            Some(Instant::now())
        } else {
            self.rose
        };
        (self.cgroup, self.host, self.looked, self.rose) = (cgroup, host, Instant::now(), risen);
        if in_kernel_log(pid, lived) {
            return Some(OomProof::KernelLog);
        }
        if rose(before, cgroup) {
            return Some(OomProof::Cgroup);
        }
        host_rose.then_some(OomProof::HostCount)
    }
}

fn host_count() -> Option<u64> {
    let mut count = None;
    let found = read_lines("/proc/vmstat", |line| {
        let number = line
            .strip_prefix(b"oom_kill ")
            .map(|number| std::str::from_utf8(number));
        count = number.and_then(|number| number.ok()?.trim().parse().ok());
        if count.is_some() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    found.ok().and(count)
}

fn cgroup_count() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let events = groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let file = match controllers {
            "" => PathBuf::from(format!("/sys/fs/cgroup{path}/memory.events")),
            _ if controllers.split(',').any(|one| one == "memory") => {
                PathBuf::from(format!("/sys/fs/cgroup/memory{path}/memory.oom_control"))
            }
            _ => return None,
        };
        fs::read_to_string(file).ok()
    })?;
    value(&events, "oom_kill")
}

/// The number after a name, in lines of `name number`.
fn value(text: &str, name: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    line.trim().parse().ok()
}

/// Whether the kernel's log says that this process was killed, in its own lifetime.
fn in_kernel_log(pid: i32, lived: Duration) -> bool {
    let log = File::options()
        .read(true)
        .custom_flags(O_NONBLOCK)
        .open("/dev/kmsg");
    let Ok(mut log) = log else { return false };
    let mut record = [0; 8192];
    let mut found = None;
    for _ in 0..RECORDS {
        match log.read(&mut record) {
            Ok(0) => break,
            Ok(length) => found = killed_at(&String::from_utf8_lossy(&record[..length]), pid).or(found),
            // Overwritten while we read: the next record is there.
            Err(error) if error.raw_os_error() == Some(nix::libc::EPIPE) => {}
            Err(_) => break,
        }
    }
    let uptime = fs::read_to_string("/proc/uptime").ok();
    let uptime = uptime.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    match (found, uptime) {
        (Some(at), Some(now)) => now - at <= lived.as_secs_f64() + 2.0,
        _ => false,
    }
}

/// Seconds since boot at which this record says that the process was killed.
fn killed_at(record: &str, pid: i32) -> Option<f64> {
    let (head, text) = record.split_once(';')?;
    let micros: f64 = head.split(',').nth(2)?.parse().ok()?;
    text.contains(&format!("Killed process {pid} ("))
        .then_some(micros / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_names_whom_it_killed() {
        let record =
            "3,1182,15213940114,-;Out of memory: Killed process 4242 (python3) total-vm:1kB\n SUB=x\n";
        assert_eq!(killed_at(record, 4242), Some(15_213.940_114));
        assert_eq!(killed_at(record, 424), None);
        let cgroup = "3,7,1000000,-;Memory cgroup out of memory: Killed process 7 (a b) total-vm:1kB";
        assert_eq!(killed_at(cgroup, 7), Some(1.0));
        assert_eq!(killed_at("garbage", 7), None);
    }

    #[test]
    fn counts_are_found_by_their_whole_name() {
        let text = "oom 4\noom_kill_group 9\noom_kill 12\n";
        assert_eq!(value(text, "oom_kill"), Some(12));
        assert_eq!(value("", "oom_kill"), None);
    }
}
