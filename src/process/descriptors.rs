//! How many descriptors this process may have: as many as the hard limit grants; its children, as many as
//! whoever started us meant them to have (programs that use select(2) break with more than 1,024).

use std::io;
use std::sync::OnceLock;

use rustix::fd::OwnedFd;
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than any house needs; some systems grant a thousand million.
const MOST: u64 = 65_536;
/// What must stay free to answer callers and look at processes, and what a start opens for a moment.
const RESERVE: usize = 12;
/// What a service keeps open from its first start on, and while it runs.
const KEPT: usize = 5;

/// What there is besides.
const TABLE: usize = 64;

/// The soft limit before it was raised.
static GIVEN: OnceLock<Option<u64>> = OnceLock::new();

/// Raises the soft limit as far as it goes. Without success nothing is lost.
pub fn raise() {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.map_or(MOST, |hard| hard.min(MOST));
    if limit.current.is_none_or(|soft| soft >= most) {
        return;
    }
    let _ = GIVEN.set(limit.current);
    let _ = set(Some(most));
}

/// Back to the limit that was given, for a program that takes our place.
pub fn restore() {
    if let Some(given) = given() {
        let _ = set(Some(given));
    }
}

/// Makes the kernel's table of our descriptors as large as so many services need, at once. A table that threads share
/// grows only after all processors have been waited for, some milliseconds each time: to be called before the first
/// thread, and without success nothing is lost.
pub fn make_room(services: usize) {
    let wanted = i32::try_from(RESERVE + (KEPT + 1) * services + TABLE).unwrap_or(i32::MAX);
    let _ = fcntl_dupfd_cloexec(io::stderr(), wanted);
}

/// The soft limit that children get, if ours was raised.
pub(super) fn given() -> Option<u64> {
    GIVEN.get().copied().flatten()
}

fn set(soft: Option<u64>) -> io::Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    Ok(setrlimit(
        Resource::Nofile,
        Rlimit {
            current: soft,
            maximum,
        },
    )?)
}

/// Whether enough are free to start something and still be able to answer. A service that has its pipes
/// already finds room where a new one does not.
///
/// # Errors
/// A sentence with the limit and the way out.
pub fn enough(for_the_first_time: bool) -> Result<(), String> {
    let wanted = RESERVE + if for_the_first_time { KEPT } else { 0 };
    if open_now().is_some_and(|open| open + wanted as u64 <= own_limit()) {
        return Ok(());
    }
    let mut free: Vec<OwnedFd> = Vec::with_capacity(wanted);
    for _ in 0..wanted {
        match fcntl_dupfd_cloexec(io::stderr(), 0) {
            Ok(descriptor) => free.push(descriptor),
            Err(_) => {
                let limit = getrlimit(Resource::Nofile).current.unwrap_or(0);
                return Err(format!(
                    "nearly all of the {limit} descriptors that sentinel may have are in use; raise the hard limit (ulimit -Hn, LimitNOFILE= of systemd), or run fewer services"
                ));
            }
        }
    }
    Ok(())
}

/// How many are open; unknown before Linux 6.2, which counts them as the size of the folder.
fn open_now() -> Option<u64> {
    let folder = rustix::fs::stat("/proc/self/fd").ok()?;
    u64::try_from(folder.st_size).ok().filter(|&open| open > 0)
}

fn own_limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_enough_and_none_is_kept() {
        let open = || std::fs::read_dir("/proc/self/fd").expect("there").count();
        let before = open();
        enough(true).expect("a test has room");
        // Other tests of this process open and close too.
        assert!(open() < before + RESERVE);
    }
}
