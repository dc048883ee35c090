//! The tables of the file to specs, defaults filled in; what is wrong goes to the report.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::item::Item;
use super::keys;
use super::log;
use super::probe;
use super::recovery;
use super::report::Finding;
use super::rights;
use super::table::Table;
use super::variables::{Environment, Variables, is_name};
use crate::schedule::Market;
use crate::service::{Health, LogSpec, MAX_TOTAL, RestartPolicy, ServiceName, Spec, Stop, StopSignal};

/// `[sentinel]`, as declared.
pub(super) struct General<'d> {
    pub(super) log_dir: PathBuf,
    pub(super) log_max_total: u64,
    pub(super) protected_ports: Vec<u16>,
    pub(super) pass_env: Vec<&'d str>,
    pub(super) env_file: Option<Item<'d>>,
    pub(super) market: Market,
}

/// Ports that no `flush` touches unless the file says otherwise.
pub(super) const PROTECTED_PORTS: [u16; 4] = [5000, 7000, 9000, 10000];

/// What all services are decoded with.
pub(super) struct Surroundings<'d> {
    pub(super) root: &'d Path,
    pub(super) variables: &'d Variables<'d>,
    pub(super) inherited: &'d Arc<Environment>,
    pub(super) logs: &'d Arc<LogSpec>,
}

/// A service and the places of what other services can contradict.
pub(super) struct Declared {
    pub(super) spec: Spec,
    /// Where its name stands.
    pub(super) at: usize,
    /// What `after` names, with its place. A group or a pattern stands for several.
    pub(super) after: Vec<(String, usize)>,
    /// The services that its health check goes through; none if it does not say.
    pub(super) via: Option<Vec<(String, usize)>>,
    pub(super) ports: Vec<(u16, usize)>,
}

/// Reads `[sentinel]`; without one, every default.
pub(super) fn general<'d>(file: &Table<'d>, root: &Path) -> General<'d> {
    let table = file.item("sentinel").and_then(|item| item.table());
    let item = |name| table.as_ref().and_then(|table: &Table<'d>| table.item(name));
    let ports = item("protected_ports").map(|item| item.ports().into_iter().map(|(port, _)| port).collect());
    let log_dir = item("log_dir").and_then(path).unwrap_or("logs");
    General {
        log_dir: root.join(log_dir),
        log_max_total: item("log_max_total")
            .and_then(log::max_total)
            .unwrap_or(MAX_TOTAL),
        protected_ports: ports.unwrap_or_else(|| PROTECTED_PORTS.to_vec()),
        pass_env: item("pass_env").map(pass_env).unwrap_or_default(),
        env_file: item("env_file").filter(|item| path(*item).is_some()),
        market: item("market_calendar")
            .and_then(|item| market(item, root))
            .unwrap_or_default(),
    }
}

/// The built-in days, and over them those of a file.
fn market(item: Item<'_>, root: &Path) -> Option<Market> {
    let file = path(item)?;
    Market::with_days_of(&root.join(file)).map_or_else(
        |message| {
            item.wrong(
                message,
                "write a day per line, like 2027-01-09 closed, or half, or full",
            )
        },
        Some,
    )
}

fn pass_env(item: Item<'_>) -> Vec<&str> {
    let pattern = |item: Item<'_>| {
        let text = item.text()?;
        let name = text.strip_suffix('*').unwrap_or(text);
        if is_name(name) || text == "*" {
            return Some(());
        }
        item.wrong(
            "an item of `pass_env` is not the name of a variable",
            "write a name, or how names begin, like \"ALPACA_*\"",
        )
    };
    item.texts()
        .into_iter()
        .filter(|item| pattern(*item).is_some())
        .filter_map(|item| item.text())
        .collect()
}

/// A path that is not empty.
pub(super) fn path(item: Item<'_>) -> Option<&str> {
    match item.text()? {
        "" => item.wrong(
            format!("`{}` is empty", item.key),
            "name a path, relative to services.toml or absolute",
        ),
        path => Some(path),
    }
}

