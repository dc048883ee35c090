//! What the logs hold now: the last lines, since a time, merged.

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use nix::time::ClockId;
use proptest::prelude::*;

use super::{append, at, last, log_of, out, record, source, text};
use crate::logs::line::{MAX_TEXT, Stream};
use crate::logs::{Selection, tail};

fn tailed(paths: &[&Path], selection: &Selection) -> Vec<String> {
    let sources = paths.iter().map(|path| source(path)).collect();
    let mut shown = Vec::new();
    tail(sources, selection, |entry| {
        shown.push(text(&entry));
        ControlFlow::Continue(())
    })
    .expect("readable");
    shown
}

#[test]
fn the_last_lines_of_a_log() {
    let lines: Vec<u8> = (0..5000).flat_map(|n| out(n, &format!("line {n}"))).collect();
    let (_folder, path) = log_of(&lines);
    assert_eq!(tailed(&[&path], &last(2)), ["line 4998", "line 4999"]);
    assert_eq!(tailed(&[&path], &last(0)), Vec::<String>::new());
    assert_eq!(
        tailed(&[&path], &last(3000)).first().map(String::as_str),
        Some("line 2000")
    );
    assert_eq!(tailed(&[&path], &last(9999)).len(), 5000);
    assert_eq!(tailed(&[&path], &Selection::default()).len(), 5000);
}

#[test]
fn a_gigabyte_is_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.log");
    // Sparse: reading it all would take seconds, and as one line would fill the memory.
    File::create(&path)
        .expect("created")
        .set_len(1 << 30)
        .expect("sparse");
    append(&path, b"\n");
    let lines: Vec<u8> = (0..9000).flat_map(|n| out(n, &format!("line {n}"))).collect();
    append(&path, &lines);
    // Time of this thread alone: what else the machine does is no matter.
    let spent = || Duration::from(ClockId::CLOCK_THREAD_CPUTIME_ID.now().expect("a clock"));
    let before = spent();
    assert_eq!(tailed(&[&path], &last(1)), ["line 8999"]);
    let took = spent() - before;
    assert!(took < Duration::from_millis(200), "{took:?}");
}

#[test]
fn a_rare_line_on_the_other_stream_is_among_the_last() {
    let mut lines: Vec<u8> = (0..3000).flat_map(|n| out(n, &"x".repeat(200))).collect();
    lines.extend(record(3000, Stream::Stderr, "rare"));
    lines.extend(out(3001, "end"));
    let (_folder, path) = log_of(&lines);
    assert_eq!(tailed(&[&path], &last(2)), ["rare", "end"]);
}

#[test]
fn a_long_line_counts_as_one_and_is_whole() {
    let long = "y".repeat(20 * MAX_TEXT);
    let (_folder, path) = log_of(&[out(1, "before"), out(2, &long), out(3, "after")].concat());
    assert_eq!(tailed(&[&path], &last(2)), [long.as_str(), "after"]);
    assert_eq!(tailed(&[&path], &last(3))[0], "before");
}

#[test]
fn since_a_time() {
    let lines: Vec<u8> = (0..20_000)
        .flat_map(|n| out(n / 2, &format!("line {n}")))
        .collect();
    let (_folder, path) = log_of(&lines);
    for second in [0, 1, 77, 5000, 9999] {
        let selection = Selection {
            since: Some(at(second)),
            ..Selection::default()
        };
        let shown = tailed(&[&path], &selection);
        assert_eq!(shown.first(), Some(&format!("line {}", second * 2)));
        assert_eq!(shown.len() as i64, 20_000 - second * 2);
    }
    let future = Selection {
        since: Some(at(10_000)),
        ..Selection::default()
    };
    assert_eq!(tailed(&[&path], &future), Vec::<String>::new());
    let both = Selection {
        since: Some(at(9999)),
        lines: Some(5),
        errors: false,
        ..Selection::default()
    };
    assert_eq!(tailed(&[&path], &both), ["line 19998", "line 19999"]);
}

#[test]
fn only_errors_and_the_last_of_them() {
    let noise: Vec<u8> = (10..3000).flat_map(|n| out(n, "INFO: 0 errors")).collect();
    let first = record(1, Stream::Stderr, "no such table");
    let second = out(2, "ERROR: not connected");
    let (_folder, path) = log_of(&[out(0, "hello"), first, second, noise].concat());
    let errors = Selection {
        errors: true,
        ..Selection::default()
    };
    assert_eq!(
        tailed(&[&path], &errors),
        ["no such table", "ERROR: not connected"]
    );
    let one = Selection {
        lines: Some(1),
        ..errors
    };
    assert_eq!(tailed(&[&path], &one), ["ERROR: not connected"]);
}

#[test]
fn many_services_are_merged_by_time() {
    let (folder, path) = log_of(&[out(1, "x1"), out(4, "x4"), out(5, "x5")].concat());
    let other = folder.path().join("y.log");
    append(&other, &[out(2, "y2"), out(3, "y3"), out(6, "y6")].concat());
    let missing = folder.path().join("z.log");
    let shown = tailed(&[&path, &other, &missing], &Selection::default());
    assert_eq!(shown, ["x1", "y2", "y3", "x4", "x5", "y6"]);
    assert_eq!(
        tailed(&[&path, &other], &last(1)),
        ["x5", "y6"],
        "of each service"
    );
}

#[test]
fn what_was_never_finished_is_shown() {
    let open = record(2, Stream::Stdout, "cut here");
    let bytes = [out(1, "whole"), open[..open.len() - 3].to_vec()].concat();
    let (_folder, path) = log_of(&bytes);
    assert_eq!(tailed(&[&path], &last(5)), ["whole", "cut he"]);
    append(&path, b"\ndisk full\n");
    assert_eq!(tailed(&[&path], &last(5)), ["whole", "cut he", "disk full"]);
}

#[test]
fn the_sink_can_stop() {
    let (_folder, path) = log_of(&[out(1, "a"), out(2, "b")].concat());
    let mut shown = 0;
    tail(vec![source(&path)], &Selection::default(), |_| {
        shown += 1;
        ControlFlow::Break(())
    })
    .expect("readable");
    assert_eq!(shown, 1);
}

#[test]
fn an_unreadable_log_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.log");
    fs::create_dir(&path).expect("created");
    let error = tail(vec![source(&path)], &last(1), |_| ControlFlow::Continue(()));
    let sentence = error.expect_err("a folder is no log").to_string();
    assert!(sentence.starts_with(path.to_str().expect("text")), "{sentence}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Reading near the end gives the same as reading all and keeping the end.
    #[test]
    fn the_last_lines_are_the_end_of_all(
        lines in proptest::collection::vec((any::<bool>(), 0_usize..3 * MAX_TEXT, 0_i64..3), 0..40),
        wanted in 0_usize..25,
        since in proptest::option::of(0_i64..30),
    ) {
        let (mut second, mut bytes) = (0, Vec::new());
        for (index, (error, length, step)) in lines.iter().enumerate() {
            second += step;
            let stream = if *error { Stream::Stderr } else { Stream::Stdout };
            bytes.extend(record(second, stream, &format!("{index}{}", ".".repeat(*length))));
        }
        let (_folder, path) = log_of(&bytes);
        let since = since.map(at);
        let all = tailed(&[&path], &Selection { since, ..Selection::default() });
        let end = all.len().saturating_sub(wanted);
        let some = tailed(&[&path], &Selection { since, lines: Some(wanted), ..Selection::default() });
        prop_assert!(some == all[end..], "{} of {}", some.len(), all.len());
    }
}
