//! `sentinel supervisorctl`, word for word as supervisorctl 4.3 answered when it was run beside this.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const SERVICES: &str = r#"
[services.bad]
command = ["/bin/false"]
max_restarts = 0

[services.once]
command = ["/bin/sh", "-c", "sleep 0.2"]
min_uptime = "100ms"
restart = "never"

[services.web]
command = ["/bin/sh", "-c", "echo out; echo err >&2; exec sleep 1000"]
min_uptime = "100ms"
group = "site"
"#;

const BY_HAND: &str = "[services.by_hand]\ncommand = [\"/bin/sleep\", \"1000\"]\nautostart = false\n";

/// A house whose supervisor ends with it.
struct House(TempDir);

impl House {
    fn new() -> Self {
        Self::of(SERVICES)
    }

    fn of(services: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("house")
            .tempdir()
            .expect("a folder");
        fs::write(folder.path().join("services.toml"), services).expect("written");
        Self(folder)
    }

    fn sentinel(&self, words: &[&str]) -> Output {
        sentinel(self.0.path(), words)
    }

    /// What a word prints, and its exit code.
    fn ctl(&self, words: &str) -> (String, i32) {
        let words: Vec<&str> = words.split_whitespace().collect();
        let output = self.sentinel(&[&["supervisorctl"], words.as_slice()].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (text, output.status.code().expect("an exit code"))
    }

    #[track_caller]
    fn expect(&self, words: &str, text: &str, code: i32) {
        assert_eq!(self.ctl(words), (text.to_owned(), code), "{words}");
    }

    /// Waits until the status has this line.
    fn until(&self, line: &str) -> String {
        let begun = Instant::now();
        loop {
            let (text, _) = self.ctl("status");
            if text.lines().any(|known| known.starts_with(line)) {
                return text;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(120),
                "no {line:?} in {text}"
            );
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.sentinel(&["-q", "shutdown"]);
    }
}

fn sentinel(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sentinel"))
        .args(words)
        .current_dir(folder)
        .env_remove("SENTINEL_CONFIG")
        .stdin(Stdio::null())
        .output()
        .expect("sentinel runs")
}

#[test]
fn without_a_supervisor_every_word_has_its_own_end() {
    let house = House::new();
    let socket = house.0.path().canonicalize().expect("it").join(".sentinel/sock");
    let gone = format!("unix://{} no such file\n", socket.display());
    house.expect("status", &gone, 4);
    for words in [
        "start web",
        "stop web",
        "restart web",
        "pid",
        "version",
        "tail web",
    ] {
        house.expect(words, &gone, 7);
    }
    house.expect(
        "shutdown",
        &format!(
            "ERROR: unix://{} no such file (already shut down?)\n",
            socket.display()
        ),
        1,
    );
    house.expect("reread", &format!("error: {gone}"), 1);
    house.expect("foo bar", "*** Unknown syntax: foo bar\n", 1);
}

#[test]
fn words_lines_and_exit_codes_are_supervisorctls() {
    let house = House::new();
    house.sentinel(&["start"]);
    house.until("once                             EXITED    ");
    let status = house.until(
        "bad                              FATAL     Exited too quickly (process log may have details)",
    );
    let lines: Vec<&str> = status.lines().collect();
    assert_eq!(lines.len(), 3, "{status}");
    assert!(
        lines[2].starts_with("site:web                         RUNNING   pid "),
        "{status}"
    );
    assert!(lines[2].contains(", uptime 0:00:"), "{status}");
    assert_eq!(house.ctl("status").1, 3);
    assert_eq!(house.ctl("status web").1, 0);
    let (text, code) = house.ctl("status web nope nope:*");
    assert!(
        text.starts_with("nope: ERROR (no such process)\nnope: ERROR (no such group)\nsite:web "),
        "{text}"
    );
    assert_eq!(code, 4);

    changes(&house);
    reads(&house);
    signals_and_help(&house);
}

fn changes(house: &House) {
    house.expect("start site:web", "site:web: ERROR (already started)\n", 0);
    house.expect("start bad", "bad: ERROR (spawn error)\n", 7);
    house.expect("start nope", "nope: ERROR (no such process)\n", 1);
    house.expect("start nope:*", "nope: ERROR (no such group)\n", 2);
    house.expect("stop nope:*", "nope: ERROR (no such group)\n", 1);
    house.expect("stop bad", "bad: ERROR (not running)\n", 0);
    house.expect("stop web", "site:web: stopped\n", 0);
    house.expect(
        "restart site:web",
        "site:web: ERROR (not running)\nsite:web: started\n",
        0,
    );
    house.expect("restart web", "site:web: stopped\nsite:web: started\n", 0);
    house.expect("restart site:*", "site:web: stopped\nsite:web: started\n", 0);
    let (text, code) = house.ctl("start");
    assert!(
        text.starts_with("Error: start requires a process name\nstart <name>\t\tStart a process\n"),
        "{text}"
    );
    assert_eq!((code, house.ctl("stop").1), (2, 1));
}

fn reads(house: &House) {
    let (pid, code) = house.ctl("pid web");
    assert!(
        code == 0 && Path::new(&format!("/proc/{}", pid.trim())).exists(),
        "{pid}"
    );
    house.expect("pid bad nope", "0\nNo such process nope\n", 1);
    house.expect("pid bad", "0\n", 7);
    house.expect("tail web stderr", "err\nerr\nerr\nerr\n\n", 0);
    house.expect("tail -3 web", "ut\n\n", 0);
    house.expect("tail nope", "nope: ERROR (no such process name)\n", 1);
    let (text, code) = house.ctl("tail");
    assert!(
        code == 1 && text.starts_with("Error: too few arguments\ntail [-f] <name>"),
        "{text}"
    );
}

fn signals_and_help(house: &House) {
    house.expect("signal CONT web", "site:web: signalled\n", 0);
    house.expect("signal CONT site:*", "site:web: signalled\n", 0);
    house.expect("signal HUP bad", "bad: ERROR (not running)\n", 7);
    house.expect("signal NOPE web", "site:web: ERROR (bad signal name)\n", 1);
    house.expect("signal HUP nope", "nope: ERROR (no such process)\n", 1);
    let (text, code) = house.ctl("signal HUP");
    assert!(
        code == 1 && text.starts_with("Error: signal requires a signal name and a process name\n"),
        "{text}"
    );
    let (text, code) = house.ctl("maintail -400");
    assert!(code == 0 && text.contains("INFO"), "{text}");
    let (text, code) = house.ctl("help start");
    assert!(
        code == 0 && text.starts_with("start <name>\t\tStart a process\n"),
        "{text}"
    );
    house.expect("help nope", "*** No help on nope\n", 0);
    house.expect("help clear", "clear <name>\t\tClear a process' log files.\nclear <name> <name>\tClear multiple process' log files\nclear all\t\tClear all process' log files\n", 0);
    assert_eq!((house.ctl("help").1, house.ctl("exit").1), (0, 0));
    house.expect(
        "clear web nope",
        "site:web: cleared\nnope: ERROR (no such process)\n",
        1,
    );
    house.expect("tail web", "\n", 0);
    house.expect("fg", "ERROR: no process name supplied\nfg <process>\tConnect to a process in foreground mode\n\t\tCtrl-C to exit\n", 1);
    house.expect("fg nope", "ERROR: bad process name supplied\n", 1);
    house.expect("open here", "ERROR: url must be http:// or unix://\n", 1);
}

#[test]
fn instances_have_the_names_that_numprocs_gave_them() {
    let house = House::of(
        "[services.web]\ncommand = [\"/bin/sleep\", \"10{index}\"]\ninstances = [\"00\", \"01\"]\nmin_uptime = \"50ms\"\n",
    );
    house.sentinel(&["start"]);
    let (text, code) = house.ctl("status");
    let begins: Vec<&str> = text.lines().map(|line| &line[..42]).collect();
    assert_eq!(
        begins,
        [
            "web:web_00                       RUNNING  ",
            "web:web_01                       RUNNING  "
        ]
    );
    assert_eq!(code, 0);
    house.expect("stop web:web_00", "web:web_00: stopped\n", 0);
    house.expect("start web:*", "web:web_00: started\n", 0);
    house.expect(
        "restart web:*",
        "web:web_00: stopped\nweb:web_01: stopped\nweb:web_00: started\nweb:web_01: started\n",
        0,
    );
    house.expect("status web:nope", "web:nope: ERROR (no such process)\n", 4);
}

#[test]
fn update_tells_what_came_went_and_changed() {
    let house = House::new();
    house.sentinel(&["start", "web"]);
    house.expect("reread", "No config updates to processes\n", 0);
    house.expect("update", "", 0);
    house.expect("update nope", "ERROR: no such group: nope\n", 1);
    let changed = "[services.web]\ncommand = [\"/bin/sleep\", \"1000\"]\nmin_uptime = \"100ms\"\n[services.new]\ncommand = [\"/bin/sleep\", \"1000\"]\nmin_uptime = \"100ms\"\n";
    fs::write(house.0.path().join("services.toml"), changed).expect("written");
    house.expect(
        "reread",
        "bad: disappeared\nnew: available\nonce: disappeared\n",
        0,
    );
    house.expect(
        "avail",
        "bad                              in use    auto      999:999\n\
         new                              avail     auto      999:999\n\
         once                             in use    auto      999:999\n\
         web                              in use    auto      999:999\n",
        0,
    );
    house.expect(
        "update",
        "bad: stopped\nbad: removed process group\nonce: stopped\nonce: removed process group\n\
         web: stopped\nweb: updated process group\nnew: added process group\n",
        0,
    );
    // By name, as long as nothing else differs.
    fs::write(
        house.0.path().join("services.toml"),
        format!("{changed}{BY_HAND}"),
    )
    .expect("written");
    house.expect("add nope", "ERROR: no such process/group: nope\n", 1);
    house.expect("add web", "ERROR: process group already active\n", 0);
    house.expect("update web", "", 0);
    house.expect("add by_hand", "by_hand: added process group\n", 0);
    let (text, _) = house.ctl("avail");
    assert!(
        text.starts_with("by_hand                          in use    manual    999:999\n"),
        "{text}"
    );
    assert!(house.until("by_hand").contains("STOPPED   Not started"));
    house.expect("remove web", "ERROR: process/group still running: web\n", 1);
    house.expect(
        "remove by_hand",
        "ERROR: by_hand is still in services.toml: take it out there first\n",
        1,
    );
    fs::write(house.0.path().join("services.toml"), changed).expect("written");
    house.expect("remove by_hand", "by_hand: removed process group\n", 0);
    house.expect("reload", "Restarted supervisord\n", 0);
    house.expect("stop all", "new: stopped\nweb: stopped\n", 0);
    house.expect("start all", "new: started\nweb: started\n", 0);
    house.expect("shutdown", "Shut down\n", 0);
    assert_eq!(house.ctl("status").1, 4);
}
