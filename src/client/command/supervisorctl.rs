//! `sentinel supervisorctl`: supervisord's command line on sentinel's supervisor, for scripts that parse it.
//!
//! Words, lines and exit codes are those of supervisorctl 4.3, as it was run beside this. A service without `group`
//! is a group of its own, as a `[program:x]` without one is; `web@00` of `web` is `web:web_00`.

mod change;
mod files;
mod groups;
mod help;
mod signal;
mod wording;

use crate::api::{State, Status};
use crate::client::connection::{Connection, NoAnswer};
use crate::client::error::Error;
use crate::client::house;
use crate::exit::ExitCode;
use crate::paths::Paths;

use super::Caller;
use wording::Name;

/// One call of supervisorctl.
struct Call<'c> {
    caller: &'c Caller,
    paths: Paths,
    /// The worst so far; the last one that was told, as in the original.
    code: ExitCode,
}

pub(super) async fn run(caller: &Caller, words: &[String]) -> Result<ExitCode, Error> {
    let paths = house::locate(&caller.flags)?;
    let mut call = Call {
        caller,
        paths,
        code: ExitCode::Ok,
    };
    let (verb, arguments) = words
        .split_first()
        .map_or(("status", &[][..]), |(verb, rest)| (verb.as_str(), rest));
    match verb {
        "status" => call.status(arguments).await?,
        "start" | "stop" | "restart" => call.change(verb, arguments).await?,
        "tail" => call.tail(arguments).await?,
        "maintail" => call.maintail(arguments).await?,
        "signal" => call.signal(arguments).await?,
        "help" | "?" => call.help(arguments)?,
        // It leaves a prompt that there is none of here.
        "exit" | "quit" | "EOF" => call.say("", ExitCode::Ok)?,
        "pid" => call.pid(arguments).await?,
        "version" | "avail" | "reread" | "shutdown" | "reload" if !arguments.is_empty() => {
            let lines = format!("Error: {verb} accepts no arguments\n{}", help::usage(verb));
            call.say(&lines, ExitCode::Failed)?;
        }
        "add" => call.add(arguments).await?,
        "remove" => call.remove(arguments).await?,
        "clear" => call.clear(arguments).await?,
        "reload" => call.reload().await?,
        "fg" | "open" => call.instead(verb, arguments).await?,
        "version" => {
            if let Some(status) = call.up().await? {
                call.say(&status.supervisor.version, ExitCode::Ok)?;
            }
        }
        "avail" => call.avail().await?,
        "reread" => call.reread().await?,
        "update" => call.update(arguments).await?,
        "shutdown" => call.shutdown().await?,
        _ => call.say(
            &format!("*** Unknown syntax: {}", words.join(" ")),
            ExitCode::Failed,
        )?,
    }
    Ok(call.code)
}

impl Call<'_> {
    /// Prints a line; a code other than 0 is what the call ends with.
    fn say(&mut self, line: &str, code: ExitCode) -> Result<(), Error> {
        if code != ExitCode::Ok {
            self.code = code;
        }
        self.caller.terminal.print(&format!("{line}\n"))
    }

    /// Why there is no answer, as supervisorctl says it.
    fn absent(&self, answer: &NoAnswer) -> String {
        let url = format!("unix://{}", self.paths.socket().display());
        match answer {
            NoAnswer::Absent => format!("{url} no such file"),
            NoAnswer::Unresponsive(_) | NoAnswer::Busy(..) => format!("{url} refused connection"),
            NoAnswer::Refused(failure) => failure.message.clone(),
            NoAnswer::Barred(_) => format!("{url} permission denied"),
            NoAnswer::Ended => format!("{url} closed the connection"),
            NoAnswer::Io(error) => format!("{url} {error}"),
        }
    }

    /// What the supervisor says, services by name as supervisorctl sorts them; nothing when it is not there.
    async fn ask_status(&self) -> Result<Status, NoAnswer> {
        let mut status = Connection::open(&self.paths).await?.status().await?;
        status.services.sort_by_cached_key(wording::address_of);
        Ok(status)
    }

    /// The same, telling when there is nobody to ask.
    async fn up(&mut self) -> Result<Option<Status>, Error> {
        match self.ask_status().await {
            Ok(status) => Ok(Some(status)),
            Err(answer) => {
                let code = match answer {
                    NoAnswer::Absent => ExitCode::CtlNotRunning,
                    NoAnswer::Unresponsive(_) | NoAnswer::Busy(..) => ExitCode::NoSupervisor,
                    NoAnswer::Refused(_) | NoAnswer::Barred(_) | NoAnswer::Ended | NoAnswer::Io(_) => {
                        ExitCode::Failed
                    }
                };
                let line = self.absent(&answer);
                self.say(&line, code)?;
                Ok(None)
            }
        }
    }

    async fn status(&mut self, names: &[String]) -> Result<(), Error> {
        let Some(status) = self.up().await? else {
            self.code = ExitCode::NoSupervisor;
            return Ok(());
        };
        let mut shown = Vec::new();
        if names.is_empty() || names.iter().any(|name| name == "all") {
            shown.extend(&status.services);
        } else {
            for name in names {
                let name = Name::parse(name);
                let before = shown.len();
                shown.extend(status.services.iter().filter(|service| name.means(service)));
                if shown.len() == before {
                    self.say(&name.unknown(), ExitCode::NoSupervisor)?;
                }
            }
        }
        for line in wording::status_lines(&shown, &jiff::tz::TimeZone::system()) {
            self.say(&line, ExitCode::Ok)?;
        }
        if shown
            .iter()
            .any(|service| matches!(service.state, State::Stopped | State::Exited | State::Fatal))
        {
            self.code = ExitCode::NotRunning;
        }
        Ok(())
    }

    async fn pid(&mut self, names: &[String]) -> Result<(), Error> {
        let Some(status) = self.up().await? else {
            return Ok(());
        };
        if names.is_empty() {
            return self.say(&status.supervisor.pid.unwrap_or(0).to_string(), ExitCode::Ok);
        }
        if names.iter().any(|name| name == "all") {
            for service in &status.services {
                self.say(&service.pid.unwrap_or(0).to_string(), ExitCode::Ok)?;
            }
            return Ok(());
        }
        for name in names.iter().map(|name| Name::parse(name)) {
            let meant: Vec<_> = status
                .services
                .iter()
                .filter(|service| name.means(service))
                .collect();
            if meant.is_empty() {
                self.say(&format!("No such process {}", name.given()), ExitCode::Failed)?;
            }
            for service in meant {
                match service.pid {
                    Some(pid) => self.say(&pid.to_string(), ExitCode::Ok)?,
                    None => self.say("0", ExitCode::CtlNotRunning)?,
                }
            }
        }
        Ok(())
    }
}
