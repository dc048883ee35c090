//! The delays of back-off: doubled, capped, and not the same for all.

use std::time::Duration;

use super::super::backoff::Jitter;
use super::spec::name;
use crate::service::{Backoff, Recovery, Run};

fn run(service: &str, number: u64) -> Run {
    Run {
        service: name(service),
        number,
    }
}

#[test]
fn a_delay_doubles_up_to_its_cap_and_takes_a_quarter_more_at_most() {
    let (jitter, backoff) = (Jitter::new(1), Recovery::default().backoff);
    let Backoff { min, max } = backoff;
    for failures in 1..=100 {
        let base = min.saturating_mul(1 << (failures - 1).min(20)).min(max);
        let delay = jitter.delay(backoff, &run("a", 1), failures);
        assert!(delay >= base && delay < base * 5 / 4, "{failures}: {delay:?}");
    }
}

#[test]
fn those_who_failed_together_do_not_come_back_together() {
    let (jitter, backoff) = (Jitter::new(1), Recovery::default().backoff);
    let first = backoff.min;
    let delay = |index: u64| jitter.delay(backoff, &run(&format!("s{}", index % 40), index / 40), 1);
    let delays: Vec<Duration> = (0..1000).map(delay).collect();
    let within = |from: u32, to: u32| {
        let (from, to) = (first + first / 4 * from / 4, first + first / 4 * to / 4);
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

#[test]
fn the_pause_of_a_run_is_always_the_same_and_its_bounds_are_declared() {
    let backoff = Backoff {
        min: Duration::from_secs(2),
        max: Duration::from_secs(5),
    };
    let delay = |seed, failures| Jitter::new(seed).delay(backoff, &run("a", 7), failures);
    assert_eq!(delay(1, 1), delay(1, 1));
    assert_ne!(delay(1, 1), delay(2, 1));
    assert!(
        (2.0..2.5).contains(&delay(1, 1).as_secs_f64()),
        "{:?}",
        delay(1, 1)
    );
    assert!(
        (5.0..6.25).contains(&delay(1, 9).as_secs_f64()),
        "{:?}",
        delay(1, 9)
    );
}
