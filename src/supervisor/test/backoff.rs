//! The delays of back-off: doubled, capped, and not the same for all.

use std::time::Duration;

use super::super::backoff::{CAP, FIRST, Jitter};

#[test]
fn a_delay_doubles_up_to_its_cap_and_takes_a_quarter_more_at_most() {
    let mut jitter = Jitter::new(1);
    for failures in 1..=100 {
        let base = FIRST.saturating_mul(1 << (failures - 1).min(20)).min(CAP);
        let delay = jitter.delay(failures);
        assert!(delay >= base && delay < base * 5 / 4, "{failures}: {delay:?}");
    }
}

#[test]
fn those_who_failed_together_do_not_come_back_together() {
    let mut jitter = Jitter::new(1);
    let delays: Vec<Duration> = (0..1000).map(|_| jitter.delay(1)).collect();
    let within = |from: u32, to: u32| {
        let (from, to) = (FIRST + FIRST / 4 * from / 4, FIRST + FIRST / 4 * to / 4);
        delays.iter().filter(|delay| (from..to).contains(delay)).count()
    };
    for quarter in 0..4 {
        let share = within(quarter, quarter + 1);
        assert!(
            (200..300).contains(&share),
            "{share} of 1000 in quarter {quarter}"
        );
    }
}
