//! The shell around the machine: it waits, tells the machine what happened, and does what it says.
//!
//! One thread, one mailbox, one loop:
//!
//! ```text
//! control socket ─ server ─┐                       ┌─ spawn, signal, sweep (lives, crate::process)
//! SIGCHLD, SIGTERM ────────┤           ┌─ actions ─┼─ ready, health, notify (tasks)
//! ready, health (tasks) ───┼─ mailbox ─┤           ├─ output (pipes to logs)
//! deadlines ───────────────┘     driver└─ machine  └─ audience (progress, results)
//! ```
//!
//! A supervisor begins with an [`opening`]: it checks, ends its predecessor, takes down what a dead one
//! left, frees the ports, and only then starts anything. It does so by itself, in a session of its own;
//! whoever called only watches, so that a caller who leaves leaves no half-done restart behind.

mod adoption;
mod alerts;
mod answer;
mod aside;
mod audience;
mod brief;
mod caller;
mod cgroups;
mod clock;
mod container;
mod course;
mod disk;
mod driver;
mod early;
mod effects;
mod errand;
mod flush;
mod health;
mod heard;
mod herald;
mod host;
mod last_words;
mod ledger;
mod leftovers;
mod lives;
mod mailbox;
mod memory;
mod metrics;
mod notify;
mod opening;
mod output;
mod place;
mod ports;
mod predecessor;
mod progress;
mod reading;
mod ready;
mod reaping;
mod reload;
mod report;
mod rest;
mod schedule;
mod server;
mod signals;
mod sockets;
mod state;
mod strangers;
mod succession;
mod survivors;
mod upgrade;
mod usage;
mod verdict;
mod watch;

use std::path::Path;

use tokio::task::{LocalSet, spawn_local};

use crate::api::{Event, Fact, Failure, FailureKind, Outcome, Phase, What};
use crate::exit::ExitCode;
pub use crate::process::activate::activate;
use crate::process::{MARK, adopt_orphans, descriptors, detach};
use crate::service::ServiceName;
use crate::supervisor::Order;
use driver::{Driver, Turn};
use early::Mail;
use host::Host;
use mailbox::Message;
use opening::Opened;
pub use opening::{Plan, Wanted};
use progress::Progress;
pub use upgrade::{can_resume, resume, stand_by};

/// Becomes a daemon and supervises until told to leave. Progress goes to standard output, a pipe.
#[must_use]
pub fn supervise(plan: &Plan) -> ExitCode {
    detach::leave_caller();
    if std::env::var_os(MARK).is_some() && detach::step_outside().is_ok() {
        return ExitCode::Ok;
    }
    block_on(async { begin(plan, Progress::to_caller(), &Host::default()).await })
}

/// Supervises in the foreground until told to leave.
#[must_use]
pub fn run(plan: &Plan) -> ExitCode {
    log_to_stderr();
    let host = Host::find();
    block_on(async {
        let (plan, progress) = errand::take(plan);
        begin(&plan, progress, &host).await
    })
}

/// Checks what a supervisor with this plan would check before it touches anything, and touches nothing.
/// Progress goes to standard output, a pipe.
#[must_use]
pub fn rehearse(plan: &Plan) -> ExitCode {
    block_on(async {
        let mut progress = Progress::to_caller();
        let error = plan.rehearse(&mut progress).await.err();
        let code = error.as_ref().map_or(ExitCode::Ok, |failure| failure.kind.into());
        let outcome = Outcome {
            ok: error.is_none(),
            services: Vec::new(),
            error,
        };
        progress.end(outcome).await;
        code
    })
}

fn block_on(work: impl Future<Output = ExitCode>) -> ExitCode {
    descriptors::raise();
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => LocalSet::new().block_on(&runtime, work),
        Err(error) => {
            eprintln!("sentinel: cannot begin an event loop: {error}");
            ExitCode::Failed
        }
    }
}

async fn begin(plan: &Plan, mut progress: Progress, host: &Host) -> ExitCode {
    let (failed, code) = match early::open(plan, &mut progress).await {
        Ok((opened, mail)) => match start(plan, opened, mail, &mut progress).await {
            Ok(start) => {
                host.write_down(&start.serving.driver.config.paths);
                let mailbox = start.serving.driver.mailbox.clone();
                spawn_local(async move {
                    relay(start.events, progress).await;
                    // What was missed is made up for when there is something to act on.
                    mailbox.post(Message::LookAtSchedules);
                });
                return serve(start.serving).await;
            }
            Err(failure) => early::ended(failure),
        },
        Err(not_opened) => not_opened,
    };
    tracing::error!("{}", failed.message);
    progress
        .end(Outcome {
            ok: false,
            services: Vec::new(),
            error: Some(failed),
        })
        .await;
    code
}

