//! `sentinel alert`: tries the ways on which alerts go, and shows what is wrong and what waits.

use std::time::Instant;

use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::alerts::{Kind, Message, Spool, State, Target, Told};
use crate::api::FailureKind;
use crate::cli::{AlertArgs, AlertCommand};
use crate::client::error::Error;
use crate::client::house;
use crate::client::render::words::{clean, latency};
use crate::config::Config;
use crate::deliver;
use crate::exit::ExitCode;

use super::Caller;

pub(super) async fn run(caller: &Caller, args: &AlertArgs) -> Result<ExitCode, Error> {
    let config = house::load(&caller.flags)?;
    match &args.command {
        AlertCommand::Test { names } => test(caller, &config, names).await,
        AlertCommand::List => list(caller, &config),
    }
}

/// How one delivery went.
struct Tried<'c> {
    target: &'c Target,
    result: Result<(), String>,
    took_ms: f64,
}

/// Delivers from here, now, past the spool: who tests wants to see it.
async fn test(caller: &Caller, config: &Config, names: &[String]) -> Result<ExitCode, Error> {
    let targets = chosen(config, names)?;
    let message = message(config);
    let tried = join_all(targets.into_iter().map(|target| attempt(target, &message))).await;
    let ok = tried.iter().all(|tried| tried.result.is_ok());
    if caller.terminal.json {
        let targets: Vec<Value> = tried.iter().map(as_json).collect();
        caller
            .terminal
            .print_json(&json!({"ok": ok, "targets": targets}))?;
    } else if !caller.terminal.quiet || !ok {
        let paint = caller.terminal.paint;
        let line = |tried: &Tried<'_>| {
            let (name, way, took) = (
                &tried.target.name,
                tried.target.way.word(),
                latency(tried.took_ms),
            );
            let name = if name == way {
                name.clone()
            } else {
                format!("{name} ({way})")
            };
            match &tried.result {
                Ok(()) => format!("{name}: {} in {took}\n", paint.good("delivered")),
                Err(why) => format!("{name}: {}: {}\n", paint.bad("not delivered"), clean(why)),
            }
        };
        caller
            .terminal
            .print(&tried.iter().map(line).collect::<String>())?;
    }
    Ok(if ok { ExitCode::Ok } else { ExitCode::Failed })
}

async fn attempt<'c>(target: &'c Target, message: &Message) -> Tried<'c> {
    let began = Instant::now();
    let result = deliver::send(target, message).await;
    Tried {
        target,
        result,
        took_ms: began.elapsed().as_secs_f64() * 1e3,
    }
}

fn as_json(tried: &Tried<'_>) -> Value {
    json!({
        "name": tried.target.name,
        "way": tried.target.way.word(),
        "ok": tried.result.is_ok(),
        "error": tried.result.as_ref().err(),
        "took_ms": (tried.took_ms * 10.0).round() / 10.0,
    })
}

fn chosen<'c>(config: &'c Config, names: &[String]) -> Result<Vec<&'c Target>, Error> {
    let targets = &config.alerts.targets;
    let known: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
    if targets.is_empty() {
        return Err(
            Error::failed("services.toml names nobody who is to be alerted").help(
                "[alerts] with webhook = \"https://…\", command = [\"program\"] or syslog = \"/dev/log\"",
            ),
        );
    }
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        let error = Error::new(FailureKind::Usage, format!("there is no target `{unknown}`"));
        return Err(error.help(format!("there are {}", known.join(", "))));
    }
    let wanted = |target: &&Target| names.is_empty() || names.contains(&target.name);
    Ok(targets.iter().filter(wanted).collect())
}

fn message(config: &Config) -> Message {
    let told = Told {
        kind: Kind::Supervisor,
        service: None,
        state: State::Test,
        words: "a test".into(),
        for_s: 0,
    };
    let host = nix::sys::utsname::uname();
    let host = host
        .map(|name| name.nodename().to_string_lossy().into_owned())
        .unwrap_or_default();
    let at = format!("{:.3}", Timestamp::now());
    let id = format!("test-{}-{at}", std::process::id());
    Message::of(
        id,
        &host,
        &config.paths.root.display().to_string(),
        at,
        vec![told],
    )
}

/// What is on disk: it is there without a supervisor too.
fn list(caller: &Caller, config: &Config) -> Result<ExitCode, Error> {
    let bytes = std::fs::read(config.paths.state_dir.join("alerts.json")).unwrap_or_default();
    let spool = Spool::parse(&bytes);
    let open: Vec<_> = spool
        .memory
        .open
        .iter()
        .filter(|open| open.told.is_some())
        .collect();
    if caller.terminal.json {
        let waiting: Vec<Value> = spool.waiting.iter().map(|waiting| json!(waiting)).collect();
        caller
            .terminal
            .print_json(&json!({"open": open, "waiting": waiting}))?;
        return Ok(ExitCode::Ok);
    }
    let mut text = String::new();
    for open in &open {
        let who = open.service.as_deref().unwrap_or("this host");
        text.push_str(&format!("{who}: {}: {}\n", open.kind.word(), clean(&open.words)));
    }
    for waiting in &spool.waiting {
        let why = waiting.trouble.as_deref().unwrap_or("on its way");
        let first = waiting.message.text.lines().next().unwrap_or_default();
        text.push_str(&format!(
            "waiting for {}: {} ({})\n",
            waiting.target,
            clean(first),
            clean(why)
        ));
    }
    if text.is_empty() {
        text.push_str("nothing is wrong, and nothing waits\n");
    }
    caller.terminal.print(&text)?;
    Ok(ExitCode::Ok)
}
