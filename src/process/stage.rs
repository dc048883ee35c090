//! What a new process does between fork and exec, step by step, so that a failure names its step.
//!
//! Everything is prepared before the fork; after it, only system calls are made: nothing is allocated or
//! locked, since another thread of the parent may have held a lock that nobody releases in the child.

use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use rustix::fs::{CWD, OFlags};
use rustix::io::{Errno, FdFlags};
use rustix::process::{Resource, Rlimit};
use rustix::thread as own;

use super::account::Account;
use super::descriptors;
use super::spawn::{ignored, reset_signals};
use crate::service::{Limit, Rights};

/// A step, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// A session of its own.
    Session,
    /// Handed-over sockets stay open.
    Sockets,
    /// Signals act as by default.
    Signals,
    /// The niceness.
    Nice,
    /// The OOM killer's favour.
    OomScore,
    /// Resource limits.
    OpenFiles,
    /// The same of memory.
    Memory,
    /// The same of processes.
    Processes,
    /// The same of core dumps.
    Core,
    /// The user's groups.
    Groups,
    /// The group.
    Group,
    /// The user.
    User,
    /// The working folder.
    Folder,
    /// No new privileges.
    NoNewPrivs,
    /// The program.
    Exec,
}

/// All of them, so that a number finds its stage.
const ALL: [Stage; 15] = [
    Stage::Session,
    Stage::Sockets,
    Stage::Signals,
    Stage::Nice,
    Stage::OomScore,
    Stage::OpenFiles,
    Stage::Memory,
    Stage::Processes,
    Stage::Core,
    Stage::Groups,
    Stage::Group,
    Stage::User,
    Stage::Folder,
    Stage::NoNewPrivs,
    Stage::Exec,
];

/// Everything that the steps need, prepared.
pub(super) struct Steps {
    pub(super) sockets: Vec<OwnedFd>,
    /// `cgroup.procs` of the run's own cgroup.
    pub(super) cgroup: Option<OwnedFd>,
    folder: CString,
    /// Signals that whoever started us had ignored.
    ignored: &'static [Signal],
    account: Option<Prepared>,
    umask: Option<u32>,
    nice: Option<i32>,
    oom_score: Option<String>,
    limits: Vec<(Stage, Resource, Limit)>,
    /// The limit that we were given, where ours was raised and nothing is declared.
    soft_descriptors: Option<u64>,
    no_new_privs: bool,
    /// Where the stage is written that failed, if somebody reads it.
    report: Option<OwnedFd>,
}

struct Prepared {
    uid: own::Uid,
    gid: own::Gid,
    groups: Vec<own::Gid>,
}

impl Steps {
    /// Prepares them. `report` is the writing end of a pipe that exec closes.
    pub(super) fn new(
        rights: &Rights,
        account: Option<&Account>,
        folder: &Path,
        report: Option<OwnedFd>,
    ) -> Self {
        let limits = &rights.limits;
        let limits = [
            (Stage::OpenFiles, Resource::Nofile, limits.open_files),
            (Stage::Memory, Resource::As, limits.memory),
            (Stage::Processes, Resource::Nproc, limits.processes),
            (Stage::Core, Resource::Core, limits.core),
        ];
        let prepared = |account: &Account| Prepared {
            uid: own::Uid::from_raw(account.uid),
            gid: own::Gid::from_raw(account.gid),
            groups: account
                .groups
                .iter()
                .map(|&gid| own::Gid::from_raw(gid))
                .collect(),
        };
        Self {
            sockets: Vec::new(),
            cgroup: None,
            // A path from the configuration or the file system holds no NUL.
            folder: CString::new(folder.as_os_str().as_bytes()).unwrap_or_default(),
            ignored: ignored(),
            account: account.filter(|account| account.is_another()).map(prepared),
            umask: rights.umask,
            nice: rights.nice,
            oom_score: rights.oom_score_adjust.map(|score| score.to_string()),
            limits: limits
                .into_iter()
                .filter_map(|(stage, resource, limit)| Some((stage, resource, limit?)))
                .collect(),
            soft_descriptors: descriptors::given().filter(|_| rights.limits.open_files.is_none()),
            no_new_privs: rights.no_new_privs,
            report,
        }
    }

    /// Takes all steps; to be called in the new process only.
    pub(super) fn take(&self) -> io::Result<()> {
        let taken = self.take_each();
        // Without a failure the next thing is exec, so its number is there should it fail.
        let stage = taken.err().map_or(Stage::Exec, |(stage, _)| stage);
        if let Some(report) = &self.report {
            let _ = rustix::io::write(report, &[stage as u8]);
        }
        taken.map_err(|(_, error)| error.into())
    }

