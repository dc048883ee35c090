//! What services.toml means, and what is said of one that is wrong: to the letter.

mod any_text;
mod environment;
mod mistakes;
mod places;
mod preflight;
mod rights;
mod shipped;
mod values;

use std::path::Path;

use tempfile::TempDir;

use super::{Config, Environment, Mistakes, load};

/// A folder with a services.toml of this text.
struct House {
    folder: TempDir,
    caller: Environment,
}

impl House {
    fn new(text: impl AsRef<[u8]>) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        std::fs::write(folder.path().join("services.toml"), text).expect("a new file");
        Self {
            folder,
            caller: Environment::new(),
        }
    }

    /// With this variable in the caller's environment.
    fn caller(mut self, name: &str, value: &str) -> Self {
        self.caller.insert(name.to_owned(), value.to_owned());
        self
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn load(&self) -> Result<Config, Mistakes> {
        load(&self.root().join("services.toml"), &self.caller)
    }

    /// Everything that is said of the file, with its folder as ROOT.
    fn mistakes(&self) -> String {
        match self.load() {
            Ok(_) => "valid".to_owned(),
            Err(mistakes) => mistakes
                .to_string()
                .replace(&*self.root().to_string_lossy(), "ROOT"),
        }
    }
}

/// Everything that is said of this text.
fn mistakes(text: &str) -> String {
    House::new(text).mistakes()
}

/// What this text declares.
fn valid(text: &str) -> Config {
    House::new(text).load().expect("a valid text")
}
