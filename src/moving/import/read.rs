//! The only door to the disk for imports.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Source, Unreadable};

/// A file that the caller names.
pub fn file(file: &Path) -> Result<Source, Unreadable> {
    let unreadable = |error: &std::io::Error| Unreadable {
        message: format!("{} cannot be read: {error}", file.display()),
        help: "name a file that exists and that you may read".into(),
    };
    let absolute = std::path::absolute(file).map_err(|error| unreadable(&error))?;
    let bytes = std::fs::read(file).map_err(|error| unreadable(&error))?;
    let text = String::from_utf8(bytes).map_err(|_| Unreadable {
        message: format!("{} is not UTF-8", file.display()),
        help: "save it as UTF-8".into(),
    })?;
    Ok(Source {
        shown: file.display().to_string(),
        folder: absolute.parent().unwrap_or(Path::new("/")).to_path_buf(),
        text: text.trim_start_matches('\u{feff}').replace("\r\n", "\n"),
    })
}

/// The files that a pattern means, in order.
pub fn matching(pattern: &str) -> Result<Vec<PathBuf>, String> {
    let paths = glob::glob(pattern).map_err(|error| format!("`{pattern}` is not a pattern: {error}"))?;
    Ok(paths
        .filter_map(Result::ok)
        .filter(|path| path.is_file())
        .collect())
}

/// The variables of an env file, by sentinel's own rules for one.
pub fn variables(file: &Path) -> Result<BTreeMap<String, String>, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    crate::config::variables_of(&text).map_err(|line| format!("{}:{line} is not NAME=value", file.display()))
}

/// The name of this host; empty when the kernel does not say.
pub fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}
