//! `sentinel schedule`: what is done by the clock, listed or done now.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::api::{FailureKind, ScheduleResult, ScheduleRun};
use crate::cli::{ScheduleArgs, ScheduleRunArgs, ScheduleVerb};
use crate::client::connection::Connection;
use crate::client::error::Error;
use crate::client::house;
use crate::client::render;
use crate::config::Config;
use crate::diary::Diary;
use crate::exit::ExitCode;
use crate::lock::Refused;
use crate::schedule::{Deed, Schedule};
use crate::selector;

use super::Caller;

/// From the end of a program to its last words, should something that it left behind hold the pipe.
const LAST_WORDS: Duration = Duration::from_millis(500);

pub(super) async fn run(caller: &Caller, args: &ScheduleArgs) -> Result<ExitCode, Error> {
    let config = house::load(&caller.flags)?;
    match &args.verb {
        None | Some(ScheduleVerb::List) => list(caller, &config).await,
        Some(ScheduleVerb::Run(args)) => {
            let schedule = named(&config, &args.name)?;
            execute(caller, &config, schedule, args)
        }
    }
}

/// What the supervisor says; without one, what the file and the diary say.
async fn list(caller: &Caller, config: &Config) -> Result<ExitCode, Error> {
    let asked = match Connection::open(&config.paths).await {
        Ok(connection) => connection.status().await.ok(),
        Err(_) => None,
    };
    let supervised = asked.is_some();
    let schedules = asked.map_or_else(|| unsupervised(config), |status| status.schedules);
    let terminal = &caller.terminal;
    if terminal.json {
        terminal.print_json(&serde_json::json!({"supervised": supervised, "schedules": schedules}))?;
    } else if !terminal.quiet {
        terminal.print(&render::schedule_list(
            &schedules,
            supervised,
            terminal.width,
            terminal.paint,
        ))?;
    }
    Ok(ExitCode::Ok)
}

/// The schedules as the file has them: nobody will run them, so none has a next time.
pub(in crate::client) fn unsupervised(config: &Config) -> Vec<crate::api::Schedule> {
    let diary = Diary::of(&config.paths);
    let told = |schedule| diary.told(schedule, None, Timestamp::now());
    config.schedules.iter().map(told).collect()
}

fn named<'c>(config: &'c Config, name: &str) -> Result<&'c Schedule, Error> {
    let found = config.schedules.iter().find(|schedule| schedule.name == name);
    found.map(AsRef::as_ref).ok_or_else(|| {
        let error = Error::new(FailureKind::Usage, format!("there is no schedule `{name}`"));
        let known: Vec<_> = config
            .schedules
            .iter()
            .map(|schedule| (schedule.name.as_str(), None))
            .collect();
        match selector::select(name, &known) {
            _ if known.is_empty() => error.help("services.toml has no [schedules.NAME]"),
            Err(none) => error.help(none.help().replace("services:", "schedules:")),
            Ok(_) => error,
        }
    })
}

/// Does what a schedule does, and notes what became of it.
fn execute(
    caller: &Caller,
    config: &Config,
    schedule: &Schedule,
    args: &ScheduleRunArgs,
) -> Result<ExitCode, Error> {
    let diary = Diary::of(&config.paths);
    let mut run = ScheduleRun {
        result: ScheduleResult::Running,
        due: args.due.clone(),
        began: Timestamp::now().to_string(),
        took_s: None,
        exit_code: None,
        line: None,
    };
    let name = &schedule.name;
    let lock = match diary.begin(name) {
        Ok(lock) => lock,
        // The run that is under way has the diary.
        Err(Refused::Held(_)) => return skip(caller, name, "the run before it has not ended"),
        Err(Refused::Io(error)) => {
            return Err(
                Error::failed(format!("cannot note what becomes of schedule {name}")).because(&error),
            );
        }
    };
    let refused = schedule.condition.filter(|_| !args.force);
    if let Some(why) = refused.and_then(|condition| config.market.refuses(condition, Timestamp::now())) {
        (run.result, run.line) = (ScheduleResult::Skipped, Some(why.to_owned()));
        note(&diary, name, &run)?;
        return skip(caller, name, why);
    }
    note(&diary, name, &run)?;
    let began = Instant::now();
    let (code, line) = perform(config, &schedule.deed);
    run.took_s = Some((began.elapsed().as_secs_f64() * 1e3).round() / 1e3);
    (run.exit_code, run.line) = (code, line);
    run.result = match code {
        Some(0) => ScheduleResult::Done,
        Some(75) => ScheduleResult::Skipped,
        Some(_) | None => ScheduleResult::Failed,
    };
    note(&diary, name, &run)?;
    drop(lock);
    Ok(conclude(caller, name, &run))
}

