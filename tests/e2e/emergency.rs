//! When nothing else works: `sentinel restart emergency` gets through, and kills only what is proven ours.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::house::{House, Ran, alive, free_port, signal, until};
use crate::trouble::{plain, web};

/// Deaf descendants cost a test no more than this at its end.
const SHORT_GRACE: &str = "stop = { timeout = \"200ms\" }\n";

/// Kills the supervisor and waits for its end.
fn bereave(house: &House) {
    let supervisor = house.supervisor();
    signal(supervisor, Signal::SIGKILL);
    until("the supervisor is gone", || !alive(supervisor));
}

/// Runs it, and checks that afterwards all is as it should be.
fn emergency(house: &House) -> Value {
    let report = house.run(&["restart", "emergency", "--json"]).exits(0).json();
    house.run(&["status"]).exits(0);
    report
}

/// The proof with which this process was ended, and its signal.
fn proof(report: &Value, pid: i32) -> String {
    let ended = report["ended"].as_array().expect("a list");
    let one = ended.iter().find(|one| one["pid"].as_i64() == Some(pid.into()));
    let one = one.unwrap_or_else(|| panic!("{pid} is not in {report:#}"));
    assert_eq!(one["signal"], "SIGKILL", "{one}");
    assert!(
        one["command"].as_str().is_some_and(|command| !command.is_empty()),
        "{one}"
    );
    one["proof"].as_str().expect("a sentence").to_owned()
}

/// A process that is no business of ours; ended with its test.
struct Stranger(Child);

