//! A thousand random steps under load: kill, stop, start, restart, reload, upgrade, death and adoption of
//! the supervisor. After
//! each one: no run is doubled, nothing is orphaned, every request had its one answer.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::house::{House, alive, free_port, pids, signal, until};

/// Who runs, and of how many processes each consists.
const SERVICES: [(&str, usize); 4] = [("web", 1), ("tree", 4), ("loud", 1), ("after", 1)];

fn services(port: u16) -> String {
    let common = "min_uptime = \"1ms\"\nmax_restarts = 1000000\nstop = { timeout = \"40ms\" }\n";
    format!(
        "[services.web]\ncommand = \"chaos --listen {port}\"\nports = [{port}]\n{common}\
         [services.tree]\ncommand = \"chaos --leave group --leave session --leave daemon\"\n{common}\
         [services.loud]\ncommand = \"chaos --chatter 0\"\n{common}\
         [services.after]\ncommand = \"chaos\"\nafter = [\"web\"]\n{common}"
    )
}

/// xorshift64*: the same steps for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }

    fn service(&mut self) -> &'static str {
        let index = usize::try_from(self.roll(SERVICES.len() as u64)).expect("small");
        SERVICES[index].0
    }
}

#[test]
fn a_thousand_steps_leave_no_duplicate_no_orphan_and_no_question_open() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("FAULTS_SEED").unwrap_or_else(|| u64::from(std::process::id()) << 20 | 0xb0a7);
    let steps = number("FAULTS_STEPS").unwrap_or(1000);
    println!("FAULTS_SEED={seed} FAULTS_STEPS={steps}");
    let mut dice = Dice(seed);
    let house = House::new(&services(free_port()));
    house.run(&["start"]).exits(0);
    let mut taken: BTreeMap<&str, u64> = BTreeMap::new();
    for step in 0..steps {
        let name = take_step(&house, &mut dice);
        *taken.entry(name).or_default() += 1;
        no_duplicate(&house, &format!("step {step}, {name}, FAULTS_SEED={seed}"));
        if step % 50 == 49 {
            no_orphan(&house, &format!("after step {step}, FAULTS_SEED={seed}"));
        }
    }
    println!("{taken:?}");
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
}

fn take_step(house: &House, dice: &mut Dice) -> &'static str {
    match dice.roll(100) {
        0..50 => {
            let all = house.marked();
            let index = usize::try_from(dice.roll(all.len().max(1) as u64)).expect("small");
            if let Some(&pid) = all.get(index) {
                // Gone already is fine: it is what was wanted.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                until("it is dead", || is_dead(pid));
            }
            "kill"
        }
        50..65 => ask(house, "restart", &[dice.service()]),
        65..75 => ask(house, "stop", &[dice.service()]),
        75..90 => ask(house, "start", &[dice.service()]),
        90..95 => ask(house, "start", &[]),
        95..97 => ask(house, "reload", &[]),
        97 => {
            // What an earlier step has just killed is back by then.
            // The first answer may be older than a death just now; the second is not.
            until("all is as it is wanted", || settled(house) && settled(house));
            house.run(&["upgrade"]).exits(0).says("took over");
            "upgrade"
        }
        98 => die(house, "start"),
        _ => die(house, "restart"),
    }
}

/// Whether it is gone, or a zombie.
fn is_dead(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

/// Whether each service runs, is meant not to, or waits for one that is meant not to.
fn settled(house: &House) -> bool {
    let status = house.status();
    let services = status["services"].as_array().expect("services");
    services.iter().all(|service| {
        let idle = service["wanted"] == false && service["pid"].is_null();
        let waits = service["state"] == "STOPPED" && service["reason"] == "waits for web";
        // How one ended that another supervisor had begun is waited for a moment before its end counts.
        let is_alive = || service["pid"].as_i64().is_some_and(|pid| !is_dead(pid as i32));
        let runs = service["state"] == "RUNNING" && is_alive();
        idle || (service["wanted"] == true && (runs || waits))
    })
}

/// One request on the control socket; it must have exactly one end.
fn ask(house: &House, verb: &'static str, services: &[&str]) -> &'static str {
    let mut stream = UnixStream::connect(house.path(".sentinel/sock")).expect("connected");
    stream
        .set_read_timeout(Some(Duration::from_secs(120)))
        .expect("set");
    let body = serde_json::json!({"services": services}).to_string();
    let head = format!(
        "POST /v1/{verb} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(body.as_bytes()))
        .expect("sent");
    let lines: Vec<String> = BufReader::new(stream).lines().map_while(Result::ok).collect();
    let ends: Vec<Value> = lines
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|event| event["event"] == "end")
        .collect();
    assert_eq!(
        ends.len(),
        1,
        "{verb} {services:?} was answered {} times: {lines:#?}",
        ends.len()
    );
    let answered = ends[0]["services"].as_array().expect("services");
    if !services.is_empty() {
        assert_eq!(answered.len(), services.len(), "{verb} {services:?}: {lines:#?}");
    }
    verb
}

/// The supervisor dies, and another takes over or begins anew.
fn die(house: &House, verb: &'static str) -> &'static str {
    // A death that the supervisor has not seen yet is none of what it leaves.
    let living = |name| house.running(name).filter(|&pid| !is_dead(pid));
    let before = (house.supervisor(), SERVICES.map(|(name, _)| living(name)));
    signal(before.0, Signal::SIGKILL);
    until("the supervisor is gone", || !alive(before.0));
    house.run(&[verb]).exits(0);
    if verb == "start" {
        for ((name, _), pid) in SERVICES.into_iter().zip(before.1) {
            assert!(
                pid.is_none_or(|pid| house.running(name) == Some(pid)),
                "{name} was taken over as it is"
            );
        }
        return "adopt";
    }
    "begin anew"
}

/// The runs of each service that have a living process.
fn runs(house: &House) -> BTreeMap<String, Vec<(String, i32)>> {
    let state_dir = house.path(".sentinel").display().to_string();
    let mut runs: BTreeMap<String, Vec<(String, i32)>> = BTreeMap::new();
    for pid in pids() {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let mark = environ
            .split(|&byte| byte == 0)
            .find_map(|variable| variable.strip_prefix(b"SENTINEL_RUN="));
        let mark = String::from_utf8_lossy(mark.unwrap_or_default()).into_owned();
        let parts: Vec<&str> = mark.splitn(3, ':').collect();
        if let [number, service, folder] = parts[..]
            && folder == state_dir
            && alive(pid)
        {
            runs.entry(service.into()).or_default().push((number.into(), pid));
        }
    }
    runs
}

/// At no moment has a service living processes of two runs.
#[track_caller]
fn no_duplicate(house: &House, when: &str) {
    for (service, members) in runs(house) {
        let doubled = members.iter().find(|(number, _)| *number != members[0].0);
        if let Some((_, later)) = doubled {
            // They were looked at one after the other: only if both still live are there two at once.
            assert!(
                !(alive(*later) && alive(members[0].1)),
                "{when}: two runs of {service}: {members:?}"
            );
        }
    }
}

/// Once all is asked to run and is up, exactly the processes are there that should be.
#[track_caller]
fn no_orphan(house: &House, when: &str) {
    ask(house, "start", &[]);
    let whole: usize = SERVICES.iter().map(|(_, processes)| processes).sum();
    until(&format!("all runs, and nothing else, {when}"), || {
        let up = SERVICES.iter().all(|(name, _)| house.running(name).is_some());
        // A descendant that was killed is not replaced: its run is.
        if up && house.marked().len() < whole {
            ask(house, "restart", &["tree"]);
        }
        up && house.marked().len() == whole
    });
}