/// A supervisor that is about to loop.
struct Serving {
    driver: Driver,
    server: server::Server,
    supervisor: crate::lock::Lock,
}

/// One that has begun to start its services.
struct Start {
    serving: Serving,
    events: tokio::sync::mpsc::UnboundedReceiver<Event>,
}

async fn start(
    plan: &Plan,
    opened: Opened,
    (mailbox, inbox): Mail,
    progress: &mut Progress,
) -> Result<Start, Failure> {
    let failed = |message: String| Failure {
        kind: FailureKind::Failed,
        message,
        help: None,
    };
    adopt_orphans().map_err(|error| failed(format!("cannot become the sub-reaper: {error}")))?;
    let socket = opened.config.paths.socket();
    let listener = server::bind(&socket)
        .map_err(|error| failed(format!("cannot bind {}: {error}", socket.display())))?;
    let names = names(plan, &opened.config)?;
    let _ = std::fs::remove_file(opened.config.paths.rest());
    let mut driver = Driver::new(opened.config, opened.ledger, (mailbox.clone(), inbox));
    driver.adopt(opened.adopted);
    let server = server::Server::begin(listener, mailbox);
    progress.send(&Event::Began { phase: Phase::Start }).await;
    let events = driver.request(Order::Start(names), Some(opened.operation), plan.cause());
    let serving = Serving {
        driver,
        server,
        supervisor: opened.supervisor,
    };
    Ok(Start { serving, events })
}

fn names(plan: &Plan, config: &crate::config::Config) -> Result<Vec<ServiceName>, Failure> {
    let words = match &plan.services {
        Wanted::All => {
            let rest = config.services.iter().filter(|spec| spec.autostart);
            return Ok(rest.map(|spec| spec.name.clone()).collect());
        }
        Wanted::These(words) => words,
    };
    let usage = |message| Failure {
        kind: FailureKind::Usage,
        message,
        help: None,
    };
    crate::selector::select_all(words, &config.candidates())
        .map_err(|none| usage(none.to_string()))?
        .iter()
        .map(|name| ServiceName::parse(name).map_err(usage))
        .collect()
}

async fn serve(serving: Serving) -> ExitCode {
    let Serving {
        mut driver,
        mut server,
        supervisor,
    } = serving;
    while let Turn::HandOver(upgrade) = driver.drive().await {
        driver.tell_of_upgrade(&upgrade);
        // Whoever is being answered has the rest of it, while everything goes on.
        let turn = tokio::select! {
            () = server.pause() => None,
            turn = driver.drive() => Some(turn),
        };
        if matches!(turn, Some(Turn::Down)) {
            break;
        }
        driver.hand_over(upgrade, server.listener(), &supervisor).await;
        server.go_on();
    }
    tracing::info!("everything is down, leaving");
    let paths = &driver.config.paths;
    for file in [paths.socket(), paths.state()] {
        let _ = std::fs::remove_file(file);
    }
    let verdict = driver.verdict();
    driver.lives.cgroups.tidy();
    let left = Fact::new(What::Left).pid(std::process::id().cast_signed());
    driver.ledger.close(left).await;
    drop(supervisor);
    server.end().await;
    verdict
}

/// Carries the start's progress to the caller, until its end.
async fn relay(mut events: tokio::sync::mpsc::UnboundedReceiver<Event>, mut progress: Progress) {
    let began = std::time::Instant::now();
    while let Some(first) = events.recv().await {
        let mut together = vec![first];
        together.extend(std::iter::from_fn(|| events.try_recv().ok()));
        let last = together.pop_if(|event| matches!(event, Event::End(_)));
        progress.send_all(&together).await;
        let Some(Event::End(outcome)) = last else {
            continue;
        };
        let took_ms = (began.elapsed().as_secs_f64() * 1e5).round() / 1e2;
        let finished = Event::Finished {
            phase: Phase::Start,
            ok: outcome.ok,
            took_ms,
            detail: None,
        };
        progress.send(&finished).await;
        return progress.end(outcome).await;
    }
}

/// From now on, what is logged (and a panic) goes to `sentinel.log`; nowhere, if that cannot be.
/// Does nothing in the foreground, where the log is on standard error already.
fn log_to(folder: &Path) {
    let _ = std::fs::create_dir_all(folder);
    let file = folder.join("sentinel.log");
    if !tracing::dispatcher::has_been_set() && detach::errors_to(&file).is_ok() {
        output::own::is(&file);
        log_to_stderr();
    }
}

fn log_to_stderr() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(output::own::Counted::default)
        .with_ansi(false)
        .with_target(false)
        .try_init();
}
