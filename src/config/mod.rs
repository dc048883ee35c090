//! services.toml: valid and complete, or every mistake at once, each with its place.
//!
//! ```text
//! include (all files, one text) -> syntax (what cannot be read) -> template (instances written out)
//!     -> decode, probe (tables to specs) -> graph (what services say of each other)
//! \___________________________ report: every finding, by byte ___________________________/
//! ```
//! `keys` names every key once. Nothing here looks at the host, save for the env file that the text names and
//! for `preflight`, which asks whether what was declared could start here and now.

mod decode;
mod env_file;
mod error;
mod graph;
mod hops;
mod include;
mod item;
mod json;
pub mod keys;
mod locate;
mod log;
mod once;
mod operations;
mod placeholder;
mod preflight;
mod probe;
mod program;
mod recovery;
mod reference;
mod report;
mod rights;
mod scalar;
mod schedules;
mod schema;
mod secrets;
mod size;
mod stamp;
mod syntax;
mod table;
mod template;
#[cfg(test)]
mod test;
mod trust;
mod variables;
mod web;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::DeTable;

pub use error::{Mistake, Mistakes};
pub use locate::{NotFound, locate};
pub use operations::Metrics;
pub use preflight::{Problem, hindrances, preflight};
pub use program::{find_program, program};
pub use reference::{man_page, reference};
pub use schema::schema;
pub use stamp::{Stamp, hold};
pub use variables::{Environment, MINIMUM, environment};
pub use web::Web;

use crate::alerts::Settings;
use crate::paths::Paths;
use crate::redact::Redactor;
use crate::schedule::{Market, Schedules};
use crate::service::{LogSpec, Spec};
use decode::Surroundings;
use env_file::Unusable;
use item::Item;
use report::{Finding, Report};
use syntax::Content;
use table::Table;
use variables::Variables;

/// What this host runs, proven valid.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where the file is, and what sentinel keeps beside it.
    pub paths: Paths,
    /// Folder of the logs, absolute. Default: `logs` beside services.toml.
    pub log_dir: PathBuf,
    /// What all logs may take together, in bytes.
    pub log_max_total: u64,
    /// How output is kept where no service says otherwise, sentinel.log too.
    pub logs: Arc<LogSpec>,
    /// Ports that `flush` never touches.
    pub protected_ports: Vec<u16>,
    /// Whom to tell when something is wrong.
    pub alerts: Settings,
    /// Numbers for Prometheus.
    pub metrics: Metrics,
    /// What the pages of main_app may do.
    pub web: Web,
    /// The services in the order in which they start; among equals, in that of the file.
    pub services: Vec<Arc<Spec>>,
    /// Knows every secret of it.
    pub redactor: Redactor,
    /// What is done by the clock, in the order of the file.
    pub schedules: Schedules,
    /// The market's days, for the conditions of schedules.
    pub market: Market,
    /// services.toml and every file that it includes, absolute.
    pub files: Vec<PathBuf>,
    /// These and the env file, as they were when they were read.
    pub stamps: Vec<Stamp>,
}

impl Config {
    /// Whether one of its files changed since it was read.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        !stamp::hold(&self.stamps)
    }

    /// The services as words of the command line can mean them.
    #[must_use]
    pub fn candidates(&self) -> Vec<crate::selector::Candidate<'_>> {
        candidates(&self.services)
    }
}

fn candidates(services: &[Arc<Spec>]) -> Vec<crate::selector::Candidate<'_>> {
    services
        .iter()
        .map(|spec| (spec.name.as_str(), spec.group.as_deref()))
        .collect()
}

/// Reads a services.toml. `environment` is the caller's: `${NAME}` and `pass_env` look there.
///
/// # Errors
/// Every mistake of the file, and of the env file it names.
pub fn load(file: &Path, environment: &Environment) -> Result<Config, Mistakes> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let (bytes, trusted) = read(file).map_err(|error| {
        let finding = Finding::new(0, format!("cannot be read: {}", env_file::reason(&error)));
        alone(
            file,
            &name,
            "",
            finding.help("let the user who runs sentinel read it"),
        )
    })?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        alone(
            file,
            &name,
            &valid,
            Finding::new(valid.len(), "this is not UTF-8").help("save the file as UTF-8"),
        )
    })?;
    let mut sources = include::gather(file, text.strip_prefix('\u{feff}').unwrap_or(text));
    let files = std::mem::take(&mut sources.files);
    let mut mistakes = Vec::new();
    let report = sources.report();
    if let Err((message, help)) = trusted {
        report.add(Finding::new(0, message).help(help));
    }
    let mut config = decode_file(&report, &Paths::of(file), environment, &mut mistakes);
    let read = files.iter().filter_map(|file| stamp::stamp(file));
    config.stamps.splice(0..0, read);
    config.files = files;
    mistakes.splice(0..0, report.into_mistakes(&name));
    if mistakes.is_empty() {
        Ok(config)
    } else {
        // What is wrong may hold a secret, in part of a value or as a name.
        for mistake in &mut mistakes {
            mistake.message = config.redactor.text(&mistake.message).into_owned();
            mistake.help = mistake
                .help
                .take()
                .map(|help| config.redactor.text(&help).into_owned());
        }
        Err(Mistakes::new(file, mistakes))
    }
}

/// What a file holds, and whether its owner alone can have written that.
fn read(path: &Path) -> std::io::Result<(Vec<u8>, Result<(), trust::Distrust>)> {
    let mut file = std::fs::File::open(path)?;
    let shown = path.file_name().unwrap_or_default().to_string_lossy();
    let trusted = trust::written_by_its_owner(&file, path, &shown);
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok((bytes, trusted))
}

