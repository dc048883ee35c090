//! The mark that says which run of which house a process belongs to; every descendant inherits it.

use super::procfs::{read_into, vanished};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The environment variable that holds the mark.
pub const MARK: &str = "SENTINEL_RUN";

/// `SENTINEL_RUN=<number>:<service>:<state dir>`. A service's name holds no colon, a path may.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// Which life of the service.
    pub number: u64,
    /// The service.
    pub service: String,
    /// The house: its state directory, absolute, symbolic links resolved.
    pub state_dir: PathBuf,
}

impl Mark {
    /// The variable's value.
    #[must_use]
    pub fn to_env(&self) -> OsString {
        let mut value = format!("{}:{}:", self.number, self.service).into_bytes();
        value.extend(self.state_dir.as_os_str().as_bytes());
        OsString::from_vec(value)
    }

    /// Reads the variable's value; `None` when it is not a mark.
    #[must_use]
    pub fn parse(value: &OsStr) -> Option<Mark> {
        let mut parts = value.as_bytes().splitn(3, |&byte| byte == b':');
        let number = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
        let service = std::str::from_utf8(parts.next()?).ok()?;
        let state_dir = Path::new(OsStr::from_bytes(parts.next()?));
        (!service.is_empty() && state_dir.is_absolute()).then(|| Mark {
            number,
            service: service.to_string(),
            state_dir: state_dir.to_path_buf(),
        })
    }
}

/// The mark a process was started with; `None` when it has none, is gone, or may not be asked.
///
/// Between fork and exec a child shows its parent's. A process may overwrite its environment (programs
/// that set their title do) and then loses its mark: fall back to parent and session.
///
/// # Errors
/// /proc could not be read, which says nothing about the process.
pub fn mark(pid: i32) -> io::Result<Option<Mark>> {
    let mut environ = Vec::new();
    match read_into(&format!("/proc/{pid}/environ"), &mut environ) {
        Ok(()) => Ok(find(&environ)),
        Err(error) if vanished(&error) || error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
        Err(error) => Err(error),
    }
}

/// Finds the mark in an environment block; the first one counts, as for getenv(3).
fn find(environ: &[u8]) -> Option<Mark> {
    let value = environ.split(|&byte| byte == 0).find_map(|variable| {
        let (name, value) = variable.split_at_checked(MARK.len())?;
        (name == MARK.as_bytes()).then(|| value.strip_prefix(b"="))?
    })?;
    Mark::parse(OsStr::from_bytes(value))
}

#[cfg(test)]
mod tests {
    use super::{MARK, Mark, find, mark};
    use std::ffi::OsStr;
    use std::io::{BufRead, BufReader};
    use std::os::unix::ffi::OsStrExt;
    use std::path::PathBuf;
    use std::process::{Command, Stdio};

    fn example() -> Mark {
        Mark {
            number: 7,
            service: "stream@AAPL".into(),
            state_dir: PathBuf::from("/srv/a:b c/.sentinel"),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(example().to_env(), "7:stream@AAPL:/srv/a:b c/.sentinel");
        assert_eq!(Mark::parse(&example().to_env()), Some(example()));
        let odd = Mark {
            state_dir: PathBuf::from(OsStr::from_bytes(b"/\xff/x")),
            ..example()
        };
        assert_eq!(Mark::parse(&odd.to_env()), Some(odd));
    }

    #[test]
    fn what_is_not_a_mark_is_none() {
        for text in [
            "",
            "7",
            "7:a",
            "7:a:",
            "7:a:relative",
            "x:a:/b",
            "7::/b",
            "-1:a:/b",
            ":a:/b",
        ] {
            assert_eq!(Mark::parse(OsStr::new(text)), None, "{text:?}");
        }
    }

    #[test]
    fn only_the_variable_itself_counts() {
        assert_eq!(
            find(b"XSENTINEL_RUN=1:a:/b\0SENTINEL_RUNS=1:a:/b\0SENTINEL_RUN\0"),
            None
        );
        let block = b"A=1\0SENTINEL_RUN=2:a:/b\0SENTINEL_RUN=3:c:/d\0";
        assert_eq!(find(block).unwrap().number, 2);
        assert_eq!(find(b""), None);
    }

    #[test]
    fn a_descendant_inherits_it() {
        let mut shell = Command::new("sh")
            .args(["-c", "sleep 60 & echo $!; read line; kill $!"])
            .env(MARK, example().to_env())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let found = mark(line.trim().parse().unwrap());
        drop(shell.stdin.take());
        shell.wait().unwrap();
        assert_eq!(found.unwrap(), Some(example()));
        assert_eq!(mark(i32::MAX).unwrap(), None);
    }
}
