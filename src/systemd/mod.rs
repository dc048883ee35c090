//! The unit by which systemd runs a house: which it is, and how systemd is asked about it.
//!
//! A supervisor that systemd began is replaced by systemd, never beside it: systemd would see its main
//! process end, begin another one, and two would want one house.

mod living;
mod unit_file;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lock::Lock;
use crate::paths::Paths;
pub use unit_file::{Account, Draft, MARKER};

/// A systemd service that runs `sentinel run`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its name, with `.service`.
    pub name: String,
    /// Whose systemd runs it.
    pub scope: Scope,
}

/// Whose systemd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The user's own (`systemctl --user`).
    User,
    /// The host's.
    System,
}

impl Scope {
    fn as_str(self) -> &'static str {
        match self {
            Scope::User => "user",
            Scope::System => "system",
        }
    }

    /// `systemctl` of this scope. It never asks for a password: cron has nobody to type one.
    #[must_use]
    pub fn systemctl(self) -> Command {
        let mut command = Command::new("systemctl");
        command.args([&format!("--{}", self.as_str()), "--no-ask-password", "--no-pager"]);
        if self == Scope::User && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
            // cron and su do not set it, and systemctl finds the user's systemd by nothing else.
            command.env("XDG_RUNTIME_DIR", format!("/run/user/{}", nix::unistd::getuid()));
        }
        command
    }

    /// Where unit files of this scope are written. `home` and `config_home` are `$HOME` and `$XDG_CONFIG_HOME`.
    #[must_use]
    pub fn folder(self, home: Option<&Path>, config_home: Option<&Path>) -> Option<PathBuf> {
        match self {
            Scope::System => Some("/etc/systemd/system".into()),
            Scope::User => {
                let config = config_home.map(Path::to_path_buf);
                let config = config.or_else(|| home.map(|home| home.join(".config")));
                config.map(|config| config.join("systemd/user"))
            }
        }
    }
}

/// The path of a line of /proc/PID/cgroup, if it is of the hierarchy by which systemd tells units.
fn tracked(line: &str) -> Option<&str> {
    line.strip_prefix("0::")
        .or_else(|| line.split_once(":name=systemd:").map(|(_, path)| path))
}

/// Whether a variable of this environment begins so; with a zero byte at the end, whether it is that.
fn has(environ: &[u8], wanted: &str) -> bool {
    let mut variables = environ.split_inclusive(|&byte| byte == 0);
    variables.any(|variable| variable.starts_with(wanted.as_bytes()))
}

/// Whether systemd runs this host (sd_booted(3)).
#[must_use]
pub fn is_running() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

impl Unit {
    /// The unit that runs this house: that of its living supervisor, or else the one that `install` wrote down.
    #[must_use]
    pub fn of_house(paths: &Paths) -> Option<Self> {
        if !is_running() {
            return None;
        }
        let pid = Lock::holder(&paths.supervisor_lock()).and_then(|held| held.pid);
        // One that was written down and removed since runs nothing.
        let recorded = || Self::recorded(paths).filter(Self::is_known);
        pid.and_then(Self::of_process).or_else(recorded)
    }

    /// The unit that began this process by `sentinel run`: by itself, or by a script around it.
    #[must_use]
    pub fn of_process(pid: i32) -> Option<Self> {
        let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        Self::from_proc(pid, &environ, &cgroup).or_else(|| Self::around(pid, &environ, &cgroup))
    }

    /// systemd tells the process that it has executed itself, and the process only, by `$SYSTEMD_EXEC_PID`;
    /// a user's systemd also sets `$MANAGERPID` (systemd.exec(5)).
    fn from_proc(pid: i32, environ: &[u8], cgroup: &str) -> Option<Self> {
        has(environ, &format!("SYSTEMD_EXEC_PID={pid}\0"))
            .then(|| Self::of_cgroup(environ, cgroup))
            .flatten()
    }

    /// The innermost unit that this process is in.
    fn of_cgroup(environ: &[u8], cgroup: &str) -> Option<Self> {
        let scope = if has(environ, "MANAGERPID=") || cgroup.contains("/user@") {
            Scope::User
        } else {
            Scope::System
        };
        let name = cgroup
            .lines()
            .filter_map(tracked)
            .flat_map(|path| path.split('/').rev())
            .find(|part| part.ends_with(".service"))?;
        Some(Self {
            name: name.to_owned(),
            scope,
        })
    }

