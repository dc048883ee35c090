//! `sentinel status`: what runs, who holds the ports, who is healthy.

use crate::api::Record;
use crate::cli::StatusArgs;
use crate::client::brief;
use crate::client::error::Error;
use crate::client::house;
use crate::client::look::Look;
use crate::client::render::{self, View};
use crate::config::Config;
use crate::exit::ExitCode;
use crate::ledger::{self, Filter};

use super::Caller;

/// How many of the last facts are shown.
const LATELY: usize = 6;

/// From the cursor's home to the end of the screen, nothing.
const CLEAR: &str = "\x1b[H\x1b[2J";

pub(super) async fn run(caller: &Caller, args: &StatusArgs) -> Result<ExitCode, Error> {
    let Some(every) = args.watch else {
        return once(caller, args).await;
    };
    // Until Ctrl-C, or until nobody reads it any more.
    loop {
        let before = if caller.terminal.live { CLEAR } else { "\n" };
        if caller.terminal.print_on(before)?.is_break() {
            return Ok(ExitCode::Ok);
        }
        once(caller, args).await?;
        tokio::time::sleep(every).await;
    }
}

async fn once(caller: &Caller, args: &StatusArgs) -> Result<ExitCode, Error> {
    let groups = args
        .group
        .iter()
        .map(|group| format!("@{}", group.trim_start_matches('@')));
    let words: Vec<String> = args.services.iter().cloned().chain(groups).collect();
    let look = match words.is_empty() && !caller.terminal.json && !caller.terminal.verbose {
        true => brief::look(&house::locate(&caller.flags)?, args.timeout),
        false => None,
    };
    let look = match look {
        Some(look) => look,
        None => at_length(caller, args, &words).await?,
    };
    let terminal = &caller.terminal;
    let silent = args.unless_ok && look.exit_code() == ExitCode::Ok;
    if silent {
        // For a cron mail that is sent only when somebody must act.
    } else if terminal.json {
        terminal.print_json(&look.status)?;
    } else if !terminal.quiet {
        let view = View {
            width: terminal.width,
            height: terminal.height,
            verbose: terminal.verbose,
            named: !words.is_empty(),
            problems: args.problems,
            under_way: look.under_way.as_deref(),
            paint: terminal.paint,
        };
        terminal.print(&render::status(&look.status, &look.concerns, view))?;
    }
    Ok(look.exit_code())
}

/// With all that services.toml says is to be looked at.
async fn at_length(caller: &Caller, args: &StatusArgs, words: &[String]) -> Result<Look, Error> {
    let config = house::load(&caller.flags)?;
    let mut look = Look::at(&config, args.timeout).await?.only(words)?;
    if !words.is_empty() {
        let services = look.status.services.iter();
        let named: Vec<String> = services.map(|service| service.name.clone()).collect();
        look.status.events = lately(&config, &named);
    }
    Ok(look)
}

/// What happened last to these. A ledger that cannot be read must not hide their state.
fn lately(config: &Config, services: &[String]) -> Vec<Record> {
    let filter = Filter {
        services: services.to_vec(),
        since: None,
        last: Some(LATELY),
    };
    ledger::read(&config.paths.state_dir, &filter).unwrap_or_default()
}