fn health(table: &Table<'_>, surroundings: &Surroundings<'_>) -> Option<Box<Health>> {
    let item = table.item("health")?;
    probe::health(item, table, surroundings).map(Box::new)
}

/// One service. None when nothing can refer to it, since its name or its table is wrong.
pub(super) fn service(
    item: Item<'_>,
    extent: Range<usize>,
    surroundings: &Surroundings<'_>,
) -> Option<Declared> {
    let name = ServiceName::parse(item.key);
    if let Err(message) = &name {
        item.report.add(Finding::new(item.key_at(), message));
    }
    let table = item.table()?;
    let mut ports = table.item("ports").map(|item| item.ports()).unwrap_or_default();
    let sockets = table.item("sockets").map(sockets).unwrap_or_default();
    for (address, at) in &sockets {
        if ports.iter().all(|(port, _)| *port != address.port()) {
            ports.push((address.port(), *at));
        }
    }
    let after: Vec<_> = table.item("after").map(places).unwrap_or_default();
    let spec = Spec {
        command: table
            .item("command")
            .map_or_else(
                || no_command(item, &table, extent),
                |item| command(item, surroundings),
            )
            .unwrap_or_default(),
        cwd: table.item("cwd").and_then(path).map_or_else(
            || surroundings.root.to_path_buf(),
            |cwd| surroundings.root.join(cwd),
        ),
        env: environment(&table, surroundings),
        ports: ports.iter().map(|(port, _)| *port).collect(),
        sockets: sockets.iter().map(|(address, _)| *address).collect(),
        after: dependencies(&after),
        group: table.item("group").and_then(group),
        autostart: table.item("autostart").and_then(Item::flag).unwrap_or(true),
        restart: table
            .item("restart")
            .and_then(restart)
            .unwrap_or(RestartPolicy::Always),
        min_uptime: table.duration("min_uptime"),
        start_timeout: table.duration("start_timeout"),
        max_restarts: table.number("max_restarts"),
        recovery: recovery::recovery(&table).into(),
        watch: recovery::watch(&table, surroundings.root),
        ready: table
            .item("ready")
            .and_then(|item| probe::ready(item, surroundings)),
        health: health(&table, surroundings),
        stop: stop(&table),
        log: log::of_service(&table, surroundings.logs),
        rights: rights::rights(&table).into(),
        memory_max: rights::memory_max(&table),
        watchdog: table.item("watchdog").and_then(|item| item.duration()),
        // Last, so that a wrong name does not hide what else is wrong.
        name: name.ok()?,
    };
    Some(Declared {
        via: probe::via_services(&table),
        spec,
        at: item.key_at(),
        after,
        ports,
    })
}

/// Addresses with their places.
fn sockets(item: Item<'_>) -> Vec<(SocketAddr, usize)> {
    let address = |item: Item<'_>| match item.text()?.parse::<SocketAddr>() {
        Ok(address) if address.port() != 0 => Some((address, item.span().start)),
        Ok(_) | Err(_) => item.wrong(
            "an item of `sockets` is not an address with a port",
            "write \"127.0.0.1:8765\" or \"[::1]:8765\"",
        ),
    };
    item.texts().into_iter().filter_map(address).collect()
}

/// A group's name; the rules are those of a service's.
fn group(item: Item<'_>) -> Option<String> {
    if let DeValue::Integer(_) = item.value.get_ref() {
        // The number of a Unix group.
        return None;
    }
    let text = item.text()?;
    match ServiceName::parse(text) {
        Ok(_) => Some(text.to_owned()),
        Err(_) => item.wrong(
            format!("`{text}` cannot name a group"),
            "it starts with a letter or digit and holds letters, digits and _ - . @",
        ),
    }
}

pub(super) fn places(item: Item<'_>) -> Vec<(String, usize)> {
    item.texts()
        .into_iter()
        .filter_map(|item| Some((item.text()?.to_owned(), item.span().start)))
        .collect()
}

