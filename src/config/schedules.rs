//! `[schedules.NAME]`: what is done by the clock.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::decode::{Surroundings, command};
use super::item::Item;
use super::keys::nearest;
use super::report::Finding;
use super::table::Table;
use crate::schedule::{Condition, Cron, Deed, Phase, Schedule, Schedules};
use crate::selector::{self, Candidate};
use crate::service::ServiceName;

/// The commands that `do` may name.
const VERBS: [&str; 6] = ["restart", "start", "stop", "flush", "reload", "shutdown"];

/// Every schedule, in the order of the file.
pub(super) fn schedules(
    file: &Table<'_>,
    surroundings: &Surroundings<'_>,
    services: &[Candidate<'_>],
) -> Schedules {
    let items = file.item("schedules").and_then(Item::entries).unwrap_or_default();
    items
        .into_iter()
        .filter_map(|item| schedule(item, surroundings, services).map(Arc::new))
        .collect()
}

fn schedule(item: Item<'_>, surroundings: &Surroundings<'_>, services: &[Candidate<'_>]) -> Option<Schedule> {
    let table = item.table()?;
    // It names files; a mode of restart is no less a name for it.
    if let Err(message) = ServiceName::parse(item.key)
        && !ServiceName::RESERVED.contains(&item.key)
    {
        item.report.add(Finding::new(
            item.key_at(),
            message.replace("service", "schedule"),
        ));
    }
    let cron = match table.item("cron") {
        Some(cron) => time(cron),
        None if table.misspells("cron") => None,
        None => {
            let message = format!("`{}` does not say when", item.key);
            let help = "add cron = \"0 4 * * 1-5\": minute hour day month weekday";
            item.report.add(Finding::new(item.key_at(), message).help(help));
            None
        }
    };
    let zone = table
        .item("timezone")
        .map_or_else(|| Some(TimeZone::system()), zone);
    let deed = deed(item, &table, surroundings, services);
    let condition = condition(&table);
    let made_up = table.item("missed").and_then(|item| item.choice()) == Some("run");
    let within = table.duration("missed_within");
    Some(Schedule {
        name: item.key.to_owned(),
        cron: cron?,
        zone: zone?,
        deed: deed?,
        condition,
        missed_within: made_up.then_some(within),
        spread: table.duration("spread"),
    })
}

fn time(item: Item<'_>) -> Option<Cron> {
    Cron::parse(item.text()?)
        .map_err(|wrong| {
            let at = item.report.place_of(&wrong.part, item.span());
            item.report.add(Finding::new(at, wrong.message).help(wrong.help));
        })
        .ok()
}

fn zone(item: Item<'_>) -> Option<TimeZone> {
    let name = item.text()?;
    TimeZone::get(name).ok().or_else(|| {
        let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        let help = match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "write a name of the IANA database, like \"America/New_York\" or \"UTC\"".into(),
        };
        item.wrong(format!("\"{name}\" is not a time zone"), help)
    })
}

/// `do` or `run`: one of them.
fn deed(
    item: Item<'_>,
    table: &Table<'_>,
    surroundings: &Surroundings<'_>,
    services: &[Candidate<'_>],
) -> Option<Deed> {
    match (table.item("do"), table.item("run")) {
        (Some(words), None) => operation(words, services),
        (None, Some(program)) => Some(Deed::Program {
            command: command(program, surroundings)?,
            env: (**surroundings.inherited).clone(),
        }),
        (Some(_), Some(run)) => run.wrong(
            "a schedule takes `do` or `run`, not both",
            "make two schedules of it",
        ),
        (None, None) if table.misspells("do") || table.misspells("run") => None,
        (None, None) => {
            let message = format!("`{}` does not say what to do", item.key);
            let help = "add do = \"restart SERVICE\", or run = [\"program\", \"--option\"]";
            item.report.add(Finding::new(item.key_at(), message).help(help));
            None
        }
    }
}

/// The words of a `sentinel` command, proven to mean something.
fn operation(item: Item<'_>, services: &[Candidate<'_>]) -> Option<Deed> {
    let words: Vec<String> = match item.is_text() {
        true => item.text()?.split_whitespace().map(str::to_owned).collect(),
        false => item
            .words()?
            .iter()
            .map(|word| word.text().map(str::to_owned))
            .collect::<Option<_>>()?,
    };
    let Some((verb, rest)) = words.split_first() else {
        return item.wrong("`do` is empty", "write a command, like \"restart trade_stream\"");
    };
    if !VERBS.contains(&verb.as_str()) {
        let help = match nearest(verb, VERBS.into_iter()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it can be {}; a program goes into `run`", VERBS.join(", ")),
        };
        return item.wrong(format!("`{verb}` is nothing that a schedule can do"), help);
    }
    for word in rest {
        let port = word.parse::<u16>().is_ok();
        let takes = match verb.as_str() {
            "restart" if rest.len() == 1 && ServiceName::RESERVED.contains(&word.as_str()) => continue,
            "flush" if port || word.starts_with('-') => continue,
            "reload" | "shutdown" => false,
            _ => true,
        };
        if !takes {
            return item.wrong(format!("`{verb}` takes no `{word}`"), "leave it out");
        }
        if let Err(none) = selector::select(word, services) {
            let at = item.report.place_of(word, item.span());
            item.report
                .add(Finding::new(at, none.to_string()).help(none.help()));
        }
    }
    Some(Deed::Sentinel(words))
}

fn condition(table: &Table<'_>) -> Option<Condition> {
    let of = |key: &str, wanted| {
        let phase = Phase::parse(table.item(key)?.choice()?)?;
        Some(Condition { phase, wanted })
    };
    let (only, unless) = (of("only", true), of("unless", false));
    if let (Some(_), Some(_), Some(item)) = (only, unless, table.item("unless")) {
        return item.wrong(
            "a schedule takes `only` or `unless`, not both",
            "keep the one that you mean",
        );
    }
    only.or(unless)
}
