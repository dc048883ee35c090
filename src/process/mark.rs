//! The mark that says which run of which house a process belongs to; every descendant inherits it.

use super::procfs::{read_whole, vanished};
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

/// How often a process is asked again that is just being replaced by exec.
const ATTEMPTS: usize = 1000;

/// The mark a process was started with; `None` when it has none, is gone, or may not be asked.
///
/// Between fork and exec a child shows its parent's. A process may overwrite its environment (programs
/// that set their title do) and then loses its mark: fall back to parent and session.
///
/// # Errors
/// /proc could not be read, which says nothing about the process.
pub fn mark(pid: i32) -> io::Result<Option<Mark>> {
    Ok(find(&environment(pid)?))
}

/// A variable of the environment that a process was started with; none as for [`mark`].
///
/// # Errors
/// As for [`mark`].
pub fn variable(pid: i32, name: &str) -> io::Result<Option<String>> {
    let environ = environment(pid)?;
    let found = environ.split(|&byte| byte == 0).find_map(|variable| {
        let value = variable.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(String::from_utf8_lossy(value).into_owned())
    });
    Ok(found)
}

fn environment(pid: i32) -> io::Result<Vec<u8>> {
    let mut environ = Vec::new();
    for _ in 0..ATTEMPTS {
        match read_whole(&format!("/proc/{pid}/environ"), &mut environ) {
            Ok(()) if environ.is_empty() && should_have_one(pid)? => std::thread::yield_now(),
            Ok(()) => break,
            Err(error) if vanished(&error) || error.kind() == io::ErrorKind::PermissionDenied => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(environ)
}

/// Whether a process whose environment was read as empty has one: while exec replaces the process, and
/// for a read that exec overtook, it is empty, and a leftover seen then would pass for a stranger.
fn should_have_one(pid: i32) -> io::Result<bool> {
    let mut stat = Vec::new();
    match read_whole(&format!("/proc/{pid}/stat"), &mut stat) {
        Ok(()) => {}
        Err(error) if vanished(&error) => return Ok(false),
        Err(error) => return Err(error),
    }
    let after_name = stat.rsplit(|&byte| byte == b')').next().unwrap_or_default();
    let fields: Vec<&[u8]> = after_name.trim_ascii().split(|&byte| byte == b' ').collect();
    // Fields of proc_pid_stat(5), of which the state, the first one after the name, is number 3.
    let zero = |number: usize| fields.get(number - 3).is_none_or(|field| *field == b"0");
    let (memory, start_code, env_start, env_end) = (23, 26, 50, 51);
    // The kernel sets the code's start only after the environment's end (fs/binfmt_elf.c).
    let in_exec = zero(env_start) || zero(start_code);
    let overtaken = fields.get(env_start - 3) != fields.get(env_end - 3);
    // Kernel threads, zombies and who is about to be one have no memory.
    Ok(!zero(memory) && (in_exec || overtaken))
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
    use crate::process::command;
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
    fn exec_does_not_hide_it() {
        let script = r#"[ "$1" -gt 0 ] && exec sh -c "$SCRIPT" sh $(($1 - 1)); exec sleep 60"#;
        let mut child = Command::new("sh")
            .args(["-c", script, "sh", "60"])
            .env("SCRIPT", script)
            .env(MARK, example().to_env())
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let mut all = true;
        while command(pid) != "sleep" {
            all &= mark(pid).unwrap() == Some(example());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(all);
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
