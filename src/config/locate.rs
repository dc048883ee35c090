//! Which services.toml is meant.

use std::fmt;
use std::path::{Path, PathBuf};

use super::env_file::reason;

/// The name of the file when nobody names one.
const NAME: &str = "services.toml";

/// There is no services.toml to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotFound {
    /// The file that `-c` or `$SENTINEL_CONFIG` names cannot be used.
    Named {
        /// As named, made absolute.
        file: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Neither this folder nor one above it has a services.toml.
    Nowhere {
        /// Where the search began.
        from: PathBuf,
    },
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named { file, reason } => {
                write!(
                    f,
                    "{}: {reason}; name a services.toml with -c FILE or $SENTINEL_CONFIG",
                    file.display()
                )
            }
            Self::Nowhere { from } => write!(
                f,
                "no {NAME} in {} or any folder above it; go to its folder, or name it with -c FILE or $SENTINEL_CONFIG; `sentinel init` writes a first one",
                from.display()
            ),
        }
    }
}

impl std::error::Error for NotFound {}

/// The file that was named (`-c`, `$SENTINEL_CONFIG`), else services.toml in `cwd` or the nearest folder above.
/// The answer is absolute and free of symbolic links.
///
/// # Errors
/// Where it looked, and the way out.
pub fn locate(explicit: Option<&Path>, cwd: &Path) -> Result<PathBuf, NotFound> {
    match explicit {
        Some(file) => named(&cwd.join(file)),
        None => {
            let found = cwd
                .ancestors()
                .map(|folder| folder.join(NAME))
                .find(|file| file.is_file());
            named(&found.ok_or_else(|| NotFound::Nowhere {
                from: cwd.to_path_buf(),
            })?)
        }
    }
}

fn named(file: &Path) -> Result<PathBuf, NotFound> {
    let because = |reason| NotFound::Named {
        file: file.to_path_buf(),
        reason,
    };
    let absolute = file.canonicalize().map_err(|error| because(reason(&error)))?;
    match absolute.is_file() {
        true => Ok(absolute),
        false => Err(because("not a file".into())),
    }
}
