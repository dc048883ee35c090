//! `sentinel flush`: the assigned ports, freed and proven free.

use std::io::{BufRead, IsTerminal, Write};

use serde_json::json;

use crate::api::{Command, Route};
use crate::cli::FlushArgs;
use crate::client::connection::Connection;
use crate::client::error::Error;
use crate::client::render::{flushed, not_free, words::clean};
use crate::client::{holders, house, look, notes};
use crate::config::Config;
use crate::exit::ExitCode;
use crate::lock::{Lock, Refused};
use crate::paths::Paths;
use crate::ports::{self, Flush, Ownership, PlannedHolder, PortPlan, PortReport, Rules, Verdict};
use crate::process::Table;

use super::Caller;

pub(super) async fn run(caller: &Caller, args: &FlushArgs) -> Result<ExitCode, Error> {
    let config = house::load(&caller.flags)?;
    let wanted = wanted_ports(&config, &args.targets)?;
    let mut stopped = Vec::new();
    let mut held = if args.dry_run {
        None
    } else {
        Some(lock(&config.paths)?)
    };
    let flush = prepare(&config, args).await?;
    let mut plans = flush.plan(&wanted).map_err(|error| cannot_look(&error))?;
    refuse_unassigned(&config, &mut plans);
    let reports = if args.dry_run {
        flush.dry_run(&plans)
    } else {
        ask_about_strangers(caller, args, &plans)?;
        let stop = async |services: Vec<String>| {
            // The supervisor takes the lock for its own part.
            held = None;
            stop(&config.paths, &services).await?;
            stopped = services;
            held = Some(lock(&config.paths).map_err(|busy| busy.message)?);
            Ok(())
        };
        flush.free(&plans, stop).await
    };
    if !args.dry_run {
        notes::keep(&config.paths, &reports).await;
    }
    drop(held);
    let code = tell(caller, args, &reports)?;
    tell_stopped(caller, &stopped)?;
    Ok(code)
}

fn lock(paths: &Paths) -> Result<Lock, Error> {
    Lock::take(&paths.operation_lock(), "sentinel flush").map_err(|refused| match refused {
        Refused::Held(held) => Error::busy(&held),
        Refused::Io(error) => Error::failed(format!("cannot lock {}", paths.operation_lock().display()))
            .because(&error)
            .help("run this as the user who runs sentinel here"),
    })
}

async fn prepare(config: &Config, args: &FlushArgs) -> Result<Flush, Error> {
    let table = Table::read().map_err(|error| cannot_look(&error))?;
    let status = look::supervised(config).await?;
    Ok(Flush {
        rules: Rules {
            protected: config.protected_ports.clone(),
            spare_managed: args.strays,
            caller: ports::Caller::current(&table),
        },
        house: config.paths.state_dir.clone(),
        live: holders::live_runs(&status).map_err(|error| cannot_look(&error))?,
        keeper: holders::keeper(config, &status),
        grace: args.grace,
    })
}

fn cannot_look(error: &std::io::Error) -> Error {
    Error::failed("cannot see who listens on the ports").because(error)
}

/// The ports that the words mean, ascending: all assigned ones without a word.
fn wanted_ports(config: &Config, targets: &[String]) -> Result<Vec<u16>, Error> {
    let mut wanted = Vec::new();
    for target in targets {
        match target.parse::<u16>() {
            Ok(port) => wanted.push(port),
            Err(_) => {
                let named = house::chosen(config, std::slice::from_ref(target))?;
                wanted.extend(named.iter().flat_map(|spec| spec.ports.clone()));
            }
        }
    }
    if targets.is_empty() {
        wanted = assigned(config).collect();
    }
    wanted.sort_unstable();
    wanted.dedup();
    Ok(wanted)
}

fn assigned(config: &Config) -> impl Iterator<Item = u16> {
    config.services.iter().flat_map(|spec| spec.ports.clone())
}