fn note(diary: &Diary, name: &str, run: &ScheduleRun) -> Result<(), Error> {
    diary.note(name, run).map_err(|error| {
        Error::failed(format!("cannot note what becomes of schedule {name}")).because(&error)
    })
}

fn skip(caller: &Caller, name: &str, why: &str) -> Result<ExitCode, Error> {
    caller
        .terminal
        .complain(&format!("skipped: schedule {name}: {why}\n"));
    Ok(ExitCode::Busy)
}

fn conclude(caller: &Caller, name: &str, run: &ScheduleRun) -> ExitCode {
    let line = run.line.as_deref().unwrap_or("no reason given");
    match run.result {
        ScheduleResult::Done => ExitCode::Ok,
        ScheduleResult::Skipped => {
            caller
                .terminal
                .complain(&format!("skipped: schedule {name}: {line}\n"));
            ExitCode::Busy
        }
        ScheduleResult::Failed | ScheduleResult::Missed | ScheduleResult::Running => {
            let how = run
                .exit_code
                .map_or_else(|| "killed".to_owned(), |code| format!("exit code {code}"));
            caller
                .terminal
                .complain(&format!("failed: schedule {name} ({how}): {line}\n"));
            ExitCode::Failed
        }
    }
}

/// Runs it, passing on what it writes. Answers its exit code, and the line that says most.
fn perform(config: &Config, deed: &Deed) -> (Option<i32>, Option<String>) {
    match begin(config, deed) {
        Ok((mut child, lines)) => {
            let code = child.wait().ok().and_then(|status| status.code());
            (code, telling(&lines, code))
        }
        Err(error) => (Some(127), Some(format!("cannot run `{}`: {error}", deed.words()))),
    }
}

fn begin(config: &Config, deed: &Deed) -> std::io::Result<(std::process::Child, mpsc::Receiver<String>)> {
    let mut command = match deed {
        Deed::Sentinel(words) => {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("--config").arg(&config.paths.config).args(words);
            command
        }
        Deed::Program { command: words, env } => {
            let mut command = Command::new(words.first().map_or("", String::as_str));
            command.args(words.iter().skip(1)).env_clear().envs(env);
            command.current_dir(&config.paths.root);
            command
        }
    };
    let (reader, writer) = std::io::pipe()?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let child = command.spawn()?;
    // With it our own ends of the pipe, which would never close.
    drop(command);
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            // Whoever read our output may be gone: a restart replaces the supervisor that asked for it.
            let _ = writeln!(std::io::stdout(), "{line}");
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok((child, lines))
}

/// The first error of what failed; else the last line.
fn telling(lines: &mpsc::Receiver<String>, code: Option<i32>) -> Option<String> {
    let (mut first_error, mut last) = (None, None);
    let deadline = Instant::now() + LAST_WORDS;
    while let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        let line = line.trim().to_owned();
        if line.starts_with("error:") && first_error.is_none() {
            first_error = Some(line.trim_start_matches("error:").trim().to_owned());
        }
        if !line.is_empty() {
            last = Some(line);
        }
    }
    match code {
        Some(0) => last,
        Some(_) | None => first_error.or(last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_says_most() {
        let told = |text: &str, code| {
            let (sender, lines) = mpsc::channel();
            text.lines()
                .for_each(|line| sender.send(line.to_owned()).expect("a reader"));
            drop(sender);
            telling(&lines, code)
        };
        let text = "stop 0.1 s\nerror: web failed\ntry: sentinel logs web\n\n";
        assert_eq!(told(text, Some(1)).as_deref(), Some("web failed"));
        assert_eq!(told(text, Some(0)).as_deref(), Some("try: sentinel logs web"));
        assert_eq!(told("", None), None);
    }
}