/// The names, each once.
pub(super) fn dependencies(after: &[(String, usize)]) -> Vec<ServiceName> {
    let mut names: Vec<ServiceName> = Vec::new();
    for name in after.iter().filter_map(|(name, _)| ServiceName::parse(name).ok()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn no_command<T>(service: Item<'_>, table: &Table<'_>, extent: Range<usize>) -> Option<T> {
    if table.misspells("command") {
        return None;
    }
    let finding = Finding::new(service.key_at(), format!("`{}` has no command", service.key))
        .help("say what to run, like command = [\"program\", \"--option\"]")
        .missing_in(extent);
    service.report.add(finding);
    None
}

/// A command: split, expanded, with an absolute program unless it is a bare name.
pub(super) fn command(item: Item<'_>, surroundings: &Surroundings<'_>) -> Option<Vec<String>> {
    let mut words = if item.is_text() {
        split(item, surroundings)?
    } else {
        listed(item, surroundings)?
    };
    let example = "say what to run, like [\"program\", \"--option\"]";
    match words.first_mut() {
        None => return item.wrong(format!("`{}` is empty", item.key), example),
        Some(program) if program.is_empty() => {
            return item.wrong(format!("the program of `{}` is empty", item.key), example);
        }
        Some(program) if program.contains('/') => {
            *program = surroundings
                .root
                .join(program.trim_start_matches("./"))
                .to_string_lossy()
                .into_owned();
        }
        Some(_) => {}
    }
    Some(words)
}

/// Split first, then expanded: a variable's value never becomes several words.
fn split(item: Item<'_>, surroundings: &Surroundings<'_>) -> Option<Vec<String>> {
    match shlex::split(item.text()?) {
        Some(words) => words
            .iter()
            .map(|word| expand(item, word, surroundings))
            .collect(),
        None => item.wrong(
            format!("a quote or `\\` in `{}` is never closed", item.key),
            "close it, or write the command as an array",
        ),
    }
}

fn listed(item: Item<'_>, surroundings: &Surroundings<'_>) -> Option<Vec<String>> {
    item.words()?
        .into_iter()
        .map(|word| expand(word, word.text()?, surroundings))
        .collect()
}

/// The text of an item with its variables filled in.
pub(super) fn expand(item: Item<'_>, text: &str, surroundings: &Surroundings<'_>) -> Option<String> {
    surroundings
        .variables
        .expand(text)
        .map_err(|wrong| {
            let at = item.report.place_of(wrong.part, item.span());
            item.report.add(Finding::new(at, wrong.message).help(wrong.help));
        })
        .ok()
}

/// What the service inherits and, over it, its own `env`.
fn environment(table: &Table<'_>, surroundings: &Surroundings<'_>) -> Arc<Environment> {
    let own = table.item("env").and_then(Item::entries).unwrap_or_default();
    if own.is_empty() && table.item("user").is_none() {
        return surroundings.inherited.clone();
    }
    let mut environment = Environment::clone(surroundings.inherited);
    if table.item("user").is_some() {
        // The caller's are another user's; the service's own are set when it starts.
        rights::OF_A_USER
            .iter()
            .for_each(|name| drop(environment.remove(*name)));
    }
    for item in own {
        if item.key.is_empty() || item.key.contains(['=', '\0']) {
            let message = format!("`{}` is not the name of a variable", item.key.escape_default());
            item.report
                .add(Finding::new(item.key_at(), message).help("a name is not empty and holds no `=`"));
        }
        if let Some(value) = item.text().and_then(|text| expand(item, text, surroundings)) {
            environment.insert(item.key.to_owned(), value);
        }
    }
    environment.into()
}

fn restart(item: Item<'_>) -> Option<RestartPolicy> {
    match item.choice()? {
        "on-failure" => Some(RestartPolicy::OnFailure),
        "never" => Some(RestartPolicy::Never),
        _ => Some(RestartPolicy::Always),
    }
}

fn stop(table: &Table<'_>) -> Stop {
    let empty = DeTable::new();
    let declared = table.item("stop").and_then(|item| item.table());
    let stop = declared.unwrap_or_else(|| Table::new(&empty, &keys::STOP, table.report()));
    Stop {
        signal: stop
            .item("signal")
            .and_then(|item| item.signal())
            .unwrap_or(StopSignal::TERM),
        timeout: stop.duration("timeout"),
    }
}
