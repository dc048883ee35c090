//! Logs on a disk that is really full: a small tmpfs, in a mount namespace of the supervisor's own.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::house::{House, Ran, finish, until};
use crate::logs::{Mouth, script};
use crate::trouble::plain;

/// Says what it is told.
const ECHO: &str = "exec 3<>in; echo open; exec cat <&3";

/// A supervisor in the foreground that sees a tmpfs of this size where the host sees an empty folder.
struct Aside<'h> {
    house: &'h House,
    unshare: Child,
    supervisor: i32,
}

impl<'h> Aside<'h> {
    /// `None`, and said loudly, where the kernel allows no mounts.
    fn with(house: &'h House, folder: &str, size: &str) -> Option<Self> {
        fs::create_dir_all(house.path(folder)).expect("made");
        let run = house.command(&["run"]);
        let mut unshare = Command::new("unshare");
        if !nix::unistd::geteuid().is_root() {
            unshare.args(["--user", "--map-root-user"]);
        }
        let keep = "kept=$(mktemp -d); cp -a \"$1/.\" \"$kept\"; \
                    mount -t tmpfs -o size=$2 none \"$1\" || { rm -r \"$kept\"; exit 1; }; \
                    cp -a \"$kept/.\" \"$1\"; rm -r \"$kept\"; echo mounted; shift 2; cd /; exec \"$@\"";
        unshare.args(["--mount", "--propagation", "private", "sh", "-c", keep, "sh"]);
        unshare
            .arg(house.path(folder))
            .arg(size)
            .arg(run.get_program())
            .args(run.get_args());
        unshare
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut unshare = unshare.spawn().ok()?;
        let mut said = String::new();
        let read = BufReader::new(unshare.stdout.take()?).read_line(&mut said);
        if read.is_err() || said != "mounted\n" {
            let _ = unshare.wait();
            let _ = writeln!(
                std::io::stderr(),
                "\nSKIPPED: no tmpfs to be had (unshare, mount)\n"
            );
            return None;
        }
        let supervisor = unshare.id().cast_signed();
        let aside = Self {
            house,
            unshare,
            supervisor,
        };
        until("all runs", || aside.run(&["-q", "status"]).code == 0);
        Some(aside)
    }

    /// `sentinel`, as one sees it who sees that disk.
    fn run(&self, arguments: &[&str]) -> Ran {
        let inside = self.house.command(arguments);
        let mut enter = Command::new("nsenter");
        if !nix::unistd::geteuid().is_root() {
            enter.args(["--user", "--preserve-credentials"]);
        }
        enter.args(["--mount", "--target", &self.supervisor.to_string(), "--"]);
        enter
            .arg(inside.get_program())
            .args(inside.get_args())
            .env("NO_COLOR", "1");
        enter
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        finish(enter.spawn().expect("nsenter runs"))
    }

    fn service(&self, name: &str) -> Value {
        let status = self.run(&["status", "--json"]).json();
        let services = status["services"].as_array().expect("services").clone();
        let mut found = services.into_iter().filter(|service| service["name"] == name);
        found.next().expect("the service")
    }

    /// A path on that disk.
    fn path(&self, name: &str) -> PathBuf {
        let path = self.house.path(name);
        PathBuf::from(format!("/proc/{}/root{}", self.supervisor, path.display()))
    }

    /// Leaves no room at all.
    fn fill(&self, name: &str) {
        let mut file = File::create(self.path(name)).expect("made");
        let mut block = vec![b'x'; 64 << 10];
        while !block.is_empty() {
            if file.write_all(&block).is_err() {
                block.truncate(block.len() / 2);
            }
        }
    }

    fn log(&self, service: &str) -> String {
        fs::read_to_string(self.path(&format!("logs/{service}.log"))).unwrap_or_default()
    }

    /// Until it is said to be losing output.
    fn until_it_loses(&self, service: &str) {
        until("the loss is told", || {
            self.service(service)["log_loss"].is_string()
        });
    }
}

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        let _ = self.run(&["-q", "shutdown"]);
        let _ = self.unshare.wait();
    }
}

/// What became of the lines `from` to `to`: written, each once and in order, or counted as lost.
fn accounted(aside: &Aside<'_>, to: u64) -> (u64, u64) {
    let log = aside.log("w");
    let lines = log
        .lines()
        .filter_map(|line| line.rsplit_once(" line ")?.1.parse::<u64>().ok());
    let lines: Vec<u64> = lines.collect();
    assert!(lines.is_sorted_by(|a, b| a < b), "in order, none twice: {log}");
    let lost = aside.service("w")["log"]["lost_lines"].as_u64().expect("a count");
    assert_eq!(lines.len() as u64 + lost, to, "{lost} lost: {log}");
    (lines.len() as u64, lost)
}

#[test]
fn on_a_full_disk_services_go_on_each_lost_line_is_counted_and_it_ends_when_there_is_room() {
    let house = House::new(&(script("w", ECHO, "") + &plain("other", "")));
    let mut mouth = Mouth::of(&house);
    let Some(aside) = Aside::with(&house, "logs", "256k") else {
        return;
    };
    let pids = || ["w", "other"].map(|name| aside.service(name)["pid"].clone());
    let before = pids();
    let mut said = 0;
    let mut say = |mouth: &mut Mouth, count: u64| {
        for number in said..said + count {
            mouth.say(&format!("line {number}"));
        }
        said += count;
        said
    };
    say(&mut mouth, 10);
    until("they are written", || aside.log("w").ends_with(" line 9\n"));
    aside.fill("logs/filler");
    say(&mut mouth, 1000);
    aside.until_it_loses("w");
    aside
        .run(&["status"])
        .exits(0)
        .says("of its output lost: No space left on device");
    assert_eq!(pids(), before, "all run on");
    aside.run(&["restart", "other"]).exits(0);
    fs::remove_file(aside.path("logs/filler")).expect("there is room");
    let mut all = 0;
    until("it is kept again", || {
        all = say(&mut mouth, 1);
        aside.log("w").ends_with(&format!(" line {}\n", all - 1)) && aside.service("w")["log_loss"].is_null()
    });
    let (written, lost) = accounted(&aside, all);
    assert!(written > 10 && lost > 100, "{written} written, {lost} lost");
    aside
        .run(&["metrics"])
        .exits(0)
        .says(&format!("sentinel_log_lost_lines_total{{service=\"w\"}} {lost}"));
    assert_eq!(aside.service("w")["pid"], before[0], "one run said it all");
}

#[test]
fn a_full_disk_under_the_whole_house_stops_nothing_either() {
    let alerts = "[alerts]\ncommand = [\"true\"]\ndisk_free = \"0%\"\ngroup = \"50ms\"\n";
    let house = House::new(&(alerts.to_owned() + &plain("w", "--chatter 1") + &plain("other", "")));
    let Some(aside) = Aside::with(&house, "", "1m") else {
        return;
    };
    let before = ["w", "other"].map(|name| aside.service(name)["pid"].clone());
    aside.fill("filler");
    aside.until_it_loses("w");
    aside.run(&["restart", "other"]).exits(0);
    aside.run(&["status"]).exits(0).says("of its output lost");
    assert_eq!(aside.service("w")["pid"], before[0]);
    assert_ne!(aside.service("other")["pid"], before[1]);
    fs::remove_file(aside.path("filler")).expect("there is room");
    until("it is kept again", || aside.service("w")["log_loss"].is_null());
    // What happened meanwhile is in the ledger: it waited in memory.
    until("the ledger is whole", || {
        let events = aside.run(&["events", "other", "-n", "20"]).out;
        events.contains("sentinel restart other")
    });
}
