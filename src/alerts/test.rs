//! The desk in virtual time: raised once, grouped, limited, repeated, recovered, remembered.

use std::time::Duration;

use super::{Desk, Kind, Memory, Settings, State, Target, Told, Way};
use crate::api::{Cause, Ending, Fact, OomProof, What};

fn s(seconds: u64) -> Duration {
    Duration::from_secs(1_000_000 + seconds)
}

fn target(name: &str, kinds: &[Kind]) -> Target {
    Target {
        name: name.into(),
        way: Way::Syslog("/dev/log".into()),
        kinds: kinds.to_vec(),
    }
}

fn settings() -> Settings {
    Settings {
        targets: vec![target("ops", &[])],
        ..Settings::default()
    }
}

fn desk() -> Desk {
    Desk::new(settings(), Memory::default())
}

fn fatal(service: &str) -> Fact {
    Fact::of(&service, What::GivenUp).detail("given up")
}

fn unhealthy(service: &str) -> Fact {
    let words = "status 503".to_owned();
    Fact::of(&service, What::Unhealthy).because(Cause::Health { words })
}

fn crash(service: &str) -> Fact {
    let words = "exit code 1".to_owned();
    Fact::of(&service, What::Started).because(Cause::Exit { words })
}

/// Lets time pass until `to`, as the shell does: at each deadline, and never without one. What leaves, when.
fn run(desk: &mut Desk, to: Duration) -> Vec<(u64, Vec<String>)> {
    let mut left = Vec::new();
    while let Some(at) = desk.next_deadline().filter(|at| *at <= to) {
        let leaving = desk.leave(at);
        let progress = desk.next_deadline() != Some(at) || !leaving.is_empty();
        assert!(
            progress,
            "a deadline at which nothing happens would be met for ever"
        );
        for (_, told) in leaving {
            left.push(((at - s(0)).as_secs(), told.iter().map(Told::line).collect()));
        }
    }
    left
}

#[test]
fn several_at_once_become_one_message_and_none_is_told_twice() {
    let mut desk = desk();
    desk.hear(s(0), &fatal("a"));
    desk.hear(s(1), &fatal("b"));
    desk.hear(s(2), &fatal("a"));
    let lines = vec!["a: FATAL: given up".to_owned(), "b: FATAL: given up".to_owned()];
    assert_eq!(run(&mut desk, s(3600)), [(5, lines)]);
}

#[test]
fn who_was_told_hears_of_the_end_and_a_second_time_it_is_news() {
    let mut desk = desk();
    desk.hear(s(0), &fatal("a"));
    run(&mut desk, s(60));
    desk.hear(s(60), &Fact::of(&"a", What::Ready));
    assert_eq!(
        run(&mut desk, s(100)),
        [(65, vec!["a: no longer FATAL, after 1 min".to_owned()])]
    );
    desk.hear(s(100), &Fact::of(&"a", What::Ready));
    assert_eq!(run(&mut desk, s(200)), [], "nothing ends that has not begun");
    desk.hear(s(200), &fatal("a"));
    assert_eq!(run(&mut desk, s(300)).len(), 1);
}

#[test]
fn a_probe_that_fails_for_a_moment_is_no_alert() {
    let mut desk = desk();
    desk.hear(s(0), &unhealthy("a"));
    desk.hear(s(29), &Fact::of(&"a", What::Healthy));
    assert_eq!(run(&mut desk, s(100)), []);
    desk.hear(s(100), &unhealthy("a"));
    assert_eq!(
        run(&mut desk, s(200)),
        [(135, vec!["a: unhealthy: status 503".to_owned()])]
    );
    desk.hear(s(200), &unhealthy("b"));
    let words = "status 503".to_owned();
    desk.hear(
        s(201),
        &Fact::of(&"b", What::Stopping).because(Cause::Health { words }),
    );
    let lines = vec!["b: unhealthy: status 503; it is restarted".to_owned()];
    assert_eq!(
        run(&mut desk, s(300)),
        [(206, lines)],
        "a restart is told at once"
    );
}

#[test]
fn more_than_three_restarts_in_ten_minutes_are_flapping_until_it_is_calm() {
    let mut desk = desk();
    for second in [0, 400, 500, 601] {
        desk.hear(s(second), &crash("a"));
    }
    assert_eq!(run(&mut desk, s(602)), [], "the first is too old to count");
    desk.hear(s(603), &crash("a"));
    assert_eq!(
        run(&mut desk, s(700)),
        [(608, vec!["a: flapping: 4 restarts within 10 min".to_owned()])]
    );
    assert_eq!(
        run(&mut desk, s(3000)),
        [(1208, vec!["a: no longer flapping, after 10 min".to_owned()])]
    );
}

#[test]
fn restarts_that_somebody_asked_for_are_no_flapping() {
    let mut desk = desk();
    let asked = Cause::Operator {
        uid: 0,
        name: None,
        command: None,
        via: None,
    };
    for second in 0..20 {
        desk.hear(s(second), &Fact::of(&"a", What::Started).because(asked.clone()));
    }
    assert_eq!(run(&mut desk, s(3000)), []);
}

