//! Faults that come by the clock: `drop@30` once after 30 s, `drop/30` every 30 s.

use std::str::FromStr;
use std::time::Duration;

use tokio::time::sleep;
use ws_listener::Stop;

use crate::Blow;
use crate::faults::{Order, Trouble};

/// How long a scheduled restart takes.
const RESTART_MS: u64 = 1000;

/// What happens at its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A blow to every connection.
    Blow(Blow),
    /// The server is away for a second.
    Restart,
}

/// A fault and its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Scheduled {
    /// The fault.
    pub what: What,
    /// After the start, or after the last time.
    pub wait: Duration,
    /// Again and again.
    pub again: bool,
}

impl FromStr for Scheduled {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "write drop@30 for once after 30 s, or drop/30 for every 30 s; besides drop there are \
                            close, garbage, slow_client, internal_error, mute and restart";
        let at = text.find(['@', '/']).ok_or(FORM)?;
        let (name, seconds) = (&text[..at], &text[at + 1..]);
        let what = match name {
            "drop" => What::Blow(Blow::Drop),
            "close" => What::Blow(Blow::Close),
            "garbage" => What::Blow(Blow::Garbage),
            "slow_client" => What::Blow(Blow::SlowClient),
            "internal_error" => What::Blow(Blow::InternalError),
            "mute" => What::Blow(Blow::Mute),
            "restart" => What::Restart,
            other => return Err(format!("{other:?} is no fault: {FORM}")),
        };
        let seconds: f64 = seconds
            .parse()
            .map_err(|_| format!("{seconds:?} is no number of seconds: {FORM}"))?;
        let wait = Duration::try_from_secs_f64(seconds)
            .ok()
            .filter(|wait| *wait >= Duration::from_millis(10));
        Ok(Self {
            what,
            wait: wait.ok_or("the time must be at least 0.01 s")?,
            again: text.as_bytes()[at] == b'/',
        })
    }
}

impl Scheduled {
    /// Waits and strikes, once or until the stop.
    pub(crate) async fn run(self, trouble: Trouble, mut stop: Stop) {
        loop {
            tokio::select! {
                () = stop.requested() => return,
                () = sleep(self.wait) => {}
            }
            let mut order = Order::default();
            match self.what {
                What::Blow(blow) => order.blow = Some(blow),
                What::Restart => order.restart_ms = Some(RESTART_MS),
            }
            trouble.obey(order);
            if !self.again {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Scheduled, What};
    use crate::Blow;

    #[test]
    fn times_are_read_and_what_is_wrong_is_named() {
        let once: Scheduled = "drop@1.5".parse().expect("well formed");
        assert_eq!((once.what, once.again), (What::Blow(Blow::Drop), false));
        assert_eq!(once.wait, Duration::from_millis(1500));
        let often: Scheduled = "restart/30".parse().expect("well formed");
        assert_eq!((often.what, often.again), (What::Restart, true));
        for (text, why) in [
            ("drop", "write drop@30"),
            ("fire@1", "\"fire\" is no fault"),
            ("drop@x", "\"x\" is no"),
            ("drop/0", "at least"),
        ] {
            let error = text.parse::<Scheduled>().expect_err(text);
            assert!(error.contains(why), "{error}");
        }
    }
}