/// The variables of an env file's text, by the rules that `env_file` follows.
///
/// # Errors
/// The line, from 1, of the first that is not NAME=value.
pub fn variables_of(text: &str) -> Result<Environment, usize> {
    let report = Report::new(text);
    let variables = env_file::parse(&report);
    match report.into_mistakes("").first() {
        None => Ok(variables),
        Some(mistake) => Err(mistake.line),
    }
}

fn alone(file: &Path, name: &str, text: &str, finding: Finding) -> Mistakes {
    let report = Report::new(text);
    report.add(finding);
    Mistakes::new(file, report.into_mistakes(name))
}

/// The whole file. Means something only when nothing was reported. `mistakes` takes those of the env file.
fn decode_file(
    report: &Report<'_>,
    paths: &Paths,
    caller: &Environment,
    mistakes: &mut Vec<Mistake>,
) -> Config {
    let (mut whole, mut trees) = (true, Vec::new());
    let readable = |(base, text)| (base, syntax::check(text, base, report));
    let readables: Vec<_> = report.stretches().into_iter().map(readable).collect();
    for (base, readable) in &readables {
        whole &= readable.whole;
        let tree = match &readable.content {
            Content::Tree(tree) => tree.get_ref().clone(),
            Content::Mended(text) => DeTable::parse_recoverable(text).0.into_inner(),
        };
        trees.push(include::shifted(tree, *base));
    }
    let mut root = include::merged(trees, report);
    template::expand(&mut root, report);
    let file = Table::new(&root, &keys::FILE, report);
    check_unused(&file);
    let general = decode::general(&file, &paths.root);
    let (env_file, stamp) = general
        .env_file
        .map(|item| read_env_file(item, &paths.root, mistakes))
        .unwrap_or_default();
    let variables = Variables { caller, env_file };
    let inherited = variables.inherited(&general.pass_env).into();
    let logs = file
        .item("logs")
        .and_then(|item| log::log(item, &LogSpec::default()))
        .unwrap_or_default()
        .into();
    let surroundings = Surroundings {
        root: &paths.root,
        variables: &variables,
        inherited: &inherited,
        logs: &logs,
    };
    let alerts = operations::alerts(&file, &surroundings);
    let services = services(&file, &surroundings, whole);
    let candidates = candidates(&services);
    let schedules = schedules::schedules(&file, &surroundings, &candidates);

    Config {
        redactor: secrets::redactor(caller, &variables.env_file, &services)
            .and(&operations::secrets(&alerts)),
        alerts,
        services,
        metrics: operations::metrics(&file),
        web: web::web(&file),
        log_dir: general.log_dir,
        log_max_total: general.log_max_total,
        logs,
        protected_ports: general.protected_ports,
        schedules,
        market: general.market,
        files: Vec::new(),
        stamps: stamp.into_iter().collect(),
        paths: paths.clone(),
    }
}

/// Unknown keys of templates that nobody uses, and what `include` holds besides names of files.
fn check_unused(file: &Table<'_>) {
    let templates = file.item("templates").and_then(Item::entries).unwrap_or_default();
    for template in templates {
        let _ = template.table();
    }
    let files = file.item("include").map(|item| item.texts()).unwrap_or_default();
    for file in files {
        let _ = file.text();
    }
}

fn read_env_file(item: Item<'_>, root: &Path, mistakes: &mut Vec<Mistake>) -> (Environment, Option<Stamp>) {
    let shown = item.text().unwrap_or_default();
    let path = root.join(shown);
    let variables = match env_file::read(&path, shown) {
        Ok(text) => {
            let report = Report::new(&text);
            let variables = env_file::parse(&report);
            mistakes.extend(report.into_mistakes(shown));
            variables
        }
        Err(Unusable { message, help }) => item.wrong(message, help).unwrap_or_default(),
    };
    (variables, stamp::stamp(&path))
}

/// Every service, in the order in which they start. `whole`: the file lost none of them to a syntax error.
fn services(file: &Table<'_>, surroundings: &Surroundings<'_>, whole: bool) -> Vec<Arc<Spec>> {
    let report = file.report();
    let items = file.item("services").map(Item::entries);
    let none = match &items {
        None => !file.misspells("services"),
        Some(items) => items.as_ref().is_some_and(Vec::is_empty),
    };
    if whole && none {
        let help = "add one, like [services.web] with command = [\"program\", \"--option\"]";
        report.add(Finding::new(0, "no service is declared").help(help));
    }
    let items = items.flatten().unwrap_or_default();
    let ends = items
        .iter()
        .skip(1)
        .map(Item::key_at)
        .chain([report.text().len()]);
    let mut declared: Vec<_> = items
        .iter()
        .zip(ends)
        .filter_map(|(item, end)| decode::service(*item, item.key_at()..end, surroundings))
        .collect();
    if whole {
        let names: Vec<_> = items.iter().map(|item| item.key).collect();
        graph::select(&mut declared, report);
        graph::check_names(&declared, &names, report);
    }
    graph::check_ports(&declared, report);
    hops::settle(&mut declared, report);
    once::keep(&mut declared);
    let order = graph::order(&declared, report);
    let mut specs: Vec<_> = declared
        .into_iter()
        .map(|declared| Some(Arc::new(declared.spec)))
        .collect();
    order
        .into_iter()
        .filter_map(|index| specs[index].take())
        .collect()
}
