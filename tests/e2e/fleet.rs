//! Many services at once, and what is done by the clock.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::pty::{Winsize, openpty};

use crate::house::{House, free_port, until};

/// A host as one would find it: 8 that answer HTTP, 8 in the background, 17 watchdogs. `ills` goes to the end.
fn trading_host(ills: [&str; 3]) -> String {
    let mut text = format!(
        "[templates.http]\ncommand = ['chaos', '--listen', '{{port}}']\ngroup = 'http'\n\
         health = {{ http = 'http://127.0.0.1:{{port}}/health', every = '200ms', failures = 1 }}\n\
         on_unhealthy = 'ignore'\nstart_timeout = '60s'\n\
         [services.job]\ncommand = 'sleep 1000'\ngroup = 'background'\nmin_uptime = '50ms'\n\
         instances = ['sync', 'monitor', 'manager', 'cascade', 'btc', 'eth', 'archive', 'mailer']\n\
         [templates.watchdog]\ncommand = ['sleep', '1000']\nmin_uptime = '50ms'\nafter = ['main_app']\n\
         instances = ['BTC', 'ETH', 'SOL', 'XRP', 'ADA', 'DOGE', 'AVAX', 'DOT', 'LINK', 'LTC', 'BCH', 'UNI', 'ATOM',\n\
         'ETC', 'FIL', 'NEAR', 'APT']\ngroup = 'watchdogs'\n\
         [services.'watchdog@SOL']\n{}\n",
        ills[0]
    );
    let names = [
        "main_app",
        "manager",
        "executor",
        "supervisor",
        "entry",
        "prices",
        "strikes",
        "dashboard",
    ];
    for name in names {
        let ill = match name {
            "executor" => ills[1],
            "dashboard" => ills[2],
            _ => "",
        };
        text += &format!(
            "[services.{name}]\ntemplate = 'http'\nports = [{}]\n{ill}\n",
            free_port()
        );
    }
    text
}

