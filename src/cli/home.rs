//! The words of the commands that make sentinel at home on a host: import, export, completions, …

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::moving::export::Target;

/// `import`.
#[derive(Args, Debug)]
pub struct ImportArgs {
    /// supervisord.conf, Procfile, PM2 JSON, docker-compose or process-compose YAML, systemd .service
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Where to write; `-` is standard output, and then no env file is written
    #[arg(short, long, value_name = "FILE", default_value = "services.toml")]
    pub output: PathBuf,
    /// Write over files that are there
    #[arg(long)]
    pub force: bool,
}

/// `completions`.
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: Shell,
}

/// A shell that can complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

impl CompletionsArgs {
    pub(super) const EXAMPLES: &'static str = "\
Examples:
  bash: sentinel completions bash > ~/.local/share/bash-completion/completions/sentinel
  zsh:  sentinel completions zsh > ~/.zfunc/_sentinel    (with fpath+=~/.zfunc before compinit)
  fish: sentinel completions fish > ~/.config/fish/completions/sentinel.fish";
}

/// `man`.
#[derive(Args, Debug)]
pub struct ManArgs {
    /// Folder to write sentinel.1, sentinel-COMMAND.1 and services.toml.5 to; standard output without it
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,
}

/// `schema`.
#[derive(Args, Debug)]
pub struct SchemaArgs {
    /// Every key with what it is for, as docs/reference.md has it
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
}

/// `init`.
#[derive(Args, Debug)]
pub struct InitArgs {
    /// Where to write
    #[arg(short, long, value_name = "FILE", default_value = "services.toml")]
    pub output: PathBuf,
    /// Write over files that are there
    #[arg(long)]
    pub force: bool,
}

/// `supervisorctl`.
#[derive(Args, Debug)]
pub struct SupervisorctlArgs {
    /// What to do, as one would tell supervisorctl
    #[arg(value_name = "WORD", trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<String>,
}

impl SupervisorctlArgs {
    pub(super) const WORDS: &'static str = "\
Words:
  status [NAME…]   start|stop|restart NAME…|all   tail [-f|-BYTES] NAME [stdout|stderr]
  reread   update   avail   pid [NAME…|all]   version   shutdown

For scripts that call supervisorctl: alias supervisorctl='sentinel supervisorctl'";
}

/// `export`.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// Whose words
    #[arg(value_name = "TARGET", value_enum)]
    pub target: Target,
    /// Folder to write to; standard output without it
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Write over files that are there
    #[arg(long)]
    pub force: bool,
}

impl ImportArgs {
    pub(super) const EXAMPLES: &'static str = "\
Examples:
  sentinel import /etc/supervisor/supervisord.conf
  sentinel import Procfile -o -                  only look
  sentinel import api.service worker.service

It says of every key what became of it. Secrets go to an env file beside the output, mode 0600.";
}

/// Which unit.
#[derive(Args, Debug)]
pub struct UnitArgs {
    /// The systemd of this user [default, unless root]
    #[arg(long, conflicts_with = "system")]
    pub user: bool,
    /// The systemd of the host [default for root]
    #[arg(long)]
    pub system: bool,
    /// The unit's name
    #[arg(long, value_name = "NAME", default_value = UnitArgs::NAME)]
    pub name: String,
}

impl UnitArgs {
    const NAME: &'static str = "sentinel";

    /// Whether the caller said which.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.user || self.system || self.name != Self::NAME
    }
}

/// `install`.
#[derive(Args, Debug)]
pub struct InstallArgs {
    /// Which unit.
    #[command(flatten)]
    pub unit: UnitArgs,
    /// Print the unit and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Enable it for the next boot, and start nothing now
    #[arg(long)]
    pub no_start: bool,
}

/// `uninstall`.
#[derive(Args, Debug)]
pub struct UninstallArgs {
    /// Which unit.
    #[command(flatten)]
    pub unit: UnitArgs,
}
