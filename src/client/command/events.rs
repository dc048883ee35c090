//! `sentinel events`: what happened and why, printed or followed. Needs no supervisor.

use std::ops::ControlFlow;

use crate::api::{FailureKind, Record};
use crate::cli::EventsArgs;
use crate::client::error::Error;
use crate::client::house;
use crate::client::render::{FactView, fact_lines};
use crate::exit::ExitCode;
use crate::ledger::{self, Filter, Follow};
use crate::logs;
use crate::paths::Paths;

use super::Caller;

/// Facts when nobody says how many.
const USUAL: usize = 20;

pub(super) async fn run(caller: &Caller, args: &EventsArgs) -> Result<ExitCode, Error> {
    let paths = house::locate(&caller.flags)?;
    let filter = filter(args)?;
    // Before the look at what is there: what comes in between is shown once.
    let follow = args.follow.then(|| Follow::begin(&paths.state_dir)).transpose();
    let follow = follow.map_err(|error| Error::failed("cannot follow the ledger").because(&error))?;
    let records = ledger::read(&paths.state_dir, &filter).map_err(|error| {
        Error::failed("cannot read the ledger")
            .because(&error)
            .help("run this as the user who runs sentinel")
    })?;
    if records.is_empty() && !args.follow {
        known(&paths, caller, &args.services)?;
    }
    let mut printer = Printer {
        caller,
        view: FactView::of(&caller.terminal, &records),
        day: None,
    };
    let last = records.last().map(|record| record.seq);
    if printer.print(&records)?.is_break() {
        return Ok(ExitCode::Ok);
    }
    match follow {
        Some(follow) => on_and_on(follow, last, &filter, &mut printer).await,
        None => Ok(ExitCode::Ok),
    }
}

fn filter(args: &EventsArgs) -> Result<Filter, Error> {
    let since = args
        .since
        .as_deref()
        .map(|text| logs::since::parse_since(text, &jiff::Zoned::now()));
    let since = since
        .transpose()
        .map_err(|message| Error::new(FailureKind::Usage, message))?;
    let usual = since.is_none().then_some(USUAL);
    Ok(Filter {
        services: args.services.clone(),
        since,
        last: args.lines.or(usual),
    })
}

/// Nothing is there: a name that no service has explains it.
fn known(paths: &Paths, caller: &Caller, names: &[String]) -> Result<(), Error> {
    if let Ok(config) = house::read(paths) {
        house::chosen(&config, names)?;
    }
    if !caller.terminal.json && !caller.terminal.quiet {
        caller.terminal.complain("nothing has happened here yet\n");
    }
    Ok(())
}

async fn on_and_on(
    mut follow: Follow,
    last: Option<u64>,
    filter: &Filter,
    printer: &mut Printer<'_>,
) -> Result<ExitCode, Error> {
    let mut last = last;
    loop {
        let next = follow
            .next()
            .await
            .map_err(|error| Error::failed("cannot follow the ledger").because(&error))?;
        let seen = last.take();
        let fresh = |record: &Record| seen.is_none_or(|seen| record.seq > seen);
        let wanted: Vec<Record> = next
            .into_iter()
            .filter(|record| fresh(record) && filter.wants(record))
            .collect();
        if wanted.is_empty() {
            last = seen;
        }
        if printer.print(&wanted)?.is_break() {
            return Ok(ExitCode::Ok);
        }
    }
}

/// Prints facts until stdout breaks.
struct Printer<'c> {
    caller: &'c Caller,
    view: FactView,
    day: Option<String>,
}

impl Printer<'_> {
    fn print(&mut self, records: &[Record]) -> Result<ControlFlow<()>, Error> {
        let text: String = match self.caller.terminal.json {
            true => records
                .iter()
                .filter_map(|record| serde_json::to_string(record).ok())
                .map(|line| line + "\n")
                .collect(),
            false => records
                .iter()
                .map(|record| fact_lines(record, &self.view, &mut self.day))
                .collect(),
        };
        self.caller.terminal.print_on(&text)
    }
}