/// What `sentinel` prints on a terminal of 80 columns and 24 lines, and its exit code.
fn on_a_terminal(house: &House, arguments: &[&str]) -> (String, i32) {
    let size = Winsize {
        ws_row: 24,
        ws_col: 80,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let pty = openpty(Some(&size), None).expect("a terminal");
    let mut command = house.command(arguments);
    command
        .stdout(pty.slave.try_clone().expect("a descriptor"))
        .stderr(pty.slave);
    let mut child = command.spawn().expect("sentinel runs");
    drop(command);
    let (mut text, mut master) = (Vec::new(), fs::File::from(pty.master));
    // The last writer's end is an error (EIO) on a terminal.
    let _ = master.read_to_end(&mut text);
    let code = child.wait().expect("it ends").code().unwrap_or(-1);
    (String::from_utf8_lossy(&text).replace("\r\n", "\n"), code)
}

#[track_caller]
fn fits(text: &str) {
    let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    assert!(
        text.lines().count() <= 23 && widest <= 80,
        "does not fit 24 lines of 80:\n{text}"
    );
}

#[test]
fn thirty_three_services_and_what_is_wrong_with_them_fit_a_terminal() {
    let house = House::new(&trading_host(["", "", ""]));
    house.run(&["restart", "-q"]).exits(0);
    let (fine, code) = on_a_terminal(&house, &["status"]);
    assert_eq!(code, 0, "{fine}");
    fits(&fine);
    for words in [
        "all 33 services run and are healthy",
        "@http",
        "8 healthy",
        "@background",
        "17 RUNNING",
    ] {
        assert!(fine.contains(words), "no {words:?} in:\n{fine}");
    }
    house.run(&["status", "--unless-ok"]).exits(0);
    house.run(&["shutdown"]).exits(0);

    let ills = [
        "command = ['sh', '-c', 'exit 3']",
        "command = ['chaos', '--listen', '{port}', '--sick-after', '0']",
    ];
    house.write(&trading_host([
        ills[0],
        ills[1],
        "ready = { log = 'never said' }\nmax_restarts = 0\nstart_timeout = '500ms'",
    ]));
    house.run(&["start", "-q"]).exits(1);
    let (ill, code) = on_a_terminal(&house, &["status"]);
    assert_eq!(code, 3, "{ill}");
    fits(&ill);
    for words in [
        "30 of 33 services fine",
        "watchdog@SOL",
        "exit code 3",
        "executor",
        "unhealthy",
        "dashboard",
        "not ready after 0.5 s",
    ] {
        assert!(ill.contains(words), "no {words:?} in:\n{ill}");
    }
    let problems = house.run(&["status", "--problems"]).exits(3);
    assert!(
        !problems.out.contains("main_app") && problems.out.contains("watchdog@SOL"),
        "{problems:?}"
    );
    let group = house.run(&["status", "--group", "watchdogs"]).exits(3);
    assert!(
        group.out.contains("watchdog@APT") && !group.out.contains("executor"),
        "{group:?}"
    );
    house.run(&["stop", "@watchdogs"]).exits(0);
    assert_eq!(house.service("watchdog@BTC")["state"], "STOPPED");
    assert_eq!(house.service("main_app")["group"], "http");
    house.run(&["restart", "job@*"]).exits(0);
    house
        .run(&["restart", "@watchdog"])
        .exits(2)
        .says("did you mean `@watchdogs`?");
    house.run(&["shutdown"]).exits(0);
}

const CLOCKWORK: &str = "[services.web]\ncommand = 'sleep 1000'\nmin_uptime = '50ms'\n\
    [schedules.nightly]\ncron = '0 4 * * 1-5'\ntimezone = 'America/New_York'\ndo = 'restart web'\n\
    [schedules.master]\ncron = '@weekly'\ndo = 'restart'\n\
    [schedules.slow]\ncron = '@daily'\nrun = ['sh', '-c', 'until [ -e go ]; do sleep 0.02; done']\n\
    [schedules.bad]\ncron = '@daily'\nrun = ['sh', '-c', 'echo error: no luck; exit 7']\n\
    [schedules.late]\ncron = '* * * * *'\nmissed = 'run'\nrun = ['sh', '-c', 'echo made up']\n";

fn last(house: &House, name: &str) -> serde_json::Value {
    let status = house.status();
    let found = status["schedules"]
        .as_array()
        .and_then(|all| all.iter().find(|one| one["name"] == name).cloned());
    found.unwrap_or_default()["last"].clone()
}

#[test]
fn a_schedule_that_was_missed_is_an_event_and_an_alert() {
    let house = House::new(
        "[services.web]\ncommand = 'sleep 1000'\nmin_uptime = '50ms'\n\
         [schedules.late]\ncron = '* * * * *'\nrun = ['true']\n\
         [alerts]\nkinds = ['schedule']\ngroup = '50ms'\n\
         command = ['sh', '-c', 'cat > told.part; mv told.part told']\n",
    );
    last_seen_five_minutes_ago(&house);
    house.run(&["start"]).exits(0);
    until("somebody was told", || house.path("told").exists());
    let told = fs::read(house.path("told")).expect("there");
    let told: serde_json::Value = serde_json::from_slice(&told).expect("JSON");
    assert_eq!(told["alerts"][0]["kind"], "schedule", "{told}");
    assert!(
        told["text"].as_str().is_some_and(|text| text.contains("late")),
        "{told}"
    );
    house.run(&["events"]).exits(0).says("missed");
}

/// An earlier supervisor had dealt with the schedule `late` until then.
fn last_seen_five_minutes_ago(house: &House) {
    fs::create_dir_all(house.path(".sentinel/schedules")).expect("a folder");
    fs::set_permissions(house.path(".sentinel"), fs::Permissions::from_mode(0o700)).expect("our own folder");
    let ago = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(5);
    fs::write(house.path(".sentinel/schedules/late.seen"), ago.to_string()).expect("written");
}

#[test]
fn schedules_are_run_by_the_supervisor_and_by_hand() {
    let house = House::new(CLOCKWORK);
    last_seen_five_minutes_ago(&house);
    house.run(&["start"]).exits(0);
    until("the missed run is made up for", || {
        last(&house, "late")["result"] == "done"
    });
    assert_eq!(last(&house, "late")["line"], "made up");
    house.run(&["events"]).exits(0).says("schedule late");

    let before = house.pid("web");
    house.run(&["schedule", "run", "nightly"]).exits(0);
    assert_ne!(house.pid("web"), before);
    house
        .run(&["schedule", "run", "bad"])
        .exits(1)
        .says("failed: schedule bad (exit code 7): no luck");
    assert_eq!(
        (&last(&house, "bad")["exit_code"], &last(&house, "bad")["result"]),
        (&7.into(), &"failed".into())
    );
    let mut slow = house
        .command(&["schedule", "run", "slow"])
        .spawn()
        .expect("it runs");
    until("it runs", || last(&house, "slow")["result"] == "running");
    house
        .run(&["schedule", "run", "slow"])
        .exits(75)
        .says("skipped: schedule slow");
    fs::write(house.path("go"), "").expect("written");
    assert!(slow.wait().expect("it ends").success());

    let supervisor = house.supervisor();
    house.run(&["schedule", "run", "master"]).exits(0);
    assert_ne!(house.supervisor(), supervisor);
    assert_eq!(last(&house, "master")["result"], "done");
    house
        .run(&["schedule", "list"])
        .exits(0)
        .says("0 4 * * 1-5 (America/New_York)");
    house
        .run(&["schedule", "run", "nigthly"])
        .exits(2)
        .says("did you mean `nightly`?");
    house.run(&["shutdown"]).exits(0);
}

/// Runs a line as cron does: by sh, with hardly any environment.
fn as_cron(line: &str) -> (i32, String) {
    let command = line
        .splitn(6, ' ')
        .nth(5)
        .expect("five fields and a command")
        .replace("\\%", "%");
    let output = Command::new("/bin/sh")
        .args(["-c", &command])
        .env_clear()
        .envs([("PATH", "/usr/bin:/bin"), ("HOME", "/"), ("SHELL", "/bin/sh")])
        .stdin(Stdio::null())
        .output()
        .expect("sh runs");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// A `crontab` that keeps its text in a file.
fn fake_crontab(house: &House) -> (PathBuf, PathBuf) {
    let (tab, bin) = (house.path("tab"), house.path("bin"));
    fs::create_dir(&bin).expect("a folder");
    let fake = format!(
        "#!/bin/sh\ncase $1 in -l) [ -f {tab} ] && exec cat {tab}; echo 'no crontab for me' >&2; exit 1;; -) cat > {tab};; esac\n",
        tab = tab.display()
    );
    fs::write(bin.join("crontab"), fake).expect("written");
    fs::set_permissions(bin.join("crontab"), fs::Permissions::from_mode(0o755)).expect("our own file");
    (tab, bin)
}

#[test]
fn the_lines_of_a_crontab_do_what_they_say() {
    let house = House::new("[services.web]\ncommand = 'sleep 1000'\nmin_uptime = '50ms'\n");
    let (tab, bin) = fake_crontab(&house);
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let cron = |verb: &str| {
        let output = house
            .command(&["cron", verb])
            .env("PATH", &path)
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{output:?}");
    };
    cron("install");
    let fresh = fs::read_to_string(&tab).expect("written");
    let others = "MAILTO=me\n5 4 * * * date +\\%F\n";
    fs::write(&tab, format!("{others}{fresh}")).expect("written");
    cron("install");
    let twice = fs::read_to_string(&tab).expect("written");
    assert_eq!(twice, format!("{others}{fresh}"));
    let line = |what: &str| {
        twice
            .lines()
            .find(|line| line.contains(what))
            .expect("a line")
            .to_owned()
    };

    let (code, said) = as_cron(&line("--unless-ok"));
    assert!(
        code == 4 && said.contains("there is no supervisor"),
        "{code} {said}"
    );
    assert_eq!(as_cron(&line("--if-absent")), (0, String::new()));
    let supervisor = house.supervisor();
    assert_eq!(as_cron(&line("--if-absent")), (0, String::new()));
    assert_eq!(house.supervisor(), supervisor, "one is enough");
    assert_eq!(as_cron(&line("--unless-ok")), (0, String::new()));
    let weekly = line("restart emergency");
    let codes: Vec<(i32, String)> = ["market_open", "market_closed"]
        .iter()
        .map(|phase| as_cron(&weekly.replace("market_open", phase)))
        .collect();
    let skipped: Vec<&(i32, String)> = codes.iter().filter(|(code, _)| *code == 75).collect();
    assert!(
        matches!(skipped[..], [(_, said)] if said.starts_with("skipped: restart: the New York market is")),
        "{codes:?}"
    );
    assert!(codes.contains(&(0, String::new())), "{codes:?}");
    // Down by request: nobody starts it again.
    house.run(&["shutdown"]).exits(0);
    assert_eq!(as_cron(&line("--if-absent")), (0, String::new()));
    house.run(&["status"]).exits(4);
    cron("remove");
    assert_eq!(fs::read_to_string(&tab).expect("written"), others);
    let missing = house
        .command(&["cron", "install"])
        .env("PATH", "/nowhere")
        .output()
        .expect("it runs");
    assert!(String::from_utf8_lossy(&missing.stderr).contains("there is no `crontab` program here"));
}
