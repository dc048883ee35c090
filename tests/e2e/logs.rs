//! Logs that end: rotated at whole lines, capped, followed when somebody else moves them, and never a line lost.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::house::{House, signal, until};

/// A service that says what the test writes into `in`.
const ECHO: &str = "exec 3<>in; echo open; exec cat <&3";

/// A service that runs a shell's script, is ready when it says `open`, and is logged so.
pub fn script(name: &str, script: &str, log: &str) -> String {
    format!(
        "[services.{name}]\ncommand = [\"sh\", \"-c\", '''{script}''']\nready = {{ log = \"^open\" }}\nlog = {{ {log} }}\n"
    )
}

/// A service that says `open`, so many numbers, and no more.
pub fn numbers(name: &str, most: u32, log: &str) -> String {
    script(name, &format!("echo open; seq 1 {most}; exec sleep 1000"), log)
}

/// What the service of `ECHO` is made to say.
pub struct Mouth(File);

impl Mouth {
    /// To be made before the service starts.
    pub fn of(house: &House) -> Self {
        let path = house.path("").join("in");
        let made = Command::new("mkfifo").arg(&path).status();
        assert!(made.is_ok_and(|status| status.success()), "no pipe");
        let both = File::options().read(true).write(true).open(path);
        Self(both.expect("opened"))
    }

    pub fn say(&mut self, line: &str) {
        self.0.write_all(line.as_bytes()).expect("said");
        self.0.write_all(b"\n").expect("said");
    }
}

/// All files of a service's log, the oldest first, under the names that they had before they were compressed.
pub fn files(house: &House, service: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(house.path("logs")).expect("logs").flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let rotated = format!("{service}.log.");
    let mut rotated: Vec<String> = names
        .filter(|name| name.starts_with(&rotated) && !name.ends_with(".part") && !name.ends_with(".new"))
        .map(|name| name.trim_end_matches(".gz").to_owned())
        .collect();
    rotated.sort();
    rotated.dedup();
    rotated.push(format!("{service}.log"));
    let logs = house.path("logs");
    rotated.iter().map(|name| logs.join(name)).collect()
}

