//! The text of the unit that runs a house. Proven by `systemd-analyze verify`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use super::Scope;

/// The first line of a unit that `install` wrote, and so may write again or remove.
pub const MARKER: &str = "# Written by `sentinel install`; `sentinel uninstall` removes it.";

/// What the text says.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Whose systemd reads it.
    pub scope: Scope,
    /// The `sentinel` binary, absolute.
    pub program: PathBuf,
    /// services.toml, absolute.
    pub config: PathBuf,
    /// The caller's `$PATH`: systemd's own has no pyenv, nvm or ~/.local/bin.
    pub path: String,
    /// Who runs it; None: whoever runs systemd.
    pub account: Option<Account>,
    /// What taking all services down may need.
    pub stop_takes: Duration,
}

/// An account of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its user name.
    pub user: String,
    /// Its primary group's name.
    pub group: String,
}

impl Draft {
    /// The whole text.
    #[must_use]
    pub fn text(&self) -> String {
        let folder = self.config.parent().unwrap_or(&self.config);
        let sentinel = format!(
            "{} --config {}",
            word(&self.program.display().to_string()),
            word(&self.config.display().to_string())
        );
        let mut text = format!("{MARKER}\n[Unit]\n");
        let _ = writeln!(
            text,
            "Description=sentinel, the services of {}",
            plain(&self.config.display().to_string())
        );
        text.push_str(self.order());
        let _ = write!(text, "\n[Service]\nType=notify\nNotifyAccess=main\n");
        if let Some(account) = &self.account {
            let _ = writeln!(text, "User={}\nGroup={}", account.user, account.group);
        }
        let _ = writeln!(text, "WorkingDirectory={}", plain(&folder.display().to_string()));
        let _ = writeln!(text, "Environment={}", quote(&format!("PATH={}", self.path)));
        let _ = writeln!(text, "ExecStart={sentinel} run\nExecReload={sentinel} reload");
        text.push_str(LIFE);
        let _ = writeln!(text, "TimeoutStopSec={}", self.stop_takes.as_secs().max(1));
        text.push_str(HARDENING);
        let target = match self.scope {
            Scope::User => "default.target",
            Scope::System => "multi-user.target",
        };
        let _ = write!(text, "\n[Install]\nWantedBy={target}\n");
        text
    }

    /// A user's systemd does not know the host's network targets.
    fn order(&self) -> &'static str {
        match self.scope {
            Scope::User => "StartLimitIntervalSec=60\nStartLimitBurst=10\n",
            Scope::System => {
                "Wants=network-online.target\nAfter=network-online.target\nStartLimitIntervalSec=60\nStartLimitBurst=10\n"
            }
        }
    }
}

/// `sentinel shutdown` and a refusal of services.toml are ends that systemd must not undo.
const LIFE: &str = "\
# The services' own start times bound the start.
TimeoutStartSec=infinity
Restart=on-failure
RestartSec=1
RestartPreventExitStatus=2 5
WatchdogSec=30
# SIGTERM to the supervisor alone: it knows the order. What it leaves is killed.
KillMode=mixed
# A cgroup for each run, below this one.
Delegate=yes
OOMPolicy=continue
";

/// What holds for every service too. Nothing here hides a folder: workers write where they always did.
const HARDENING: &str = "\
NoNewPrivileges=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RestrictRealtime=yes
SystemCallArchitectures=native
UMask=0027
";

/// A path or sentence in a unit file: `%` begins a specifier (systemd.unit(5)).
fn plain(text: &str) -> String {
    text.replace('%', "%%")
}

/// One word of a command line, where `$` begins a variable (systemd.service(5), "Command lines").
fn word(text: &str) -> String {
    quote(&text.replace('$', "$$"))
}

/// One word, in quotes if it needs them (systemd.syntax(7)).
fn quote(text: &str) -> String {
    let escaped = plain(text).replace('\\', "\\\\").replace('"', "\\\"");
    if escaped.contains([' ', '\t', '"', '\'', ';', '\\']) {
        return format!("\"{escaped}\"");
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(scope: Scope) -> Draft {
        Draft {
            scope,
            program: "/opt/my tools/sentinel".into(),
            config: "/srv/100%/services.toml".into(),
            path: "/usr/bin:/bin".into(),
            account: None,
            stop_takes: Duration::from_secs(31),
        }
    }

    #[test]
    fn blanks_and_specifiers_stay_what_they_are() {
        let text = draft(Scope::User).text();
        assert!(text.starts_with(MARKER));
        assert!(
            text.contains("ExecStart=\"/opt/my tools/sentinel\" --config /srv/100%%/services.toml run\n")
        );
        assert!(text.contains("WorkingDirectory=/srv/100%%\n"));
        assert!(text.contains("TimeoutStopSec=31\n"));
        assert!(text.contains("WantedBy=default.target\n"));
        assert!(!text.contains("User="));
    }

    #[test]
    fn the_hosts_systemd_waits_for_the_network_and_runs_it_as_its_owner() {
        let mut draft = draft(Scope::System);
        draft.account = Some(Account {
            user: "alice".into(),
            group: "traders".into(),
        });
        let text = draft.text();
        assert!(text.contains("After=network-online.target\n"));
        assert!(text.contains("User=alice\nGroup=traders\n"));
        assert!(text.contains("WantedBy=multi-user.target\n"));
    }
}
