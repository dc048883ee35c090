//! Asks a running service for its health, again and again, on its own clock.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::mailbox::{Mailbox, Message};
use super::place::DaemonPlace;
use crate::probe::{self, Checked};
use crate::service::{Health, Run, Spec};
use crate::supervisor::Input;

/// Begins to ask; the handle ends it. Nothing happens for a service without a probe.
/// `course`: whether the last answer was good, if there was one, and how many in a row were not.
pub fn watch(
    run: Run,
    spec: &Arc<Spec>,
    mailbox: Mailbox,
    place: DaemonPlace,
    course: (Option<bool>, u32),
) -> Option<AbortHandle> {
    let health = spec.health.clone()?;
    let course = Course {
        run,
        mailbox,
        failed_in_a_row: course.1,
        last: course.0,
    };
    Some(tokio::task::spawn_local(course.ask_forever(*health, place)).abort_handle())
}

/// The answers of one run so far. The next question follows the last answer, so that none overlap.
struct Course {
    run: Run,
    mailbox: Mailbox,
    failed_in_a_row: u32,
    last: Option<bool>,
}

impl Course {
    async fn ask_forever(mut self, health: Health, place: DaemonPlace) {
        for attempt in 0_u64.. {
            let checked = probe::check(self.run.service.as_str(), &health, &place).await;
            self.tell(checked, &health);
            sleep_until(beat(health.every, pause(health.every, &self.run, attempt))).await;
        }
    }

    fn tell(&mut self, checked: Checked, health: &Health) {
        let good = checked.is_good();
        self.failed_in_a_row = if good {
            0
        } else {
            self.failed_in_a_row.saturating_add(1)
        };
        let ill = self.failed_in_a_row >= health.failures && !checked.excused;
        let why = checked.error.clone().filter(|_| ill);
        self.mailbox.post(Message::Health {
            run: self.run.clone(),
            checked: Box::new(checked),
            failed_in_a_row: self.failed_in_a_row,
        });
        if self.last.replace(good) != Some(good) {
            let run = self.run.clone();
            let verdict = if good {
                Input::Healthy { run }
            } else {
                Input::Ailing { run }
            };
            self.mailbox.post(Message::Input(verdict));
        }
        if let Some(why) = why {
            let run = self.run.clone();
            self.mailbox.post(Message::Input(Input::Unhealthy { run, why }));
        }
    }
}

/// The time to the next question: `every`, a little more or less, so that services which started together
/// are not asked together for ever. The first pause is up to a half shorter, which spreads them at once.
fn pause(every: Duration, run: &Run, attempt: u64) -> Duration {
    let mut hasher = DefaultHasher::new();
    (run, attempt).hash(&mut hasher);
    let fraction = f64::from((hasher.finish() >> 32) as u32) / f64::from(u32::MAX);
    match attempt {
        0 => every.mul_f64(0.5 + fraction / 2.0),
        _ => every.mul_f64(0.95 + fraction / 10.0),
    }
}

/// How many beats there are in one `every`.
const BEATS: u32 = 40;

/// The moment after this pause, put off to the next beat, which all that are asked as often have in common:
/// a few questions together cost half of what they cost one by one, each with a wake-up of its own.
fn beat(every: Duration, pause: Duration) -> Instant {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    let first = *FIRST.get_or_init(Instant::now);
    let due = Instant::now() + pause;
    let between = (every / BEATS).as_nanos();
    let since = (due - first).as_nanos();
    match since.checked_rem(between) {
        None | Some(0) => due,
        Some(over) => due + Duration::from_nanos(u64::try_from(between - over).unwrap_or(0)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::service::ServiceName;

    #[test]
    fn questions_are_spread_and_stay_near_their_clock() {
        let every = Duration::from_secs(10);
        let of = |index: u64, attempt| {
            let service = ServiceName::parse(&format!("s{index}")).expect("valid");
            pause(every, &Run { service, number: 1 }, attempt).as_secs_f64()
        };
        let mut tenths = [0_usize; 10];
        for index in 0..500 {
            let first = of(index, 0);
            assert!((5.0..=10.0).contains(&first), "{first}");
            tenths[((first - 5.0) * 1.999) as usize] += 1;
            let later = of(index, 7);
            assert!((9.5..=10.5).contains(&later), "{later}");
        }
        assert!(
            tenths.iter().all(|&count| (20..=90).contains(&count)),
            "{tenths:?}"
        );
        let beats: HashSet<Instant> = (0..100)
            .map(|index| beat(every, Duration::from_secs_f64(of(index, 7))))
            .collect();
        assert!(beats.len() <= 6, "a second has four beats: {}", beats.len());
        assert!(
            (of(1, 3) - of(1, 3)).abs() < f64::EPSILON,
            "no chance is involved"
        );
    }
}