#[test]
fn the_rate_limit_delays_and_gathers_but_loses_nothing() {
    let mut desk = Desk::new(
        Settings {
            per_hour: 2,
            ..settings()
        },
        Memory::default(),
    );
    for second in [0, 100, 200, 300] {
        desk.hear(s(second), &fatal(&format!("s{second}")));
        run(&mut desk, s(second + 50));
    }
    let late = run(&mut desk, s(4000));
    let lines = vec![
        "s200: FATAL: given up".to_owned(),
        "s300: FATAL: given up".to_owned(),
    ];
    assert_eq!(late, [(3605, lines)]);
}

#[test]
fn what_stays_wrong_is_told_again_or_not_at_all() {
    let mut often = desk();
    often.hear(s(0), &fatal("a"));
    let lines: Vec<_> = run(&mut often, s(9 * 3600))
        .into_iter()
        .map(|(at, lines)| (at, lines[0].clone()))
        .collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(
        lines[1],
        (4 * 3600 + 5, "a: still FATAL, for 4 h 0 min: given up".to_owned())
    );
    let mut never = Desk::new(
        Settings {
            repeat: None,
            ..settings()
        },
        Memory::default(),
    );
    never.hear(s(0), &fatal("a"));
    assert_eq!(run(&mut never, s(90_000)).len(), 1);
    assert_eq!(never.next_deadline(), None);
}

#[test]
fn the_next_supervisor_goes_on_where_this_one_stopped() {
    let mut first = desk();
    first.hear(s(0), &fatal("told"));
    run(&mut first, s(10));
    first.hear(s(11), &fatal("waiting"));
    let kept = serde_json::to_string(&first.memory()).expect("JSON");
    let mut second = Desk::new(settings(), serde_json::from_str(&kept).expect("JSON"));
    second.hear(s(12), &fatal("told"));
    second.hear(s(12), &Fact::new(What::Died).detail("killed"));
    let lines = vec![
        "waiting: FATAL: given up".to_owned(),
        "this host: supervisor: killed".to_owned(),
    ];
    assert_eq!(run(&mut second, s(60)), [(16, lines)]);
    second.hear(s(60), &Fact::of(&"told", What::Ready));
    assert_eq!(
        run(&mut second, s(99)),
        [(65, vec!["told: no longer FATAL, after 1 min".to_owned()])]
    );
}

#[test]
fn each_target_hears_what_it_wants() {
    let targets = vec![target("all", &[]), target("disk", &[Kind::Disk])];
    let mut desk = Desk::new(
        Settings {
            targets,
            ..settings()
        },
        Memory::default(),
    );
    desk.hear(s(0), &fatal("a"));
    desk.hear(s(0), &Fact::new(What::DiskLow).detail("1 MB left"));
    let left = desk.leave(s(5));
    let counts: Vec<_> = left
        .iter()
        .map(|(name, told)| (name.as_str(), told.len()))
        .collect();
    assert_eq!(counts, [("all", 2), ("disk", 1)]);
    desk.revise(Settings {
        targets: Vec::new(),
        ..settings()
    });
    assert_eq!(desk.next_deadline(), None);
}

#[test]
fn every_kind_has_a_fact_that_raises_it() {
    let oom = Ending {
        signal: Some("SIGKILL".into()),
        oom: Some(OomProof::Cgroup),
        ..Ending::default()
    };
    let exited = Fact {
        exit: Some(oom),
        ..Fact::of(&"a", What::Exited)
    };
    for (fact, kind, state) in [
        (fatal("a"), Kind::Fatal, State::Firing),
        (unhealthy("a"), Kind::Unhealthy, State::Firing),
        (Fact::of(&"a", What::Silent), Kind::Silence, State::Firing),
        (Fact::of(&"a", What::Flapping), Kind::Flapping, State::Firing),
        (Fact::of(&"a", What::PortTaken), Kind::Port, State::Firing),
        (Fact::new(What::DiskLow), Kind::Disk, State::Firing),
        (Fact::new(What::Missed), Kind::Schedule, State::Happened),
        (Fact::of(&"a", What::MemoryHigh), Kind::Memory, State::Firing),
        (exited, Kind::Memory, State::Happened),
        (Fact::new(What::Died), Kind::Supervisor, State::Happened),
    ] {
        let mut desk = desk();
        desk.hear(s(0), &fact);
        let leaves = |desk: &mut Desk| desk.next_deadline().map(|at| desk.leave(at)).unwrap_or_default();
        let mut left = leaves(&mut desk);
        // The first deadline of a suspicion only makes it an alert.
        if left.is_empty() {
            left = leaves(&mut desk);
        }
        let told = &left[0].1[0];
        assert_eq!((told.kind, told.state), (kind, state));
    }
}

#[test]
fn a_stop_by_somebody_ends_what_was_wrong() {
    let mut desk = desk();
    desk.hear(s(0), &fatal("a"));
    run(&mut desk, s(10));
    desk.hear(s(10), &Fact::of(&"a", What::Stopped));
    assert_eq!(
        run(&mut desk, s(99_999)).len(),
        1,
        "told once that it is over, and never repeated"
    );
}
