//! Where sentinel keeps its things: every path, derived from services.toml's own.

use std::path::{Path, PathBuf};

/// The paths of one house: the folder of services.toml and what sentinel keeps beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// services.toml, absolute.
    pub config: PathBuf,
    /// Its folder: relative paths in the file are relative to this.
    pub root: PathBuf,
    /// `.sentinel/`, mode 0700: socket, locks, state.
    pub state_dir: PathBuf,
}

impl Paths {
    /// The paths that belong to this services.toml (absolute, symbolic links resolved).
    #[must_use]
    pub fn of(config: &Path) -> Self {
        let root = config.parent().unwrap_or(Path::new("/")).to_path_buf();
        Self {
            config: config.to_path_buf(),
            state_dir: root.join(".sentinel"),
            root,
        }
    }

    /// The control socket, mode 0600.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.state_dir.join("sock")
    }

    /// What the supervisor leaves for the one after it, should it die.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.state_dir.join("state.json")
    }

    /// Which systemd unit runs this house, as `install` wrote it down.
    #[must_use]
    pub fn unit(&self) -> PathBuf {
        self.state_dir.join("unit")
    }

    /// What the supervisor that systemd begins next is to do.
    #[must_use]
    pub fn errand(&self) -> PathBuf {
        self.state_dir.join("errand.json")
    }

    /// Locked (flock) by the supervisor for as long as it lives; names it inside.
    #[must_use]
    pub fn supervisor_lock(&self) -> PathBuf {
        self.state_dir.join("supervisor.lock")
    }

    /// There after `sentinel shutdown`, until a supervisor begins: nobody is to begin one by the clock.
    #[must_use]
    pub fn rest(&self) -> PathBuf {
        self.state_dir.join("shutdown")
    }

    /// Locked (flock) by whoever changes what runs: restart, start, stop, flush.
    #[must_use]
    pub fn operation_lock(&self) -> PathBuf {
        self.state_dir.join("operation.lock")
    }
}