/// Only assigned ports are ever touched. The system's and protected ones are refused by the rules themselves.
fn refuse_unassigned(config: &Config, plans: &mut [PortPlan]) {
    for plan in plans {
        let refused = matches!(plan.verdict, Verdict::Refuse(_));
        if !refused && assigned(config).all(|port| port != plan.port) {
            let reason = format!("port {} is assigned to no service in services.toml", plan.port);
            plan.verdict = Verdict::Refuse(reason);
        }
    }
}

/// On a terminal a person decides about processes that are not ours.
fn ask_about_strangers(caller: &Caller, args: &FlushArgs, plans: &[PortPlan]) -> Result<(), Error> {
    let strangers: Vec<(u16, &PlannedHolder)> = plans
        .iter()
        .filter(|plan| plan.verdict == Verdict::Clear)
        .flat_map(|plan| plan.holders.iter().map(|holder| (plan.port, holder)))
        .filter(|(_, holder)| holder.ownership == Ownership::Foreign)
        .collect();
    if strangers.is_empty() || args.yes || !can_ask() {
        return Ok(());
    }
    let foreign: Vec<u16> = strangers.iter().map(|(port, _)| *port).collect();
    for (port, holder) in strangers {
        let (command, pid) = (clean(&holder.command), holder.identity.pid);
        caller.terminal.complain(&format!(
            "port {port} is held by {command} (pid {pid}), which is not ours\n"
        ));
    }
    if confirmed() {
        return Ok(());
    }
    Err(Error::failed("nothing was touched").help(declined(args, plans, &foreign)))
}

/// What else there is to do about a stranger: the other ports can still be freed.
fn declined(args: &FlushArgs, plans: &[PortPlan], foreign: &[u16]) -> String {
    let free = |plan: &&PortPlan| plan.verdict == Verdict::Clear && !foreign.contains(&plan.port);
    let others: Vec<String> = plans
        .iter()
        .filter(free)
        .map(|plan| plan.port.to_string())
        .collect();
    if others.is_empty() {
        return "end that program yourself, or give the service another port in services.toml".into();
    }
    let strays = if args.strays { " --strays" } else { "" };
    format!(
        "only the other ports: sentinel flush{strays} {}",
        others.join(" ")
    )
}

/// A service that was in the way stays stopped: it is the port that was wanted.
fn tell_stopped(caller: &Caller, stopped: &[String]) -> Result<(), Error> {
    let terminal = &caller.terminal;
    if stopped.is_empty() || terminal.json || terminal.quiet {
        return Ok(());
    }
    let names = stopped.join(" ");
    terminal.print(&format!(
        "stopped: {names}; to start again: sentinel start {names}\n"
    ))
}

/// Whether somebody sits there who can answer a question.
fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

fn confirmed() -> bool {
    let mut answer = String::new();
    let asked = write!(std::io::stderr(), "end it? [y/N] ").is_ok();
    asked
        && std::io::stdin().lock().read_line(&mut answer).is_ok()
        && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// Has the supervisor stop services, so that they do not bounce back.
async fn stop(paths: &Paths, services: &[String]) -> Result<(), String> {
    let ask = async {
        let command = Command {
            services: services.to_vec(),
            of_flush: true,
            ..Command::default()
        };
        let connection = Connection::open(paths).await?;
        connection
            .send_command(Route::Stop, &command)
            .await?
            .outcome()
            .await
    };
    let outcome = ask.await.map_err(|error: Error| error.message)?;
    match outcome.error {
        Some(failure) => Err(failure.message),
        None if outcome.ok => Ok(()),
        None => Err(format!("the supervisor could not stop {}", services.join(", "))),
    }
}

fn tell(caller: &Caller, args: &FlushArgs, reports: &[PortReport]) -> Result<ExitCode, Error> {
    let terminal = &caller.terminal;
    let bad = not_free(reports);
    if terminal.json {
        terminal.print_json(&json!({"ok": bad.is_none(), "ports": reports}))?;
    } else if !terminal.quiet {
        terminal.print(&flushed(reports, args.dry_run, terminal.paint))?;
    }
    let Some((sentence, lines)) = bad else {
        return Ok(ExitCode::Ok);
    };
    let error = Error::failed(sentence).details(lines);
    terminal.complain(&error.to_text(terminal.paint_errors));
    Ok(error.code())
}
