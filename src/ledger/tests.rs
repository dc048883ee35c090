//! The ledger on a real file system: order, bounds, torn lines, full disks, following.

use std::fs;

use super::{EARLIER, FILE, Filter, Follow, Writer, read};
use crate::api::{Cause, Fact, Record, What};

fn at(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(second).expect("a time")
}

fn numbers(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.seq).collect()
}

fn all(folder: &std::path::Path) -> Vec<Record> {
    read(folder, &Filter::default()).expect("readable")
}

#[test]
fn what_is_written_is_read_by_the_next_writer_and_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(all(folder.path()), [], "no ledger, no facts");
    let cause = Cause::Operator {
        uid: 1000,
        name: Some("ann".into()),
        command: None,
        via: Some("cron".into()),
    };
    let fact = Fact::of(&"web", What::Started)
        .pid(7)
        .because(cause)
        .detail("words");
    let written = Writer::open(folder.path()).append(fact, at(10), 5);
    // The clock was set back: the order stands.
    let later = Writer::open(folder.path()).append(Fact::new(What::Died), at(3), 6);
    assert_eq!(all(folder.path()), [written, later]);
    assert_eq!(numbers(&all(folder.path())), [1, 2]);
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(folder.path().join(FILE))
            .expect("there")
            .permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_torn_line_is_the_only_loss() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = Writer::open(folder.path());
    writer.append(Fact::new(What::Began), at(1), 1);
    writer.append(Fact::new(What::Left), at(2), 2);
    let whole = fs::read(folder.path().join(FILE)).expect("there");
    for cut in 1..60 {
        fs::write(folder.path().join(FILE), &whole[..whole.len() - cut]).expect("cut");
        let mut writer = Writer::open(folder.path());
        writer.append(Fact::new(What::Died), at(3), 3);
        let kinds: Vec<What> = all(folder.path()).iter().map(|record| record.fact.what).collect();
        let kept = if cut == 1 {
            vec![What::Began, What::Left, What::Died]
        } else {
            vec![What::Began, What::Died]
        };
        assert_eq!(kinds, kept, "cut {cut}");
    }
}

#[test]
fn two_generations_bound_it_and_the_order_runs_across_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = Writer::with_limit(folder.path(), 1000);
    for second in 0..100 {
        writer.append(Fact::of(&"web", What::Ready), at(second), 1);
    }
    let size = |name| fs::metadata(folder.path().join(name)).map_or(0, |meta| meta.len());
    assert!(
        size(FILE) + size(EARLIER) < 2300,
        "{} + {}",
        size(FILE),
        size(EARLIER)
    );
    let kept = numbers(&all(folder.path()));
    assert_eq!(kept.last(), Some(&100));
    assert!(kept.windows(2).all(|pair| pair[1] == pair[0] + 1), "{kept:?}");
    assert!(kept.len() > 10);
    let last = Filter {
        last: Some(12),
        ..Filter::default()
    };
    assert_eq!(
        numbers(&read(folder.path(), &last).expect("readable")),
        (89..=100).collect::<Vec<_>>()
    );
    let since = Filter {
        since: Some(at(97)),
        ..Filter::default()
    };
    assert_eq!(
        numbers(&read(folder.path(), &since).expect("readable")),
        [98, 99, 100]
    );
    let other = Filter {
        services: vec!["db".into()],
        ..Filter::default()
    };
    assert_eq!(read(folder.path(), &other).expect("readable"), []);
    drop(writer);
    assert_eq!(
        Writer::open(folder.path())
            .append(Fact::new(What::Left), at(1), 1)
            .seq,
        101
    );
}

#[test]
fn what_finds_no_room_waits_and_what_is_lost_is_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let house = folder.path().join("house");
    let mut writer = Writer::open(&house);
    for _ in 0..1003 {
        writer.append(Fact::new(What::Ready), at(1), 1);
    }
    assert!(writer.trouble().is_some());
    fs::create_dir(&house).expect("made");
    // The first one after it finds the way again, the second sees that nothing waits any more.
    writer.flush();
    writer.flush();
    assert_eq!(writer.trouble(), None);
    writer.append(Fact::new(What::Left), at(2), 2);
    let records = all(&house);
    assert_eq!(records.len(), 1002);
    let lost = &records[1000].fact;
    assert_eq!(lost.what, What::Lost);
    assert!(
        lost.detail
            .as_ref()
            .is_some_and(|words| words.starts_with("3 facts")),
        "{lost:?}"
    );
}

#[test]
fn words_of_a_later_version_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let line = r#"{"v":2,"seq":9,"at":"2026-11-21T08:00:00Z","boot_ms":1,"what":"dreamt","cause":{"by":"moon","x":1},"more":true}"#;
    fs::write(folder.path().join(FILE), format!("{line}\n")).expect("written");
    let records = all(folder.path());
    assert_eq!(
        (records[0].fact.what, &records[0].fact.cause),
        (What::Other, &Some(Cause::Other))
    );
    assert_eq!(
        Writer::open(folder.path())
            .append(Fact::new(What::Began), at(1), 1)
            .seq,
        10
    );
}

#[tokio::test]
async fn following_goes_on_across_generations() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut follow = Follow::begin(folder.path()).expect("begun before there is a ledger");
    let mut writer = Writer::with_limit(folder.path(), 500);
    let mut seen = Vec::new();
    for second in 0..40 {
        writer.append(Fact::new(What::Ready), at(second), 1);
        let last = writer.append(Fact::new(What::Healthy), at(second), 1).seq;
        while seen.last() != Some(&last) {
            let next = tokio::time::timeout(std::time::Duration::from_secs(60), follow.next());
            seen.extend(numbers(&next.await.expect("in time").expect("readable")));
        }
    }
    assert_eq!(seen, (1..=80).collect::<Vec<_>>());
}
