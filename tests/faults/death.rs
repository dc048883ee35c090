//! The supervisor dies of more than a signal that somebody sends: of a panic, and of the OOM killer.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::house::{House, alive, until};
use crate::kernel::{clock_shim, skip};

const SERVICES: &str = "[services.web]\ncommand = \"chaos\"\nmin_uptime = \"10ms\"\nenv = { LD_PRELOAD = \"\" }\n\
                        [services.loud]\ncommand = \"chaos --chatter 1\"\nmin_uptime = \"10ms\"\nenv = { LD_PRELOAD = \"\" }\n";

/// Nothing happened to the services, and the next supervisor takes them over.
#[track_caller]
fn goes_on(house: &House, before: [i32; 2]) {
    assert!(before.into_iter().all(alive), "the services go on");
    house.run(&["start"]).exits(0);
    assert_eq!([house.pid("web"), house.pid("loud")], before);
    house.run(&["status"]).exits(0);
    house.run(&["events", "-n", "50"]).says("killed, or crashed");
    house.run(&["shutdown"]).exits(0);
    for (number, line) in house.log("loud").lines().enumerate() {
        assert!(
            line.ends_with(&format!(" line {number}")),
            "{line} is not number {number}"
        );
    }
    house.is_empty();
}

#[test]
fn of_a_panic_it_tells_in_its_log_and_its_services_go_on() {
    let house = House::new(SERVICES);
    let Some(shim) = clock_shim(&house.path("")) else {
        return skip("no C compiler to build a broken clock with");
    };
    let broken = house.path("broken");
    let started = house
        .command(&["start"])
        .env("LD_PRELOAD", &shim)
        .env("CLOCK_BROKEN", &broken)
        .output();
    assert!(started.expect("it runs").status.success());
    let (supervisor, before) = (house.supervisor(), [house.pid("web"), house.pid("loud")]);
    fs::write(&broken, "").expect("written");
    // It sleeps until somebody wants something.
    until("it panics", || {
        let _ = house.run(&["status", "--timeout", "200ms"]);
        !alive(supervisor)
    });
    let log = house.log("sentinel");
    assert!(log.contains("sentinel: a bug: panicked at"), "{log}");
    fs::remove_file(&broken).expect("it was there");
    goes_on(&house, before);
}

/// A memory cgroup for one process; removed with its test.
struct Straits(PathBuf);

impl Straits {
    /// Here, in cgroups of version 1 or 2; what moves in may have this many bytes more.
    fn of(bytes: &str) -> Option<Self> {
        let name = format!("sentinel-test-{}", std::process::id());
        let roots = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"];
        let made = |root: &str| {
            let path = Path::new(root).join(&name);
            let limit = ["memory.limit_in_bytes", "memory.max"].map(|file| path.join(file));
            let made = fs::create_dir(&path).is_ok();
            let limited = limit
                .iter()
                .any(|file| file.exists() && fs::write(file, bytes).is_ok());
            if made && !limited {
                let _ = fs::remove_dir(&path);
            }
            made && limited
        };
        let root = *roots.iter().find(|root| made(root))?;
        let _ = fs::write(Path::new(root).join(&name).join("memory.swap.max"), "0");
        Some(Self(Path::new(root).join(name)))
    }

    fn kills(&self) -> u32 {
        let files = ["memory.oom_control", "memory.events"].map(|file| self.0.join(file));
        let text = files.iter().find_map(|file| fs::read_to_string(file).ok());
        let text = text.unwrap_or_default();
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
    }
}

impl Drop for Straits {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn of_the_oom_killer_its_services_go_on() {
    let house = House::new(SERVICES);
    house.run(&["start"]).exits(0);
    let Some(straits) = Straits::of("65536") else {
        house.run(&["shutdown"]).exits(0);
        return skip("no memory cgroup here that we may make");
    };
    let (supervisor, before) = (house.supervisor(), [house.pid("web"), house.pid("loud")]);
    fs::write(straits.0.join("cgroup.procs"), supervisor.to_string()).expect("moved");
    // Each who watches takes a little memory, the kernel's and its own.
    let mut watchers = Vec::new();
    until("there is none left for it", || {
        if let Ok(mut watcher) = UnixStream::connect(house.path(".sentinel/sock")) {
            let _ = watcher.write_all(b"GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n");
            watchers.push(watcher);
        }
        !alive(supervisor)
    });
    assert!(straits.kills() > 0, "by the kernel's OOM killer");
    goes_on(&house, before);
}