/// A file's text, whether it was compressed meanwhile or not.
pub fn text(file: &Path) -> String {
    if let Ok(text) = fs::read_to_string(file) {
        return text;
    }
    let mut name = file.as_os_str().to_owned();
    name.push(".gz");
    let output = Command::new("gzip")
        .arg("-dc")
        .arg(name)
        .output()
        .expect("gzip runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// What a record of the text format says.
fn said(record: &str) -> &str {
    record
        .splitn(4, ' ')
        .nth(3)
        .unwrap_or_else(|| panic!("no record: {record:?}"))
}

/// Asserts that every number is there, once and in order.
#[track_caller]
pub fn is_complete(house: &House, service: &str, most: u32) {
    let whole: String = files(house, service).iter().map(|file| text(file)).collect();
    let mut lines = whole.lines().map(said);
    assert_eq!(lines.next(), Some("open"));
    let mut count = 0;
    for (line, number) in lines.by_ref().zip(1..=most) {
        assert_eq!(line, number.to_string());
        count += 1;
    }
    assert_eq!((count, lines.next()), (most, None));
}

/// Waits until the last number is in the log.
#[track_caller]
pub fn until_said(house: &House, service: &str, most: u32) {
    let last = format!(" F {most}\n");
    until("the last line is written", || house.log(service).ends_with(&last));
}

fn size(file: &Path) -> u64 {
    file.metadata().map_or(0, |found| found.len())
}

/// What all files together take whose names begin so.
fn taken(house: &House, begin: &str) -> u64 {
    let entries = fs::read_dir(house.path("logs")).expect("logs").flatten();
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(begin));
    ours.map(|entry| size(&entry.path())).sum()
}

#[test]
fn a_log_is_rotated_at_whole_lines_and_compressed_and_no_line_is_lost() {
    let house = House::new(&numbers("w", 20_000, "max_size = \"64KB\""));
    house.run(&["start"]).exits(0);
    until_said(&house, "w", 20_000);
    until("every rotated file is compressed", || {
        let files = files(&house, "w");
        files.len() > 10 && files[..files.len() - 1].iter().all(|file| !file.exists())
    });
    for file in files(&house, "w") {
        let text = text(&file);
        assert!(
            text.ends_with('\n') && text.len() <= 64_000,
            "{file:?}: {} bytes",
            text.len()
        );
    }
    is_complete(&house, "w", 20_000);
    let all = house.run(&["logs", "w", "-n", "30000"]).exits(0);
    assert_eq!(all.out.lines().count(), 20_001);
    house
        .run(&["logs", "w", "--grep", " 77$|^77$", "-n", "9"])
        .exits(0)
        .says("77");
}

#[test]
fn the_oldest_files_of_a_service_go_at_its_cap() {
    let small = "max_size = \"8KB\", compress = \"none\"";
    let services = numbers("capped", 5_000, &format!("{small}, max_total = \"40KB\""))
        + &numbers("few", 3_000, &format!("{small}, keep = 2"));
    let house = House::new(&services);
    house.run(&["start"]).exits(0);
    until_said(&house, "capped", 5_000);
    until_said(&house, "few", 3_000);
    until("the caps hold", || {
        taken(&house, "capped.log") <= 40_000 && files(&house, "few").len() == 3
    });
    assert!(taken(&house, "capped.log") > 20_000, "no more goes than must");
}

#[test]
fn the_oldest_files_of_all_go_at_the_folders_cap() {
    let small = "max_size = \"8KB\", compress = \"none\"";
    let services = "[sentinel]\nlog_max_total = \"200KB\"\n".to_owned()
        + &numbers("one", 4_000, small)
        + &numbers("two", 4_000, small);
    let house = House::new(&services);
    house.run(&["start"]).exits(0);
    until_said(&house, "one", 4_000);
    until_said(&house, "two", 4_000);
    until("the cap holds", || taken(&house, "") <= 200_000);
    assert!(taken(&house, "") > 100_000, "no more goes than must");
    let first = |service| text(&files(&house, service)[0]);
    assert!(
        ["one", "two"]
            .iter()
            .any(|service| !first(service).contains(" F open\n")),
        "the oldest went"
    );
}

#[test]
fn a_log_is_rotated_for_its_age_without_a_word_from_its_service() {
    // A slow machine may not see a line within its age.
    for age in [1, 5] {
        if std::panic::catch_unwind(|| rotated_for_its_age(age)).is_ok() {
            return;
        }
    }
    rotated_for_its_age(20);
}

fn rotated_for_its_age(age: u32) {
    let log = format!("max_age = \"{age}s\"");
    let house = House::new(&(script("w", ECHO, &log) + &script("idle", "echo open; exec sleep 1000", "")));
    let age = f64::from(age);
    let mut mouth = Mouth::of(&house);
    let begun = std::time::Instant::now();
    house.run(&["start"]).exits(0);
    mouth.say("young");
    until("it is written", || house.log("w").ends_with(" F young\n"));
    until("it is rotated", || files(&house, "w").len() == 2);
    assert!(begun.elapsed().as_secs_f64() > 0.9 * age, "{:?}", begun.elapsed());
    assert_eq!(house.log("w"), "");
    mouth.say("after");
    until("it is written", || house.log("w").ends_with(" F after\n"));
    let old = text(&files(&house, "w")[0]);
    assert!(old.ends_with(" F young\n") && old.contains(" F open\n"), "{old}");
    house
        .run(&["logs", "w", "-n", "9"])
        .exits(0)
        .says("young")
        .says("after");
    // An empty log is not rotated again and again, and one without an age stays.
    until("the next is rotated", || files(&house, "w").len() == 3);
    let rest = std::time::Instant::now();
    until("two more ages have passed", || {
        rest.elapsed().as_secs_f64() > 2.2 * age
    });
    let rotated = ["w", "idle", "day"].map(|name| files(&house, name).len());
    assert!(
        rotated[..2] == [3, 1] && rotated[2] <= 2,
        "{rotated:?}, the last at midnight"
    );
}

#[test]
fn a_log_that_is_emptied_goes_on_from_its_beginning() {
    for format in ["text", "raw"] {
        let house = House::new(&script("w", ECHO, &format!("format = \"{format}\"")));
        let mut mouth = Mouth::of(&house);
        house.run(&["start"]).exits(0);
        mouth.say("one");
        until("it is written", || house.log("w").ends_with("one\n"));
        let log = File::options()
            .write(true)
            .open(house.path("logs/w.log"))
            .expect("a log");
        log.set_len(0).expect("emptied");
        mouth.say("two");
        until("it is written", || house.log("w").ends_with("two\n"));
        let log = house.log("w");
        assert!(!log.contains('\0') && !log.contains("one"), "{format}: {log:?}");
    }
}

#[test]
fn a_log_that_is_moved_is_begun_anew() {
    let house = House::new(&script("w", ECHO, ""));
    let mut mouth = Mouth::of(&house);
    house.run(&["start"]).exits(0);
    fs::rename(house.path("logs/w.log"), house.path("logs/w.moved")).expect("moved");
    until("it is begun anew", || house.path("logs/w.log").exists());
    mouth.say("after");
    until("it is written", || house.log("w").ends_with(" F after\n"));
    let moved = fs::read_to_string(house.path("logs/w.moved")).expect("moved");
    assert!(moved.ends_with(" F open\n"), "{moved}");
    // A folder that goes as a whole tells nobody: that is what the signal is for.
    fs::rename(house.path("logs"), house.path("away")).expect("moved");
    signal(house.supervisor(), Signal::SIGUSR2);
    until("the logs are opened anew", || house.path("logs/w.log").exists());
    mouth.say("last");
    until("it is written", || house.log("w").ends_with(" F last\n"));
}

#[test]
fn a_noisy_service_waits_where_that_is_asked_for() {
    let house = House::new(&numbers("w", 25_000, "max_rate = \"60KB/s\""));
    let began = std::time::Instant::now();
    house.run(&["start"]).exits(0);
    until_said(&house, "w", 25_000);
    // 138,894 bytes, of which some may come at once.
    assert!(began.elapsed().as_secs_f64() > 1.0, "{:?}", began.elapsed());
    is_complete(&house, "w", 25_000);
}

#[test]
fn a_log_is_written_as_it_came_or_as_json() {
    let words = "echo out; echo \"b\\\"ad\" >&2; echo open; exec sleep 1000";
    let services = script("raw", words, "format = \"raw\"") + &script("json", words, "format = \"json\"");
    let house = House::new(&services);
    house.run(&["start"]).exits(0);
    until("all is written", || {
        house.log("raw").ends_with("open\n")
            && house.log("json").contains("open")
            && !house.log("raw+stderr").is_empty()
    });
    assert_eq!(house.log("raw"), "out\nopen\n");
    assert_eq!(house.log("raw+stderr"), "b\"ad\n");
    until("all three lines are there", || {
        house.log("json").lines().count() == 3
    });
    let log = house.log("json");
    let record = |text: &str| {
        let records = log
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        let mut found = records.filter(|record| record["log"] == text);
        found.next().unwrap_or_else(|| panic!("no {text:?}: {log}"))
    };
    assert_eq!(record("out\n")["stream"], "stdout");
    assert_eq!(record("b\"ad\n")["stream"], "stderr");
    assert!(
        record("open\n")["time"]
            .as_str()
            .is_some_and(|time| time.ends_with('Z')),
        "{log}"
    );
    house
        .run(&["logs", "raw", "json"])
        .exits(0)
        .says("b\"ad")
        .says("out");
}

#[test]
fn sentinels_own_log_is_rotated_too() {
    let house = House::new(&("[logs]\nmax_size = \"4KiB\"\n".to_owned() + &numbers("w", 1, "")));
    let mut start = house.command(&["start"]);
    assert!(
        start
            .env("RUST_LOG", "trace")
            .output()
            .expect("it runs")
            .status
            .success()
    );
    until("it is rotated", || {
        house.run(&["status"]);
        files(&house, "sentinel").len() > 1
    });
    for file in files(&house, "sentinel") {
        assert!(text(&file).lines().all(|line| !line.is_empty()), "{file:?}");
    }
}

#[test]
fn wrong_keys_are_refused_with_the_way_out() {
    let house = House::new(
        "[sentinel]\nlog_max_total = \"1KiB\"\n[logs]\ncompress = \"zip\"\nmax_line = \"2MiB\"\nmax_sise = \"1MB\"\n\
         [services.w]\ncommand = \"true\"\nlog = { max_size = \"1B\", max_age = \"1ms\", keep = -1, max_rate = \"much\", format = \"xml\", error_pattern = \"(\" }\n",
    );
    let ran = house.run(&["check"]).exits(5);
    for words in [
        "`log_max_total` is too small",
        "\"zip\"",
        "gzip",
        "`max_line` is too large",
        "did you mean `max_size`?",
        "`max_size` is too small",
        "the smallest is \"4KiB\"",
        "\"1ms\" is too short",
        "`keep`",
        "\"much\"",
        "\"xml\"",
        "not a regular expression",
    ] {
        assert!(
            ran.out.contains(words) || ran.err.contains(words),
            "{words}: {ran:#?}"
        );
    }
}

/// For what reads a log as bytes.
#[test]
fn bytes_that_are_no_text_are_kept_as_they_are() {
    let words = "echo open; printf 'a\\377b\\000c\\n'; exec sleep 1000";
    let house = House::new(&script("w", words, "format = \"raw\""));
    house.run(&["start"]).exits(0);
    let read = || {
        let mut bytes = Vec::new();
        File::open(house.path("logs/w.log"))
            .and_then(|mut log| log.read_to_end(&mut bytes))
            .expect("a log");
        bytes
    };
    until("it is written", || read() == b"open\na\xffb\x00c\n");
    assert_eq!(house.service("w")["log"]["lost_bytes"], json!(0));
}
