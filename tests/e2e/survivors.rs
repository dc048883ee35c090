//! Who outlives SIGKILL is named with pid, name, port and reason, and nothing is started beside it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use crate::house::{House, alive, free_port, one_of_three, signal, until};
use crate::rights::{as_nobody, give_away, is_root, open_to_all};

fn service(command: &str) -> String {
    format!("[services.a]\ncommand = '{command}'\nmin_uptime = '10ms'\nstop = {{ timeout = '100ms' }}\n")
}

#[test]
fn one_of_another_user_is_named_and_nothing_starts_beside_it() {
    if !is_root("make a set-user-id program") {
        return;
    }
    let house = House::new(&service("chaos"));
    let program = house.path("rooted");
    let chaos = Path::new(env!("CARGO_BIN_EXE_sentinel")).with_file_name("chaos");
    std::fs::copy(chaos, &program).expect("copied");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o4755)).expect("ours");
    house.write(&service(&format!("{} --become-root", program.display())));
    open_to_all(&house);
    give_away(&house);
    as_nobody(&house, &["start"]).exits(0);
    let pid = house.pid("a");
    if std::fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|text| !text.contains("Uid:\t0")) {
        return eprintln!("SKIPPED: set-user-id programs do not work on this file system");
    }
    let words = format!("rooted (pid {pid}, of user root, whom only root may signal)");
    as_nobody(&house, &["restart", "a"]).exits(1).says(&words);
    let service = house.service("a");
    assert_eq!(
        (&service["state"], &service["run"]),
        (&"STOPPING".into(), &1.into())
    );
    assert!(
        service["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains(&words)),
        "{service}"
    );
    assert!(alive(pid), "nobody may not end it");
    signal(pid, Signal::SIGKILL);
    until("a new run is there once it is gone", || {
        house.service("a")["run"] == 2
    });
    let second = house.pid("a");
    signal(second, Signal::SIGKILL);
    until("it is gone", || !alive(second));
    as_nobody(&house, &["stop"]);
    house
        .marked()
        .into_iter()
        .for_each(|left| signal(left, Signal::SIGKILL));
    as_nobody(&house, &["shutdown"]);
}

/// A frozen process (cgroup v1) is in state D, and SIGKILL waits until it thaws.
#[test]
fn one_that_hangs_in_the_kernel_is_named_with_its_state() {
    let freezer = Path::new("/sys/fs/cgroup/freezer").join(format!("sentinel-test-{}", std::process::id()));
    if std::fs::create_dir(&freezer).is_err() || !freezer.join("freezer.state").exists() {
        return eprintln!("SKIPPED: no cgroup v1 freezer here to hang a process with");
    }
    let port = free_port();
    let listens = service(&format!("chaos --listen {port}"));
    let house = House::new(&format!("{listens}ports = [{port}]\n"));
    house.run(&["start"]).exits(0);
    let pid = house.pid("a");
    std::fs::write(freezer.join("cgroup.procs"), pid.to_string()).expect("moved");
    std::fs::write(freezer.join("freezer.state"), "FROZEN").expect("frozen");
    let ran = house.run(&["stop", "a"]);
    let service = house.service("a");
    std::fs::write(freezer.join("freezer.state"), "THAWED").expect("thawed");
    ran.exits(1).says(&format!(
        "chaos (pid {pid}, port {port}, in state D: it hangs in the kernel)"
    ));
    assert_eq!(service["state"], "STOPPING");
    until("it is gone once it thaws", || {
        house.service("a")["state"] == "STOPPED"
    });
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
    let _ = std::fs::remove_dir(freezer);
}

#[test]
fn a_stopped_process_is_let_go_on_so_that_it_can_end() {
    one_of_three(a_stopped_process_ends);
}

