//! What runs here, in the words of other supervisors: text from a proven Config, secrets by name only.

mod compose;
mod kubernetes;
mod launchd;
mod network;
mod nomad;
mod outline;
mod procfile;
mod rights;
mod supervisord;
mod systemd;

use std::path::PathBuf;

use clap::ValueEnum;

use crate::config::{Config, Environment};

pub use outline::Outline;

/// Where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// One unit per service, and a target for all
    Systemd,
    /// One supervisord.conf
    Supervisord,
    /// One Procfile
    Procfile,
    /// One property list per service
    Launchd,
    /// One docker-compose file
    Compose,
    /// Deployments, jobs and services
    Kubernetes,
    /// One job
    Nomad,
}

/// One file of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name, without a folder.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// What a text cannot know by itself.
#[derive(Clone, Debug)]
pub struct Surroundings<'e> {
    /// The caller's environment: what a service merely inherits from it is not exported.
    pub environment: &'e Environment,
    /// The env file of services.toml, or where one would be.
    pub env_file: PathBuf,
}

/// The files that say for `target` what `config` says here.
#[must_use]
pub fn export(target: Target, config: &Config, surroundings: &Surroundings<'_>) -> Vec<File> {
    let outline = Outline::of(config, surroundings);
    let file = |name: &str, text| {
        vec![File {
            name: name.to_owned(),
            text,
        }]
    };
    match target {
        Target::Systemd => systemd::files(&outline),
        Target::Supervisord => file("supervisord.conf", supervisord::text(&outline)),
        Target::Procfile => file("Procfile", procfile::text(&outline)),
        Target::Launchd => launchd::files(&outline),
        Target::Compose => file("compose.yaml", compose::text(&outline)),
        Target::Kubernetes => file("kubernetes.yaml", kubernetes::text(&outline)),
        Target::Nomad => file(&format!("{}.nomad.hcl", outline.name), nomad::text(&outline)),
    }
}
