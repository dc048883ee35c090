//! PURE: what a service says on its `NOTIFY_SOCKET`, in the words of sd_notify(3).

use std::time::Duration;

/// One thing that it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// `READY=1`: it is, or is again after it reloaded.
    Ready,
    /// `RELOADING=1`: it reads its configuration again, until the next `READY=1`.
    Reloading,
    /// `STOPPING=1`: it is about to end.
    Stopping,
    /// `STATUS=…`: what it is doing, for people.
    Status(String),
    /// `WATCHDOG=1`: it lives.
    Alive,
    /// `WATCHDOG=trigger`: it noticed itself that something is wrong.
    Trigger,
    /// `WATCHDOG_USEC=…`: how often it will say that it lives from now on.
    Interval(Duration),
    /// `EXTEND_TIMEOUT_USEC=…`: what it is at may take so much longer from now on.
    Extend(Duration),
    /// `MAINPID=…`: this is its main process now.
    MainPid(i32),
    /// `ERRNO=…`: what went wrong, by the number of errno(3).
    Errno(i32),
}

/// The longest status kept, in characters.
const LONGEST: usize = 200;

/// What is said in one datagram, in its order. What we have no use for is passed over: `BARRIER=1` is
/// answered by having been read (the kernel closes its descriptor), and descriptors (`FDSTORE=1`) are not kept.
#[must_use]
pub fn parse(datagram: &[u8]) -> Vec<Notice> {
    String::from_utf8_lossy(datagram)
        .lines()
        .filter_map(|line| notice(line.split_once('=')?))
        .collect()
}

fn notice((name, value): (&str, &str)) -> Option<Notice> {
    match (name, value) {
        ("READY", "1") => Some(Notice::Ready),
        ("RELOADING", "1") => Some(Notice::Reloading),
        ("STOPPING", "1") => Some(Notice::Stopping),
        ("STATUS", text) => Some(Notice::Status(printable(text))),
        ("WATCHDOG", "1") => Some(Notice::Alive),
        ("WATCHDOG", "trigger") => Some(Notice::Trigger),
        ("WATCHDOG_USEC", _) => microseconds(value).map(Notice::Interval),
        ("EXTEND_TIMEOUT_USEC", _) => microseconds(value).map(Notice::Extend),
        ("MAINPID", _) => value.parse().ok().filter(|pid| *pid > 0).map(Notice::MainPid),
        ("ERRNO", _) => value.parse().ok().map(Notice::Errno),
        _ => None,
    }
}

fn microseconds(text: &str) -> Option<Duration> {
    text.parse()
        .ok()
        .filter(|number| *number > 0)
        .map(Duration::from_micros)
}

/// Safe on a terminal, and of a length that a line bears.
fn printable(text: &str) -> String {
    let safe = |c: char| if c.is_control() { '?' } else { c };
    text.trim().chars().take(LONGEST).map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::{Notice, parse};
    use std::time::Duration;

    #[test]
    fn every_word_of_the_protocol_is_understood() {
        let said = parse(
            b"READY=1\nSTATUS=12 clients\nMAINPID=4711\nRELOADING=1\nMONOTONIC_USEC=5\nSTOPPING=1\nWATCHDOG=1\n\
              WATCHDOG=trigger\nWATCHDOG_USEC=2000000\nEXTEND_TIMEOUT_USEC=1500\nERRNO=2\n",
        );
        let wanted = [
            Notice::Ready,
            Notice::Status("12 clients".into()),
            Notice::MainPid(4711),
            Notice::Reloading,
            Notice::Stopping,
            Notice::Alive,
            Notice::Trigger,
            Notice::Interval(Duration::from_secs(2)),
            Notice::Extend(Duration::from_micros(1500)),
            Notice::Errno(2),
        ];
        assert_eq!(said, wanted);
    }

    #[test]
    fn what_means_nothing_to_us_is_passed_over() {
        for text in [
            "",
            "READY",
            "READY=0",
            "READY=1x",
            "ready=1",
            "FDSTORE=1\nFDNAME=x",
            "BARRIER=1",
            "MAINPID=-1",
            "MAINPID=x",
            "WATCHDOG=0",
            "EXTEND_TIMEOUT_USEC=-5",
            "WATCHDOG_USEC=0",
            "X_MINE=1",
            "=",
        ] {
            assert_eq!(parse(text.as_bytes()), [], "{text:?}");
        }
        assert_eq!(parse(b"\xff\xfe\nREADY=1"), [Notice::Ready]);
    }

    #[test]
    fn a_status_cannot_steer_a_terminal_or_fill_it() {
        assert_eq!(parse(b"STATUS=a\x1b[2Jb"), [Notice::Status("a?[2Jb".into())]);
        let Notice::Status(long) = parse(format!("STATUS={}", "x".repeat(9999)).as_bytes()).remove(0) else {
            panic!("no status");
        };
        assert_eq!(long.len(), 200);
    }
}