fn a_stopped_process_ends() {
    let house = House::new(&service("chaos").replace("100ms", "1m"));
    house.run(&["start"]).exits(0);
    signal(house.pid("a"), Signal::SIGSTOP);
    let ran = house.run(&["stop", "a"]).exits(0);
    assert!(ran.took < std::time::Duration::from_secs(10), "{ran:?}");
    assert!(house.marked().is_empty());
    house.run(&["events", "-n", "5"]).exits(0).says("exited");
    let exit = house.service("a")["last_exit"].clone();
    assert_ne!(exit["signal"], "SIGKILL", "{exit}");
}

#[test]
fn a_run_has_a_cgroup_where_that_is_possible_and_none_is_left() {
    let house = House::new(&service("chaos --leave daemon --leave session"));
    house.run(&["start"]).exits(0);
    until("all live", || house.marked().len() == 3);
    let of = |pid: i32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        text.lines()
            .find_map(|line| line.strip_prefix("0::").map(str::to_owned))
            .unwrap_or_default()
    };
    let cgroup = of(house.pid("a"));
    if !cgroup.contains("/sentinel.") {
        return eprintln!("SKIPPED: no cgroup v2 here that we may write to; runs go without");
    }
    assert!(
        house.marked().into_iter().all(|pid| of(pid) == cgroup),
        "all of it is inside"
    );
    assert!(cgroup.ends_with(".a.1"), "{cgroup}");
    house.run(&["restart", "a"]).exits(0);
    until("all live", || house.marked().len() == 3);
    assert!(of(house.pid("a")).ends_with(".a.2"));
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
    let mount = cgroup_mount().expect("cgroup2 is mounted");
    let left = format!("{}{cgroup}", mount.display());
    assert!(!Path::new(&left).exists(), "{left} is left");
}

/// Writes `asked` when SIGTERM comes, and ends.
const APART: &str =
    "trap 'echo asked > $0; exit' TERM; echo $$ > $0.pid; while :; do sleep 0.05 & wait $!; done";

#[test]
fn who_has_left_session_and_cgroup_is_asked_to_end_too() {
    let house = House::new("");
    let script = house.path("apart.sh");
    std::fs::write(
        &script,
        format!("setsid sh -c \"$APART\" $1 & {}\n", "eval \"$2\""),
    )
    .expect("a script");
    let service = |name: &str, then: &str| {
        let (script, file) = (script.display(), house.path(name));
        format!(
            "[services.{name}]\ncommand = ['sh', '{script}', '{}', '{then}']\nenv = {{ APART = \"\"\"{APART}\"\"\" }}\n\
             min_uptime = '10ms'\nstop = {{ timeout = '20s' }}\n",
            file.display()
        )
    };
    // One leaves it behind at once, the other ends only after it.
    house.write(&(service("leaves", "exec sleep 1000") + &service("waits", "trap : TERM; wait; wait")));
    house.run(&["start"]).exits(0);
    let mount = cgroup_mount();
    for name in ["leaves", "waits"] {
        let told = house.path(&format!("{name}.pid"));
        let pid = || std::fs::read_to_string(&told).ok()?.trim().parse::<i32>().ok();
        until("it runs", || pid().is_some());
        let moved = mount
            .as_ref()
            .map(|mount| std::fs::write(mount.join("cgroup.procs"), pid().unwrap_or(0).to_string()));
        if !matches!(moved, Some(Ok(()))) {
            eprintln!("no cgroup v2 here that it may leave for: it is asked all the same");
        }
    }
    house.run(&["stop"]).exits(0);
    for name in ["leaves", "waits"] {
        let said = std::fs::read_to_string(house.path(name)).unwrap_or_default();
        assert_eq!(said, "asked\n", "{name}");
        assert_ne!(house.service(name)["last_exit"]["signal"], "SIGKILL", "{name}");
    }
    let log = std::fs::read_to_string(house.path("logs/sentinel.log")).expect("a log");
    assert!(!log.contains("SIGKILL"), "{log}");
}

fn cgroup_mount() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
    line.split(' ').nth(4).map(PathBuf::from)
}
