//! The mistakes of a services.toml, each with its place, written for the person who must mend it.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// The file it is in, relative to the folder of services.toml (the env file has mistakes of its own).
    pub file: String,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// What is wrong. Never the value of a variable: it may be a secret.
    pub message: String,
    /// The way out, where one is known.
    pub help: Option<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// All mistakes of one services.toml, in the order of the file; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes {
    file: PathBuf,
    list: Vec<Mistake>,
}

impl Mistakes {
    pub(super) fn new(file: &Path, list: Vec<Mistake>) -> Self {
        Self {
            file: file.to_path_buf(),
            list,
        }
    }

    /// The services.toml, absolute.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The mistakes; each serializes to `{"file", "line", "column", "message", "help"}`.
    #[must_use]
    pub fn as_slice(&self) -> &[Mistake] {
        &self.list
    }
}

impl fmt::Display for Mistakes {
    /// One line for each mistake, as compilers write them, without a final line break.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.list.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}
