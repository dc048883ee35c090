//! A reload tells its plan, touches what differs and nothing else; files that change restart who watches them.

use std::fs;

use serde_json::json;

use crate::house::{House, until};
use crate::trouble::plain;

fn three(changed: &str) -> String {
    plain("same", "") + &plain("probed", "") + changed
}

#[test]
fn the_plan_is_shown_and_a_dry_run_changes_nothing() {
    let house = House::new(&(three("") + &plain("differs", "") + &plain("goes", "")));
    house.run(&["start"]).exits(0);
    let pids = || ["same", "probed", "differs"].map(|name| house.pid(name));
    let before = pids();
    let changed = three("health = { exec = [\"true\"] }\nmax_restarts = 9\n")
        + &plain("differs", "--say new")
        + "env = { TOKEN = \"secret\" }\n"
        + &plain("comes", "");
    house.write(&changed);
    let dry = house.run(&["reload", "--dry-run"]).exits(0);
    for line in [
        "plan: 1 service to add, 1 service to remove, 1 service to restart, 1 service to change in place",
        "  change   probed   max_restarts, health",
        "  restart  differs  command, env.TOKEN",
        "  add      comes",
        "  remove   goes",
        "dry run: would change 4 services",
    ] {
        assert!(dry.out.contains(line), "{line}: {}", dry.out);
    }
    assert!(!dry.out.contains("secret"), "{}", dry.out);
    assert_eq!(
        (pids(), house.service("goes")["state"].as_str()),
        (before, Some("RUNNING"))
    );
    let document = house.run(&["reload", "--json"]).exits(0).json();
    let changes = document["plan"]["services"].as_array().expect("a plan").clone();
    assert!(
        changes.contains(
            &json!({"service": "probed", "change": "in_place", "keys": ["max_restarts", "health"]})
        ),
        "{document}"
    );
    let after = pids();
    assert_eq!(after[..2], before[..2], "neither is touched");
    assert_ne!(after[2], before[2]);
    assert_eq!(
        house.service("differs")["last_cause"],
        "services.toml changed: command, env.TOKEN"
    );
    until("it is asked", || {
        house.service("probed")["health"]["status"] == "healthy"
    });
    house.run(&["reload"]).exits(0).says("plan: nothing differs");
}

#[test]
fn another_log_dir_holds_all_logs_from_the_reload_on() {
    let services = plain("web", "");
    let house = House::new(&services);
    house.run(&["start"]).exits(0);
    let before = house.pid("web");
    house.write(&format!("[sentinel]\nlog_dir = \"elsewhere/logs\"\n{services}"));
    house.run(&["reload"]).exits(0).says("log_dir");
    let read = |name| fs::read_to_string(house.path(name)).unwrap_or_default();
    until("its own log has moved", || {
        house.path("elsewhere/logs/sentinel.log").exists()
    });
    let old = read("logs/sentinel.log");
    assert!(old.contains("sentinel.log goes on in another folder"), "{old}");
    house.run(&["restart", "web"]).exits(0);
    assert!(
        !read("logs/sentinel.log").contains("sentinel restart web"),
        "nothing more comes here"
    );
    let new = read("elsewhere/logs/sentinel.log");
    assert!(
        new.contains("sentinel restart web") && new.contains("RUNNING"),
        "{new}"
    );
    house
        .run(&["logs", "sentinel"])
        .exits(0)
        .says("sentinel restart web");
    assert_ne!(house.pid("web"), before);
    fs::write(house.path("file"), "").expect("written");
    house.write(&format!("[sentinel]\nlog_dir = \"file\"\n{services}"));
    house.run(&["reload"]).exits(1).says("nothing was changed");
}

#[test]
fn a_file_that_is_wrong_or_could_not_start_changes_nothing() {
    let house = House::new(&plain("web", ""));
    house.run(&["start"]).exits(0);
    let before = house.pid("web");
    house.write(&(plain("web", "--say new") + "nonsense = 1\n"));
    house.run(&["reload"]).exits(5);
    house.run(&["reload", "--dry-run"]).exits(5);
    house.write(&(plain("web", "--say new") + "[services.no]\ncommand = \"no-such-program-here\"\n"));
    house.run(&["reload"]).exits(1).says("nothing was changed");
    assert_eq!(house.pid("web"), before);
}

#[test]
fn a_changed_file_restarts_who_watches_it() {
    let house = House::new(&(plain("web", "") + "watch = [\"src/**\"]\n" + &plain("other", "")));
    let file = house.path("src/app.py");
    fs::create_dir_all(house.path("src")).expect("created");
    fs::write(&file, "one").expect("written");
    house.run(&["start"]).exits(0);
    let (web, other) = (house.pid("web"), house.pid("other"));
    until("it watches", || {
        let log = fs::read_to_string(house.path("logs/sentinel.log")).unwrap_or_default();
        log.contains("watching files")
    });
    fs::write(&file, "two").expect("written");
    until("it is restarted", || {
        house.running("web").is_some_and(|pid| pid != web)
    });
    let service = house.service("web");
    assert_eq!(
        (&service["last_cause"], &service["restarts"]),
        (&json!("src/app.py changed"), &json!(0))
    );
    assert_eq!(house.pid("other"), other);
    house
        .run(&["events", "-n", "100"])
        .exits(0)
        .says("src/app.py changed");
    // No longer watched after a reload; the process stays.
    let web = house.pid("web");
    house.write(&(plain("web", "") + &plain("other", "")));
    house.run(&["reload"]).exits(0).says("change   web  watch");
    fs::write(&file, "three").expect("written");
    std::thread::park_timeout(std::time::Duration::from_millis(500));
    assert_eq!(house.pid("web"), web);
}
