//! Logs that were rotated: read on from file to file, compressed or not, each line once.

use std::fs::{self, File};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{append, at, last, out, source, text};
use crate::logs::rotated::Rotated;
use crate::logs::{Pattern, Selection, follow, tail};

fn lines(range: std::ops::Range<i64>) -> Vec<u8> {
    range.flat_map(|n| out(n, &format!("line {n}"))).collect()
}

/// Rotates as the daemon does.
fn rotate(path: &Path, second: i64) {
    let name = Rotated::name("x.log", at(second));
    fs::rename(path, path.with_file_name(name)).expect("renamed");
    File::create(path).expect("created");
}

fn compress(path: &Path, second: i64) {
    let plain = path.with_file_name(Rotated::name("x.log", at(second)));
    let gzip = File::create(format!("{}.gz", plain.display())).expect("created");
    let mut gzip = GzEncoder::new(gzip, Compression::fast());
    gzip.write_all(&fs::read(&plain).expect("read")).expect("written");
    gzip.finish().expect("written");
    fs::remove_file(plain).expect("removed");
}

fn shown(path: &Path, selection: &Selection) -> Vec<String> {
    let mut shown = Vec::new();
    tail(vec![source(path)], selection, |entry| {
        shown.push(text(&entry));
        ControlFlow::Continue(())
    })
    .expect("readable");
    shown
}

/// 300 lines: 100 in gzip, 100 rotated, 100 in the log.
fn library() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.log");
    for begin in [0, 100] {
        append(&path, &lines(begin..begin + 100));
        rotate(&path, begin + 100);
    }
    compress(&path, 100);
    append(&path, &lines(200..300));
    (folder, path)
}

#[test]
fn the_last_lines_reach_back_over_files() {
    let (_folder, path) = library();
    for wanted in [1, 99, 100, 101, 150, 200, 250, 300, 900] {
        let begin = 300_usize.saturating_sub(wanted);
        let expected: Vec<String> = (begin..300).map(|n| format!("line {n}")).collect();
        assert_eq!(shown(&path, &last(wanted)), expected, "last {wanted}");
    }
    assert_eq!(shown(&path, &Selection::default()).len(), 300);
}

#[test]
fn a_time_and_a_pattern_select_over_files() {
    let (_folder, path) = library();
    for second in [0, 50, 99, 100, 150, 250, 299, 300] {
        let selection = Selection {
            since: Some(at(second)),
            ..Selection::default()
        };
        assert_eq!(
            shown(&path, &selection).len(),
            300 - usize::try_from(second).expect("small"),
            "since {second}"
        );
    }
    let selection = Selection {
        grep: Some(Pattern::new("[05]0$").expect("valid")),
        ..last(4)
    };
    assert_eq!(
        shown(&path, &selection),
        ["line 100", "line 150", "line 200", "line 250"]
    );
}

#[tokio::test]
async fn following_reads_every_file_however_fast_they_turn() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.log");
    append(&path, &lines(0..10));
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let sources = vec![source(&path)];
    let reading = tokio::spawn(async move {
        let selection = Selection::default();
        let sink = |entry| match sender.send(text(&entry)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        follow(sources, &selection, sink).await
    });
    assert_eq!(seen.recv().await.as_deref(), Some("line 0"));
    for begin in (10..100).step_by(10) {
        // Several files turn before the reader, on this very thread, gets to look.
        rotate(&path, begin);
        if begin % 20 == 0 {
            compress(&path, begin);
        }
        append(&path, &lines(begin..begin + 10));
    }
    for number in 1..100 {
        let line = tokio::time::timeout(std::time::Duration::from_secs(60), seen.recv()).await;
        assert_eq!(line.expect("in time"), Some(format!("line {number}")));
    }
    drop(seen);
    reading.abort();
}
