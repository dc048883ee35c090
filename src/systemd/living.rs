//! What only a living systemd can tell of a unit: its main process, and whether there is such a unit at all.

use std::fs;

use nix::unistd::{Pid, getsid};

use super::{Unit, has};

impl Unit {
    /// The unit whose main process is this one's session leader: a script that runs `sentinel run`. A daemon
    /// that was begun from a unit (a job of cron's) has a session of its own, and is not the unit's to replace.
    pub(super) fn around(pid: i32, environ: &[u8], cgroup: &str) -> Option<Self> {
        let unit = Self::of_cgroup(environ, cgroup)?;
        let main = unit.main_process()?;
        let leads = getsid(Some(Pid::from_raw(pid))).is_ok_and(|session| session.as_raw() == main);
        // systemd before 248 does not tell a process that it executed it.
        let executed = main == pid && !has(environ, "SYSTEMD_EXEC_PID=");
        (executed || (leads && main != pid)).then_some(unit)
    }

    /// The unit that takes this daemon for its main process (`Type=forking`): it would follow its end.
    #[must_use]
    pub fn that_forks(pid: i32) -> Option<Self> {
        if !super::is_running() {
            return None;
        }
        let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let unit = Self::of_cgroup(&environ, &cgroup)?;
        (unit.main_process() == Some(pid)).then_some(unit)
    }

    /// The process by whose end systemd knows that the unit has ended; none while it does not run.
    #[must_use]
    pub fn main_process(&self) -> Option<i32> {
        self.property("MainPID")?.parse().ok().filter(|&pid| pid > 0)
    }

    /// Whether systemd lets its processes divide its cgroup (`Delegate=`).
    #[must_use]
    pub fn delegates(&self) -> bool {
        self.property("Delegate").is_some_and(|answer| answer == "yes")
    }

    /// Whether systemd begins it again, however it ends (`Restart=always`).
    #[must_use]
    pub fn begins_again(&self) -> bool {
        self.property("Restart").is_some_and(|answer| answer == "always")
    }

    /// Whether systemd knows it. In doubt it does.
    pub(super) fn is_known(&self) -> bool {
        self.property("LoadState")
            .is_none_or(|state| state != "not-found")
    }

    /// None when systemd cannot be asked.
    fn property(&self, name: &str) -> Option<String> {
        let property = format!("--property={name}");
        let output = self.systemctl(&["show", "--value", &property]).output().ok()?;
        let value = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (output.status.success() && !value.is_empty()).then_some(value)
    }

    /// The processes that systemd counts to it: all that ever came of its main process.
    #[must_use]
    pub fn members(&self) -> Vec<i32> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| self.counts(*pid)).collect()
    }

    fn counts(&self, pid: i32) -> bool {
        let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let paths = cgroup.lines().filter_map(super::tracked);
        paths
            .flat_map(|path| path.split('/'))
            .any(|part| part == self.name)
    }
}
