//! `sentinel install` and `uninstall`: systemd begins the supervisor at boot, and again when it dies.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::unistd::{Gid, Group, Uid, User, geteuid};
use serde_json::json;

use crate::api::{FailureKind, Mode};
use crate::cli::{InstallArgs, UninstallArgs, UnitArgs};
use crate::client::error::Error;
use crate::client::house;
use crate::config::{self, Config};
use crate::exit::ExitCode;
use crate::lock::Lock;
use crate::paths::Paths;
use crate::systemd::{self, Account, Draft, MARKER, Scope, Unit};

use super::start::START;
use super::{Caller, restart};

/// What a supervisor may need to go, beyond its services' own stop timeouts.
const STOP_MARGIN: Duration = Duration::from_secs(20);
/// What systemd gives a process by itself (systemd.exec(5), "Environment Variables in Spawned Processes").
const GIVEN: [&str; 6] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG"];

pub(super) async fn install(caller: &Caller, args: &InstallArgs) -> Result<ExitCode, Error> {
    let config = house::load(&caller.flags)?;
    let unit = named(&args.unit)?;
    let text = draft(&config, &unit)?.text();
    if args.dry_run {
        caller.terminal.print(&text)?;
        return Ok(ExitCode::Ok);
    }
    if !systemd::is_running() {
        return Err(without_systemd(&config));
    }
    suffices_alone(&config)?;
    let file = file_of(&unit)?;
    may_write(&file)?;
    write(&file, &text)?;
    systemctl(unit.scope.systemctl().arg("daemon-reload"))?;
    systemctl(&mut unit.systemctl(&["enable"]))?;
    unit.record(&config.paths)
        .map_err(|error| Error::failed("cannot write into .sentinel").because(&error))?;
    tell(caller, &unit, &file)?;
    let runs = Lock::holder(&config.paths.supervisor_lock()).is_some();
    if args.no_start || runs {
        return Ok(ExitCode::Ok);
    }
    restart::begin(caller, &config, Mode::Start, &[], START).await
}

pub(super) fn uninstall(caller: &Caller, args: &UninstallArgs) -> Result<ExitCode, Error> {
    let paths = house::locate(&caller.flags)?;
    let unit = match Unit::recorded(&paths) {
        Some(recorded) if !args.unit.is_given() => recorded,
        Some(_) | None => named(&args.unit)?,
    };
    let file = file_of(&unit)?;
    if !file.exists() {
        let message = format!("{} is not there: nothing is installed", file.display());
        return Err(Error::failed(message).help("sentinel install"));
    }
    may_write(&file)?;
    // Stops the services too: without its unit, systemd would leave a supervisor that nobody watches.
    systemctl(&mut unit.systemctl(&["disable", "--now"]))?;
    fs::remove_file(&file)
        .map_err(|error| Error::failed(format!("cannot remove {}", file.display())).because(&error))?;
    systemctl(unit.scope.systemctl().arg("daemon-reload"))?;
    forget(&paths);
    if caller.terminal.json {
        caller
            .terminal
            .print_json(&json!({"ok": true, "unit": unit.name, "removed": file, "error": null}))?;
    } else if !caller.terminal.quiet {
        caller.terminal.print(&format!(
            "stopped {} with its services, and removed {}\n`sentinel start` begins a supervisor without systemd\n",
            unit.name,
            file.display()
        ))?;
    }
    Ok(ExitCode::Ok)
}

fn named(args: &UnitArgs) -> Result<Unit, Error> {
    let scope = match (args.user, args.system) {
        (true, _) => Scope::User,
        (false, true) => Scope::System,
        (false, false) if geteuid().is_root() => Scope::System,
        (false, false) => Scope::User,
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || "_-.@".contains(c);
    let name = args.name.trim_end_matches(".service");
    if name.is_empty() || !name.chars().all(legal) {
        let message = format!("`{}` is no name for a unit", args.name);
        return Err(Error::new(FailureKind::Usage, message).help("letters, digits and _ - . @"));
    }
    if scope == Scope::System && !geteuid().is_root() {
        let error = Error::new(FailureKind::Usage, "only root may install for the whole host");
        return Err(error.help("sudo sentinel install --system, or: sentinel install --user"));
    }
    Ok(Unit {
        name: format!("{name}.service"),
        scope,
    })
}

fn file_of(unit: &Unit) -> Result<PathBuf, Error> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let (home, config) = (variable("HOME"), variable("XDG_CONFIG_HOME"));
    let folder = unit.scope.folder(home.as_deref(), config.as_deref());
    let folder = folder.ok_or_else(|| Error::failed("$HOME is not set").help("set it, and try again"))?;
    Ok(folder.join(&unit.name))
}

