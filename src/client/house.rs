//! The house that a command is about: where its services.toml is, and what it says.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::api::FailureKind;
use crate::cli::Flags;
use crate::config::{self, Config, Mistake, Mistakes};
use crate::paths::Paths;
use crate::redact;
use crate::service::Spec;

use super::error::Error;

/// Where the house is. Enough for commands that only ask the supervisor: they work beside a broken services.toml.
///
/// # Errors
/// When there is no services.toml.
pub fn locate(flags: &Flags) -> Result<Paths, Error> {
    let here = std::env::current_dir().map_err(|error| {
        Error::failed("the current folder is gone")
            .because(&error)
            .help("cd to another")
    })?;
    let named = flags.config.clone().or_else(from_environment);
    let file = config::locate(named.as_deref(), &here)
        .map_err(|error| Error::new(FailureKind::Config, error.to_string()))?;
    Ok(Paths::of(&file))
}

/// `$SENTINEL_CONFIG`; an empty one is none.
fn from_environment() -> Option<PathBuf> {
    std::env::var_os("SENTINEL_CONFIG")
        .filter(|file| !file.is_empty())
        .map(PathBuf::from)
}

/// What its services.toml says.
///
/// # Errors
/// Every mistake of it at once.
pub fn load(flags: &Flags) -> Result<Config, Error> {
    read(&locate(flags)?).map_err(|mistakes| wrong(&mistakes))
}

/// What the services.toml of this house says.
///
/// # Errors
/// Every mistake of it at once.
pub fn read(paths: &Paths) -> Result<Config, Mistakes> {
    let config = config::load(&paths.config, &config::environment())?;
    redact::learn(&config.redactor);
    Ok(config)
}

/// The mistakes as one error.
#[must_use]
pub fn wrong(mistakes: &Mistakes) -> Error {
    let list = mistakes.as_slice();
    let name = mistakes.file().file_name().unwrap_or_default().to_string_lossy();
    let count = super::render::words::count(list.len() as u64, "mistake");
    let details = list.iter().flat_map(mistake_lines).collect();
    Error::new(FailureKind::Config, format!("{name} has {count}")).details(details)
}

fn mistake_lines(mistake: &Mistake) -> Vec<String> {
    let Mistake {
        file,
        line,
        column,
        message,
        help,
    } = mistake;
    let help = help.iter().map(|help| format!("  help: {help}"));
    std::iter::once(format!("{file}:{line}:{column}: {message}"))
        .chain(help)
        .collect()
}

/// The supervisor's own log.
#[must_use]
pub fn own_log(config: &Config) -> PathBuf {
    config.log_dir.join("sentinel.log")
}

/// services.toml as a user would name it: relative when it is below the current folder.
#[must_use]
pub fn shown(paths: &Paths) -> String {
    let here = std::env::current_dir().ok();
    let relative = here
        .as_deref()
        .and_then(|here| paths.config.strip_prefix(here).ok());
    relative.unwrap_or(&paths.config).display().to_string()
}

/// The declared services that these names mean; all without a name.
///
/// # Errors
/// The first name that is not declared.
pub fn chosen(config: &Config, names: &[String]) -> Result<Vec<Arc<Spec>>, Error> {
    for name in names {
        if spec(config, name).is_none() {
            return Err(Error::unknown_service(name, &self::names(config)));
        }
    }
    let wanted = |spec: &&Arc<Spec>| names.is_empty() || names.iter().any(|name| name == spec.name.as_str());
    Ok(config.services.iter().filter(wanted).cloned().collect())
}

/// The declaration of this service.
#[must_use]
pub fn spec<'c>(config: &'c Config, name: &str) -> Option<&'c Arc<Spec>> {
    config.services.iter().find(|spec| spec.name.as_str() == name)
}

/// All declared names.
#[must_use]
pub fn names(config: &Config) -> Vec<String> {
    config.services.iter().map(|spec| spec.name.to_string()).collect()
}

/// The log of a service.
#[must_use]
pub fn log_of(log_dir: &Path, service: &str) -> PathBuf {
    log_dir.join(format!("{service}.log"))
}
