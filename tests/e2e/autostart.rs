//! `autostart = false`: known, checked and shown, and started by its name, by who needs it, by nothing else.

use crate::house::House;
use crate::trouble::plain;

fn by_name(name: &str) -> String {
    plain(name, "") + "autostart = false\n"
}

fn states(house: &House) -> Vec<String> {
    let status = house.status();
    let services = status["services"].as_array().expect("services");
    let shown =
        |service: &serde_json::Value| format!("{} {}", service["name"], service["state"]).replace('"', "");
    services.iter().map(shown).collect()
}

#[test]
fn what_is_started_by_name_waits_for_it_and_is_well_meanwhile() {
    // Its program is not even there yet: that hinders nobody.
    let absent = "[services.absent]\ncommand = \"/nowhere/tool\"\nautostart = false\n";
    let house = House::new(&(plain("web", "") + &by_name("job") + absent));
    house.run(&["check"]).exits(0).says("/nowhere/tool");
    house.run(&["start"]).exits(0).says("started 1 service");
    assert_eq!(states(&house), ["web RUNNING", "job STOPPED", "absent STOPPED"]);
    let status = house.run(&["status"]).exits(0);
    assert!(
        status.out.starts_with("1 service runs, 2 wait to be started\n"),
        "{}",
        status.out
    );
    house.run(&["start", "job"]).exits(0);
    assert_eq!(states(&house)[1], "job RUNNING");
    house.run(&["stop", "job"]).exits(0);
    house.run(&["status"]).exits(0);
    house.run(&["start", "job"]).exits(0);

    // Anew means as declared.
    house
        .run(&["restart", "quick"])
        .exits(0)
        .says("restarted 1 service");
    assert_eq!(states(&house)[1], "job STOPPED");
    house.run(&["restart"]).exits(0);
    house.run(&["reload"]).exits(0);
    assert_eq!(states(&house)[1], "job STOPPED");
}

#[test]
fn who_needs_it_brings_it_up() {
    let needs = plain("web", "") + "after = [\"base\"]\n";
    let house = House::new(&(by_name("base") + &needs));
    house.run(&["restart"]).exits(0);
    assert_eq!(states(&house), ["base RUNNING", "web RUNNING"]);
}