    /// The same, and which step failed.
    pub(super) fn take_each(&self) -> Result<(), (Stage, Errno)> {
        let at = |stage| move |error| (stage, error);
        rustix::process::setsid().map_err(at(Stage::Session))?;
        if let Some(cgroup) = &self.cgroup {
            // Never required: whoever starts us looks whether it worked.
            let _ = rustix::io::write(cgroup, b"0");
        }
        for socket in &self.sockets {
            rustix::io::fcntl_setfd(socket, FdFlags::empty()).map_err(at(Stage::Sockets))?;
        }
        reset_signals(self.ignored).map_err(at(Stage::Signals))?;
        hold_nothing_back().map_err(at(Stage::Signals))?;
        if let Some(mask) = self.umask {
            umask(Mode::from_bits_truncate(mask));
        }
        self.limit()?;
        self.become_user()?;
        rustix::process::chdir(self.folder.as_c_str()).map_err(at(Stage::Folder))?;
        if self.no_new_privs {
            own::set_no_new_privs(true).map_err(at(Stage::NoNewPrivs))?;
        }
        Ok(())
    }

    /// While we still may: raising any of these needs privileges that another user lacks.
    fn limit(&self) -> Result<(), (Stage, Errno)> {
        let at = |stage| move |error| (stage, error);
        if let Some(nice) = self.nice {
            rustix::process::setpriority_process(None, nice).map_err(at(Stage::Nice))?;
        }
        if let Some(score) = &self.oom_score {
            let flags = OFlags::WRONLY | OFlags::CLOEXEC;
            rustix::fs::openat(CWD, c"/proc/self/oom_score_adj", flags, rustix::fs::Mode::empty())
                .and_then(|file| rustix::io::write(&file, score.as_bytes()))
                .map_err(at(Stage::OomScore))?;
        }
        if let Some(soft) = self.soft_descriptors {
            let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
            let given = Rlimit {
                current: Some(soft),
                maximum,
            };
            rustix::process::setrlimit(Resource::Nofile, given).map_err(at(Stage::OpenFiles))?;
        }
        for &(stage, resource, limit) in &self.limits {
            let bound = match limit {
                Limit::At(number) => Some(number),
                Limit::Unlimited => None,
            };
            let both = Rlimit {
                current: bound,
                maximum: bound,
            };
            rustix::process::setrlimit(resource, both).map_err(at(stage))?;
        }
        Ok(())
    }

    /// The system calls themselves, not the C library's: those signal all threads, of which a fork has one.
    fn become_user(&self) -> Result<(), (Stage, Errno)> {
        let Some(Prepared { uid, gid, groups }) = &self.account else {
            return Ok(());
        };
        let at = |stage| move |error| (stage, error);
        own::set_thread_groups(groups).map_err(at(Stage::Groups))?;
        own::set_thread_res_gid(*gid, *gid, *gid).map_err(at(Stage::Group))?;
        own::set_thread_res_uid(*uid, *uid, *uid).map_err(at(Stage::User))
    }
}

/// exec keeps what is held back.
fn hold_nothing_back() -> Result<(), Errno> {
    let none = nix::sys::signal::SigSet::empty();
    none.thread_set_mask()
        .map_err(|error| Errno::from_raw_os_error(error as i32))
}

impl Stage {
    /// The stage of a number that the new process wrote.
    pub(super) fn numbered(number: u8) -> Option<Self> {
        ALL.get(usize::from(number)).copied()
    }

    /// `cannot …`, in a person's words, and the name of the system call behind it.
    pub(super) fn words(self) -> &'static str {
        match self {
            Stage::Session => "make a session (setsid)",
            Stage::Sockets => "keep its sockets open (fcntl)",
            Stage::Signals => "reset its signals (sigaction)",
            Stage::Nice => "set `nice` (setpriority)",
            Stage::OomScore => "set `oom_score_adjust` (oom_score_adj)",
            Stage::OpenFiles => "set `limits.open_files` (setrlimit)",
            Stage::Memory => "set `limits.memory` (setrlimit)",
            Stage::Processes => "set `limits.processes` (setrlimit)",
            Stage::Core => "set `limits.core` (setrlimit)",
            Stage::Groups => "take on its user's groups (setgroups)",
            Stage::Group => "take on its group (setgid)",
            Stage::User => "take on its user (setuid)",
            Stage::Folder => "enter its folder (chdir)",
            Stage::NoNewPrivs => "set `no_new_privs` (prctl)",
            Stage::Exec => "execute its program (exec)",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL, Stage};

    #[test]
    fn every_number_finds_its_stage() {
        for (number, stage) in ALL.into_iter().enumerate() {
            assert_eq!(stage as usize, number);
            assert_eq!(Stage::numbered(u8::try_from(number).unwrap()), Some(stage));
        }
        assert_eq!(Stage::numbered(99), None);
    }
}
