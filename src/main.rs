//! Parse, dispatch, exit code.

use std::panic::catch_unwind;

use sentinel::api::Mode;
use sentinel::cli::{Cli, Command, Flags};
use sentinel::client;
use sentinel::daemon::{self, Plan, Wanted};
use sentinel::exit::ExitCode;
use sentinel::redact;

fn main() -> std::process::ExitCode {
    redact::guard_panics();
    match Cli::parse_args(std::env::args_os()) {
        Ok(cli) => catch_unwind(|| dispatch(&cli)).unwrap_or(ExitCode::Bug).into(),
        Err(text) => client::run_usage(&text, std::env::args_os().any(|arg| arg == "--json")).into(),
    }
}

fn dispatch(cli: &Cli) -> ExitCode {
    match &cli.command {
        Command::Run(args) => supervise(&cli.flags, Mode::Start, asked(&args.services), daemon::run),
        Command::Supervise(args) => {
            let become_it = if args.check {
                daemon::rehearse
            } else {
                daemon::supervise
            };
            supervise(&cli.flags, args.mode, asked(&args.services), become_it)
        }
        Command::AlertDeliver => sentinel::deliver::run(),
        Command::Activate(args) => {
            let error = daemon::activate(&args.program, &args.args);
            eprintln!("sentinel: cannot start {}: {error}", args.program.display());
            ExitCode::Failed
        }
        Command::CanResume(args) => located(&cli.flags, |file| daemon::can_resume(&file, &args.state)),
        Command::Resume(args) => located(&cli.flags, |file| daemon::resume(&file, args.state)),
        // Nothing may have been up: then nothing is to be.
        Command::StandBy(args) => {
            let were_up = Wanted::These(args.services.clone());
            supervise(&cli.flags, Mode::Start, were_up, |plan| {
                daemon::stand_by(plan, (args.pid, args.start))
            })
        }
        Command::Restart(_)
        | Command::Start(_)
        | Command::Stop(_)
        | Command::Shutdown
        | Command::Status(_)
        | Command::Top
        | Command::Flush(_)
        | Command::Logs(_)
        | Command::Reload(_)
        | Command::Events(_)
        | Command::Alert(_)
        | Command::Metrics
        | Command::Upgrade(_)
        | Command::Check
        | Command::Install(_)
        | Command::Uninstall(_)
        | Command::Schedule(_)
        | Command::Cron(_)
        | Command::Import(_)
        | Command::Export(_)
        | Command::Supervisorctl(_)
        | Command::Completions(_)
        | Command::Man(_)
        | Command::Schema(_)
        | Command::Init(_)
        | Command::Names => client::run(cli),
    }
}

fn asked(services: &[String]) -> Wanted {
    Wanted::of_words(services.to_vec())
}

fn supervise(
    flags: &Flags,
    mode: Mode,
    services: Wanted,
    become_it: impl FnOnce(&Plan) -> ExitCode,
) -> ExitCode {
    located(flags, |config| become_it(&Plan::new(config, mode, services)))
}

fn located(flags: &Flags, then: impl FnOnce(std::path::PathBuf) -> ExitCode) -> ExitCode {
    client::locate(flags).map_or_else(|code| code, then)
}
