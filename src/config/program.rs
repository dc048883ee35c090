//! Which file a command's first word means.

use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use crate::service::Spec;

/// Where programs are looked for when the service has no PATH.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The program that this service runs, absolute.
///
/// # Errors
/// See [`find_program`].
pub fn program(spec: &Spec) -> Result<PathBuf, String> {
    find_program(spec.command.first().map_or("", String::as_str), spec)
}

/// The program that `name` means for this service, be it the service's own or that of an `exec` probe.
///
/// With a slash it is that file. A bare name is looked up next to the running `sentinel` first, where the bundled
/// workers are, then in the PATH of the service.
///
/// # Errors
/// A sentence that says what was looked for and where.
pub fn find_program(name: &str, spec: &Spec) -> Result<PathBuf, String> {
    if name.contains('/') {
        let file = spec.cwd.join(name);
        return executable(&file).map(|()| file);
    }
    let own = std::env::current_exe()
        .ok()
        .and_then(|exe| exe.parent().map(Path::to_path_buf));
    let path = spec.env.get("PATH").map_or(DEFAULT_PATH, String::as_str);
    let folders = path
        .split(':')
        .filter(|folder| !folder.is_empty())
        .map(|folder| spec.cwd.join(folder));
    let mut refused = None;
    let candidates = own.iter().cloned().chain(folders).map(|folder| folder.join(name));
    for file in candidates.filter(|file| file.is_file()) {
        match executable(&file) {
            Ok(()) => return Ok(file),
            Err(why) => refused = refused.or(Some(why)),
        }
    }
    let beside = own.map_or_else(String::new, |folder| format!("in {} nor ", folder.display()));
    Err(refused
        .unwrap_or_else(|| format!("the program `{name}` is neither {beside}in PATH ({})", once(path))))
}

/// The folders of a PATH, each once: shells that start shells repeat them.
fn once(path: &str) -> String {
    let mut folders: Vec<&str> = Vec::new();
    for folder in path.split(':') {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders.join(":")
}

/// Whether we could run this file.
fn executable(file: &Path) -> Result<(), String> {
    let shown = file.display();
    match std::fs::metadata(file) {
        Err(error) => Err(format!(
            "the program {shown} cannot be used: {}",
            super::env_file::reason(&error)
        )),
        Ok(metadata) if !metadata.is_file() => Err(format!("the program {shown} is not a file")),
        Ok(_) => {
            access(file, AccessFlags::X_OK).map_err(|_| format!("the program {shown} is not executable"))
        }
    }
}
