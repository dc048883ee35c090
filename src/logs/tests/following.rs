//! What the logs hold, and then what comes: growth, rotation, truncation, late folders.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle};

use super::{append, at, last, log_of, out, source, text};
use crate::logs::{Entry, Selection, Stream, follow};

/// Far longer than any wake-up takes.
const PATIENT: Duration = Duration::from_secs(60);

/// A reader that follows, and what it shows.
struct Follower {
    shown: mpsc::UnboundedReceiver<Entry>,
    stop: AbortHandle,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.abort();
    }
}

impl Follower {
    fn of(paths: &[&Path], selection: Selection) -> Self {
        let sources = paths.iter().map(|path| source(path)).collect();
        let (send, shown) = mpsc::unbounded_channel();
        let task: JoinHandle<std::io::Result<()>> = tokio::spawn(async move {
            follow(sources, &selection, |entry| match send.send(entry) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            })
            .await
        });
        Self {
            shown,
            stop: task.abort_handle(),
        }
    }

    async fn next(&mut self) -> String {
        let entry = tokio::time::timeout(PATIENT, self.shown.recv()).await;
        text(&entry.expect("in time").expect("following"))
    }

    async fn expect(&mut self, lines: &[&str]) {
        for line in lines {
            assert_eq!(self.next().await, *line);
        }
    }
}

#[tokio::test]
async fn what_is_there_and_then_what_comes() {
    let (_folder, path) = log_of(&[out(1, "old"), out(2, "last")].concat());
    let mut follower = Follower::of(&[&path], last(1));
    follower.expect(&["last"]).await;
    let line = out(3, "new");
    append(&path, &line[..10]);
    append(&path, &line[10..]);
    follower.expect(&["new"]).await;
}

#[tokio::test]
async fn rotation_loses_no_line() {
    let (folder, path) = log_of(&out(1, "a"));
    let mut follower = Follower::of(&[&path], Selection::default());
    follower.expect(&["a"]).await;
    let mut writer = OpenOptions::new().append(true).open(&path).expect("open");
    let rotated = folder.path().join("x.log.1");
    fs::rename(&path, &rotated).expect("renamed");
    // As with logrotate: the new file is there while the writer still has the old one.
    File::create(&path).expect("created");
    writer.write_all(&out(2, "b")).expect("written");
    follower.expect(&["b"]).await;
    writer.write_all(&out(3, "c")).expect("written");
    append(&path, &out(4, "d"));
    follower.expect(&["c", "d"]).await;
    append(&path, &out(5, "e"));
    follower.expect(&["e"]).await;
}

#[tokio::test]
async fn rotation_again_and_again_loses_no_line() {
    let (folder, path) = log_of(&out(0, "begin"));
    let mut follower = Follower::of(&[&path], Selection::default());
    follower.expect(&["begin"]).await;
    for rotation in 0..50 {
        let lines: Vec<String> = (0..20).map(|line| format!("{rotation}.{line}")).collect();
        for line in &lines {
            append(&path, &out(rotation, line));
        }
        // The reader has had no turn since the last rotation: it finds all that and the rename at once.
        fs::rename(&path, folder.path().join(format!("x.log.{rotation}"))).expect("renamed");
        append(&path, &out(rotation, "new"));
        for line in &lines {
            assert_eq!(follower.next().await, *line);
        }
        follower.expect(&["new"]).await;
    }
}

#[tokio::test]
async fn a_truncated_log_begins_again() {
    let (_folder, path) = log_of(&[out(1, "a"), out(2, "b")].concat());
    let mut follower = Follower::of(&[&path], Selection::default());
    follower.expect(&["a", "b"]).await;
    OpenOptions::new()
        .write(true)
        .open(&path)
        .expect("open")
        .set_len(0)
        .expect("truncated");
    append(&path, &out(3, "c"));
    follower.expect(&["c"]).await;
}

#[tokio::test]
async fn logs_and_folders_may_appear_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deep/logs/x.log");
    let mut follower = Follower::of(&[&path], last(10));
    tokio::task::yield_now().await;
    fs::create_dir_all(path.parent().expect("a folder")).expect("created");
    append(&path, &out(1, "a"));
    follower.expect(&["a"]).await;
    // The folder is removed and made anew.
    fs::remove_dir_all(folder.path().join("deep")).expect("removed");
    tokio::task::yield_now().await;
    fs::create_dir_all(path.parent().expect("a folder")).expect("created");
    append(&path, &out(2, "b"));
    follower.expect(&["b"]).await;
}

#[tokio::test]
async fn a_deleted_log_is_followed_until_its_successor() {
    let (_folder, path) = log_of(&out(1, "a"));
    let mut follower = Follower::of(&[&path], Selection::default());
    follower.expect(&["a"]).await;
    fs::remove_file(&path).expect("removed");
    append(&path, &out(2, "b"));
    follower.expect(&["b"]).await;
}

#[tokio::test]
async fn services_are_told_apart_and_filtered() {
    let (folder, path) = log_of(b"");
    let other = folder.path().join("y.log");
    let errors = Selection {
        errors: true,
        ..Selection::default()
    };
    let mut follower = Follower::of(&[&path, &other], errors);
    tokio::task::yield_now().await;
    append(&other, &out(1, "INFO all well"));
    append(&other, &out(2, "ERROR not well"));
    let entry = follower.shown.recv().await.expect("following");
    assert_eq!(
        (entry.service.as_str(), text(&entry).as_str()),
        ("y", "ERROR not well")
    );
    assert_eq!((entry.at, entry.stream), (Some(at(2)), Stream::Stdout));
}
