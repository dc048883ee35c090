//! A real kill by the kernel's OOM killer, in a control group with little memory: the ledger says so, and an alert.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::alerts::{listen, take};
use crate::house::{House, free_port, until};

/// A control group that may use 40 MiB; gone with this value.
struct Narrow(PathBuf);

impl Narrow {
    /// `None`, and said loudly, where this host gives no such group to who runs the tests.
    fn new() -> Option<Self> {
        let name = format!("sentinel-test-{}", std::process::id());
        let roots = [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max"),
        ];
        for (root, limit) in roots {
            let group = Self(Path::new(root).join(&name));
            let made = Path::new(root).join("cgroup.procs").exists() && fs::create_dir(&group.0).is_ok();
            if made && fs::write(group.0.join(limit), "41943040").is_ok() {
                // Where there is swap, the rest would go there.
                let _ = fs::write(group.0.join("memory.swap.max"), "0");
                let _ = fs::write(group.0.join("memory.swappiness"), "0");
                return Some(group);
            }
        }
        let _ = writeln!(
            std::io::stderr(),
            "\nSKIPPED: no memory control group to be had; needs root\n"
        );
        None
    }
}

impl Drop for Narrow {
    fn drop(&mut self) {
        // Busy until its last process is reaped.
        for _ in 0..200 {
            match fs::remove_dir(&self.0) {
                Err(error) if error.raw_os_error() == Some(nix::libc::EBUSY) => {
                    std::thread::park_timeout(std::time::Duration::from_millis(10));
                }
                Ok(()) | Err(_) => return,
            }
        }
    }
}

#[test]
fn a_kill_by_the_kernel_for_memory_is_in_the_ledger_in_the_status_and_an_alert() {
    let Some(group) = Narrow::new() else { return };
    let port = free_port();
    let listener = listen(port);
    let procs = group.0.join("cgroup.procs");
    let house = House::new(&format!(
        "[alerts]\nwebhook = \"http://127.0.0.1:{port}/\"\ngroup = \"50ms\"\nkinds = [\"memory\"]\ndisk_free = \"0%\"\n\
         [services.greedy]\ncommand = [\"sh\", \"-c\", \"echo $$ >{}; exec \\\"$0\\\" --eat 400\", \"{}\"]\n\
         min_uptime = \"5s\"\nmax_restarts = 0\nretry_fatal = \"never\"\n",
        procs.display(),
        Path::new(env!("CARGO_BIN_EXE_sentinel"))
            .with_file_name("chaos")
            .display(),
    ));
    house.run(&["start"]).exits(1).says("OOM killer");
    let (_, alert) = take(&listener, "200 OK");
    let told = &alert["alerts"][0];
    assert_eq!(
        (&told["kind"], &told["service"]),
        (&"memory".into(), &"greedy".into()),
        "{alert}"
    );
    assert!(
        told["words"]
            .as_str()
            .is_some_and(|words| words.contains("OOM killer")),
        "{alert}"
    );
    until("the ledger tells", || {
        house
            .run(&["events", "greedy", "-n", "20"])
            .out
            .contains("SIGKILL")
    });
    let events = house.run(&["events", "greedy", "-n", "20"]).out;
    assert!(events.contains("by the kernel's OOM killer"), "{events}");
    house.run(&["status", "greedy"]).exits(3).says("OOM killer");
    let metrics = house.run(&["metrics"]).exits(0);
    assert!(
        metrics
            .out
            .contains("sentinel_service_oom_kills_total{service=\"greedy\"} 1"),
        "{metrics:?}"
    );
}