fn draft(config: &Config, unit: &Unit) -> Result<Draft, Error> {
    let cannot = |error: io::Error| Error::failed("cannot see where sentinel is").because(&error);
    Ok(Draft {
        scope: unit.scope,
        program: std::env::current_exe().map_err(cannot)?,
        config: config.paths.config.clone(),
        path: std::env::var("PATH").unwrap_or_default(),
        account: match unit.scope {
            Scope::User => None,
            Scope::System => owner(&config.paths.config)?,
        },
        stop_takes: STOP_MARGIN
            + config
                .services
                .iter()
                .map(|spec| spec.stop.timeout)
                .sum::<Duration>(),
    })
}

/// Whoever owns services.toml runs what it says; None for root.
fn owner(file: &Path) -> Result<Option<Account>, Error> {
    let unknown = |what: &str| Error::failed(format!("{what} of {} has no name", file.display()));
    let metadata = fs::metadata(file)
        .map_err(|error| Error::failed(format!("cannot read {}", file.display())).because(&error))?;
    if metadata.uid() == 0 {
        return Ok(None);
    }
    let user = User::from_uid(Uid::from_raw(metadata.uid())).ok().flatten();
    let user = user.ok_or_else(|| unknown("the owner"))?;
    let group = Group::from_gid(Gid::from_raw(user.gid.as_raw())).ok().flatten();
    Ok(Some(Account {
        user: user.name,
        group: group.ok_or_else(|| unknown("the owner's group"))?.name,
    }))
}

/// systemd's supervisor will not have the variables of this shell.
fn suffices_alone(config: &Config) -> Result<(), Error> {
    let mut environment = config::environment();
    environment.retain(|name, _| GIVEN.contains(&name.as_str()));
    match config::load(&config.paths.config, &environment) {
        Ok(_) => Ok(()),
        Err(mistakes) => Err(Error::new(
            FailureKind::Config,
            "services.toml needs what only this shell's environment has",
        )
        .details(mistakes.to_string().lines().map(str::to_owned).collect())
        .help("put the variables into the env_file")),
    }
}

/// Only a unit that `install` wrote, for whichever house, is written over or removed.
fn may_write(file: &Path) -> Result<(), Error> {
    match fs::read_to_string(file) {
        Ok(text) if text.starts_with(MARKER) => Ok(()),
        Ok(_) => Err(
            Error::failed(format!("{} is there already, and not ours", file.display()))
                .help("another name: --name NAME"),
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::failed(format!("cannot read {}", file.display())).because(&error)),
    }
}

/// All of it or nothing: systemd may read it at any time.
fn write(file: &Path, text: &str) -> Result<(), Error> {
    let cannot = |error: io::Error| Error::failed(format!("cannot write {}", file.display())).because(&error);
    let draft = file.with_extension("new");
    fs::create_dir_all(file.parent().unwrap_or(Path::new("/"))).map_err(cannot)?;
    fs::write(&draft, text).map_err(cannot)?;
    fs::rename(&draft, file).map_err(cannot)
}

fn systemctl(command: &mut Command) -> Result<(), Error> {
    let shown: Vec<String> = command
        .get_args()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let failed = || Error::failed(format!("systemctl {} failed", shown.join(" ")));
    let output = command.output().map_err(|error| failed().because(&error))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(failed().details(words.lines().map(str::to_owned).collect()))
}

fn forget(paths: &Paths) {
    // A record of a unit that is gone would only make the next start ask systemd in vain.
    let _ = fs::remove_file(paths.unit());
}

fn tell(caller: &Caller, unit: &Unit, file: &Path) -> Result<(), Error> {
    let terminal = &caller.terminal;
    if terminal.quiet || terminal.json {
        return Ok(());
    }
    terminal.print(&format!("wrote and enabled {}\n", file.display()))?;
    let user = std::env::var("USER").unwrap_or_default();
    let lingers = Path::new("/var/lib/systemd/linger").join(&user).exists();
    if unit.scope == Scope::User && !lingers {
        terminal.print("it ends when you log out, unless: loginctl enable-linger\n")?;
    }
    let paths = house::locate(&caller.flags)?;
    match Lock::holder(&paths.supervisor_lock()).and_then(|held| held.pid) {
        Some(pid) if Unit::of_process(pid).as_ref() != Some(unit) => terminal.print(&format!(
            "the supervisor that runs now (pid {pid}) is not systemd's; `sentinel restart` makes it so\n"
        )),
        Some(_) | None => Ok(()),
    }
}

/// What to do on a host that something else boots.
fn without_systemd(config: &Config) -> Error {
    let program = std::env::current_exe().unwrap_or_else(|_| "sentinel".into());
    let start = format!("{} -c {}", program.display(), config.paths.config.display());
    // What boots a host does so as root.
    let of_boot = match owner(&config.paths.config).ok().flatten() {
        Some(account) => format!("su - {} -c '{start} -q start'", account.user),
        None => format!("{start} -q start"),
    };
    Error::failed("systemd does not run this host; nothing was installed")
        .details(vec![
            format!("in crontab (crontab -e):     @reboot {start} -q start"),
            format!("in /etc/rc.local:            {of_boot}"),
            format!("as a container's command:    {start} run"),
        ])
        .help("`sentinel cron install` writes the crontab, with a watchdog")
}
