//! One verb, one file.

mod alert;
mod check;
mod completions;
mod cron;
mod events;
mod export;
mod flush;
mod import;
mod init;
mod install;
mod logs;
mod man;
mod metrics;
mod reload;
mod restart;
pub(super) mod schedule;
mod schema;
mod shutdown;
mod start;
mod status;
mod stop;
mod supervisorctl;
mod top;
mod upgrade;

use crate::api::{self, Route};
use crate::cli::{Command, Flags};
use crate::exit::ExitCode;
use crate::paths::Paths;

use super::conduct::{Conduct, Ending};
use super::connection::Connection;
use super::error::Error;
use super::terminal::Terminal;
use super::transaction::Deed;

/// Who asks, and where the answer goes.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The global flags.
    pub flags: Flags,
    /// The streams.
    pub terminal: Terminal,
}

/// Does what the command line asks for.
///
/// # Errors
/// Why not; not yet printed.
pub async fn obey(caller: &Caller, command: &Command) -> Result<ExitCode, Error> {
    match command {
        Command::Restart(args) => restart::run(caller, args).await,
        Command::Start(args) => start::run(caller, args).await,
        Command::Schedule(args) => schedule::run(caller, args).await,
        Command::Cron(args) => cron::run(caller, args),
        Command::Stop(args) => stop::run(caller, &args.services).await,
        Command::Shutdown => shutdown::run(caller).await,
        Command::Status(args) => status::run(caller, args).await,
        Command::Flush(args) => flush::run(caller, args).await,
        Command::Logs(args) => logs::run(caller, args).await,
        Command::Reload(args) => reload::run(caller, args).await,
        Command::Events(args) => events::run(caller, args).await,
        Command::Alert(args) => alert::run(caller, args).await,
        Command::Metrics => metrics::run(caller).await,
        Command::Upgrade(args) => upgrade::run(caller, args).await,
        Command::Check => check::run(caller),
        Command::Install(args) => install::install(caller, args).await,
        Command::Uninstall(args) => install::uninstall(caller, args),
        Command::Export(args) => export::run(caller, args),
        Command::Top => top::run(caller).await,
        Command::Supervisorctl(args) => supervisorctl::run(caller, &args.words).await,
        Command::Completions(args) => completions::run(caller, args.shell),
        Command::Man(args) => man::run(caller, args.folder.as_deref()),
        Command::Schema(args) => schema::run(caller, args),
        Command::Init(args) => init::run(caller, args),
        Command::Names => completions::names(caller),
        Command::Import(args) => import::run(caller, args),
        Command::Run(_)
        | Command::Supervise(_)
        | Command::Activate(_)
        | Command::AlertDeliver
        | Command::CanResume(_)
        | Command::Resume(_)
        | Command::StandBy(_) => Err(Error::new(
            crate::api::FailureKind::Bug,
            "the supervisor was asked for at the wrong door",
        )),
    }
}

/// Asks the running supervisor and watches what it does. The conduct is ready to be verified or concluded.
async fn ask(
    caller: &Caller,
    paths: &Paths,
    route: Route,
    services: &[String],
    deed: Deed,
) -> Result<Conduct, Error> {
    let command = api::Command {
        services: services.to_vec(),
        ..api::Command::default()
    };
    self::command(caller, paths, route, &command, deed).await
}

/// The same with all that can be said about it.
async fn command(
    caller: &Caller,
    paths: &Paths,
    route: Route,
    command: &api::Command,
    deed: Deed,
) -> Result<Conduct, Error> {
    let mut conduct = Conduct::begin(deed, caller.terminal);
    let connection = Connection::open(paths).await?;
    let mut events = connection.send_command(route, command).await?;
    match conduct.watch(&mut events).await {
        Ending::Result => {}
        Ending::Broken => conduct.fail(
            Error::failed(format!("the supervisor ended during the {}", deed.verb)).help("sentinel status"),
        ),
        Ending::Abandoned => conduct.abandon(),
    }
    Ok(conduct)
}