    /// What `install` wrote down.
    #[must_use]
    pub fn recorded(paths: &Paths) -> Option<Self> {
        let text = fs::read_to_string(paths.unit()).ok()?;
        let (scope, name) = text.trim_end().split_once(' ')?;
        let scope = [Scope::User, Scope::System]
            .into_iter()
            .find(|known| known.as_str() == scope)?;
        Some(Self {
            name: name.to_owned(),
            scope,
        })
    }

    /// Writes down that this unit runs the house.
    ///
    /// # Errors
    /// The state folder cannot be written.
    pub fn record(&self, paths: &Paths) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        let mut folder = fs::DirBuilder::new();
        folder.recursive(true).mode(0o700).create(&paths.state_dir)?;
        fs::write(paths.unit(), format!("{} {}\n", self.scope.as_str(), self.name))
    }

    /// `systemctl` with this verb, about this unit.
    #[must_use]
    pub fn systemctl(&self, words: &[&str]) -> Command {
        let mut command = self.scope.systemctl();
        command.args(words).arg(&self.name);
        command
    }

    /// The command by which a person has systemd do this to it: `systemctl --user restart web.service`.
    #[must_use]
    pub fn systemctl_words(&self, verb: &str) -> String {
        match self.scope {
            Scope::User => format!("systemctl --user {verb} {}", self.name),
            Scope::System => format!("systemctl {verb} {}", self.name),
        }
    }

    /// Where to read what systemd and the supervisor said.
    #[must_use]
    pub fn journal(&self) -> String {
        match self.scope {
            Scope::User => format!("journalctl --user -u {}", self.name),
            Scope::System => format!("journalctl -u {}", self.name),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scope {
            Scope::User => write!(f, "systemd's {} (user)", self.name),
            Scope::System => write!(f, "systemd's {}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIFIED: &str =
        "0::/user.slice/user-1000.slice/user@1000.service/app.slice/sentinel.service/supervisor\n";
    const HYBRID: &str = "8:pids:/other\n1:name=systemd:/system.slice/market.service\n0::/\n";

    fn unit(name: &str, scope: Scope) -> Unit {
        Unit {
            name: name.into(),
            scope,
        }
    }

    #[test]
    fn the_process_that_systemd_executed_knows_its_unit() {
        let environ = b"PATH=/bin\0SYSTEMD_EXEC_PID=42\0MANAGERPID=7\0";
        assert_eq!(
            Unit::from_proc(42, environ, UNIFIED),
            Some(unit("sentinel.service", Scope::User))
        );
        let environ = b"SYSTEMD_EXEC_PID=42\0";
        assert_eq!(
            Unit::from_proc(42, environ, HYBRID),
            Some(unit("market.service", Scope::System))
        );
    }

    #[test]
    fn a_daemon_begun_from_a_unit_is_not_the_unit() {
        assert_eq!(Unit::from_proc(43, b"SYSTEMD_EXEC_PID=42\0", UNIFIED), None);
        assert_eq!(Unit::from_proc(42, b"PATH=/bin\0", UNIFIED), None);
    }

    #[test]
    fn what_is_written_down_is_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let paths = Paths::of(&folder.path().join("services.toml"));
        assert_eq!(Unit::recorded(&paths), None);
        for written in [unit("a.service", Scope::User), unit("b c.service", Scope::System)] {
            written.record(&paths).expect("written");
            assert_eq!(Unit::recorded(&paths), Some(written));
        }
    }

    #[test]
    fn unit_files_go_where_systemd_looks() {
        let home = Path::new("/home/a");
        let user = |config| Scope::User.folder(Some(home), config);
        assert_eq!(user(None), Some("/home/a/.config/systemd/user".into()));
        assert_eq!(user(Some(Path::new("/c"))), Some("/c/systemd/user".into()));
        assert_eq!(
            Scope::System.folder(None, None),
            Some("/etc/systemd/system".into())
        );
        assert_eq!(Scope::User.folder(None, None), None);
    }
}