impl Stranger {
    fn begin(program: &str, arguments: &[&str]) -> Self {
        let chaos = PathBuf::from(env!("CARGO_BIN_EXE_sentinel")).with_file_name("chaos");
        let program = if program == "chaos" { chaos } else { program.into() };
        let child = Command::new(program).args(arguments).stdin(Stdio::null()).spawn();
        Self(child.expect("it starts"))
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).expect("a pid")
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_supervisor_that_hangs_is_replaced_and_each_end_is_proven() {
    let port = free_port();
    let tree = plain("tree", "--leave group --leave session --leave daemon") + SHORT_GRACE;
    let house = House::new(&(web("web", port) + &tree));
    house.run(&["start"]).exits(0);
    until("all live", || house.marked().len() == 5);
    let bystander = Stranger::begin("chaos", &[]);
    let _client = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let (supervisor, before) = (house.supervisor(), house.marked());
    let leaders = [house.pid("web"), house.pid("tree")];
    signal(supervisor, Signal::SIGSTOP);
    let report = emergency(&house);
    assert!(
        proof(&report, supervisor).contains("supervisor's lock of this house"),
        "{report:#}"
    );
    for pid in before {
        let proof = proof(&report, pid);
        let recorded = proof.contains("with the same start time");
        assert!(
            if leaders.contains(&pid) {
                recorded
            } else {
                proof.contains("mark of tree#1")
            },
            "{proof}"
        );
    }
    let ended = report["ended"].as_array().expect("a list").len();
    assert_eq!(
        ended, 6,
        "five processes and the supervisor, nobody else: {report:#}"
    );
    assert!(alive(bystander.pid()), "of the same name, and not ours");
    assert_ne!(house.supervisor(), supervisor);
}

#[test]
fn a_person_reads_who_was_ended_and_why() {
    let house = House::new(&plain("web", ""));
    house.run(&["start"]).exits(0);
    let (supervisor, web) = (house.supervisor(), house.pid("web"));
    let said = house.run(&["restart", "emergency"]).exits(0);
    let said = said.says(&format!(
        "ended sentinel (pid {supervisor}) by SIGKILL: held the supervisor's lock"
    ));
    said.says(&format!(
        "ended chaos (pid {web}) by SIGKILL: recorded as the process of web#1"
    ));
    house
        .run(&["events"])
        .says(&format!("ended       pid {supervisor}; sentinel by SIGKILL"));
}

#[test]
fn a_dead_supervisor_a_deleted_socket_and_garbage_in_its_files_are_no_obstacle() {
    let house = House::new(&(web("web", free_port()) + &plain("tree", "--leave daemon") + SHORT_GRACE));
    house.run(&["start"]).exits(0);
    until("all live", || house.marked().len() == 3);
    let garbage =
        |name: &str| fs::write(house.path(".sentinel").join(name), "\u{0}{garbage").expect("written");
    let troubles: [&dyn Fn(); 5] = [
        &|| bereave(&house),
        &|| fs::remove_file(house.path(".sentinel/sock")).expect("it was there"),
        &|| garbage("state.json"),
        &|| {
            bereave(&house);
            garbage("state.json");
            garbage("supervisor.lock");
            garbage("operation.lock");
        },
        // The file by which the others know it; it is known by what it has open.
        &|| fs::remove_file(house.path(".sentinel/supervisor.lock")).expect("it was there"),
    ];
    for trouble in troubles {
        let (before, supervisor) = (house.marked(), house.supervisor());
        trouble();
        let lived = alive(supervisor);
        let report = emergency(&house);
        for pid in before {
            assert!(!alive(pid) && !proof(&report, pid).is_empty());
        }
        assert!(!alive(supervisor));
        assert!(!lived || proof(&report, supervisor).contains("supervisor's lock"));
        until("all live", || house.marked().len() == 3);
    }
}

#[test]
fn a_stranger_who_has_the_lock_keeps_it_and_locks_nobody_out() {
    let house = House::new(&plain("web", ""));
    house.run(&["start"]).exits(0);
    let web = house.pid("web");
    bereave(&house);
    let lock = house.path(".sentinel/supervisor.lock").display().to_string();
    let stranger = Stranger::begin("flock", &["--no-fork", &lock, "sleep", "600"]);
    let name = || fs::read_to_string(format!("/proc/{}/comm", stranger.pid())).unwrap_or_default();
    until("it has the lock and sleeps", || name().trim() == "sleep");
    house
        .run(&["start"])
        .exits(1)
        .says("is locked by sleep")
        .says("sentinel restart emergency");
    let report = emergency(&house);
    assert!(
        report.to_string().contains("is not ours: left alone"),
        "{report:#}"
    );
    assert!(proof(&report, web).contains("web#1"));
    assert!(alive(stranger.pid()));
    house.run(&["restart"]).exits(0);
}

fn children(pid: i32) -> Vec<i32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

#[test]
fn an_orphan_of_ours_that_has_the_lock_goes_with_it() {
    let thief = "[services.thief]\nmin_uptime = \"20ms\"\n\
                 command = [\"sh\", \"-c\", \"until flock -n .sentinel/supervisor.lock sleep 600; do sleep 0.05; done\"]\n";
    let house = House::new(thief);
    house.run(&["start"]).exits(0);
    let thief = house.pid("thief");
    bereave(&house);
    until("it has the lock", || {
        !children(thief).is_empty() && children(thief).iter().any(|&pid| !children(pid).is_empty())
    });
    let holder = children(children(thief)[0])[0];
    let report = emergency(&house);
    assert!(proof(&report, holder).contains("thief#1"), "{report:#}");
    assert!(!report.to_string().contains("left alone"), "{report:#}");
    assert!(!alive(thief) && !alive(holder));
}

#[test]
fn whoever_listens_on_an_assigned_port_is_ended_for_that() {
    let port = free_port();
    let house = House::new(&web("web", port));
    let stranger = Stranger::begin("chaos", &["--listen", &port.to_string()]);
    until("it listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    let report = emergency(&house);
    assert_eq!(
        proof(&report, stranger.pid()),
        format!("listened on port {port}, which is assigned here")
    );
}

/// A file system of a few pages, mounted here.
struct Tiny(PathBuf);

impl Tiny {
    fn mount(at: PathBuf) -> Option<Self> {
        fs::create_dir_all(&at).expect("made");
        let options = ["-t", "tmpfs", "-o", "size=256k,mode=0700", "none"];
        let mounted = Command::new("mount")
            .args(options)
            .arg(&at)
            .stderr(Stdio::null())
            .status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(at))
    }

    /// Takes all the room there is.
    fn fill(&self) {
        let mut file = fs::File::create(self.0.join("filler")).expect("an inode");
        while std::io::Write::write(&mut file, &[0; 4096]).is_ok() {}
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_no_obstacle() {
    let house = House::new(&web("web", free_port()));
    let Some(tiny) = Tiny::mount(house.path(".sentinel")) else {
        return eprintln!("skipped: only root can mount a small disk");
    };
    house.run(&["start"]).exits(0);
    tiny.fill();
    let full = |said: &Ran| assert!(!said.err.contains("No space left"), "{said:#?}");
    // Whatever the state: dead, hanging, and again with a lock in which there was no room for a word.
    for trouble in [Signal::SIGKILL, Signal::SIGSTOP, Signal::SIGSTOP] {
        let (supervisor, web) = (house.supervisor(), house.pid("web"));
        signal(supervisor, trouble);
        until("it does not answer", || house.run(&["status"]).code != 0);
        let said = house.run(&["restart", "emergency", "--json"]).exits(0);
        full(&said);
        assert!(proof(&said.json(), web).contains("web#"));
        house.run(&["status"]).exits(0);
        assert!(!alive(supervisor) && !alive(web));
    }
    house.run(&["restart"]).exits(0);
    fs::remove_file(tiny.0.join("filler")).expect("it was there");
    house.run(&["shutdown"]).exits(0);
    assert_eq!(house.marked(), Vec::<i32>::new());
}
