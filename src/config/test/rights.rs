//! As whom, and with which limits: what is read, what is refused, and what could not start here.

use std::time::Duration;

use super::{House, mistakes, valid};
use crate::config::preflight;
use crate::service::{Limit, Limits, MemoryMax, Rights};

fn rights(lines: &str) -> Rights {
    valid(&format!("[services.a]\ncommand = 'x'\n{lines}"))
        .services
        .first()
        .expect("one")
        .rights
        .as_ref()
        .clone()
}

#[test]
fn every_key_is_read() {
    let read = rights(
        "user = 'nobody'\ngroup = 12\numask = '027'\nnice = -5\noom_score_adjust = 500\nno_new_privs = true\n\
         limits = { open_files = 4096, memory = '2GiB', processes = 64, core = 'unlimited' }\n",
    );
    let wanted = Rights {
        user: Some("nobody".into()),
        group: Some("12".into()),
        umask: Some(0o027),
        nice: Some(-5),
        limits: Limits {
            open_files: Some(Limit::At(4096)),
            memory: Some(Limit::At(2 << 30)),
            processes: Some(Limit::At(64)),
            core: Some(Limit::Unlimited),
        },
        oom_score_adjust: Some(500),
        no_new_privs: true,
    };
    assert_eq!(read, wanted);
    assert_eq!(rights(""), Rights::default());
    assert_eq!(rights("umask = 0o077").umask, Some(0o077));
}

#[test]
fn memory_and_watchdog() {
    let spec = |lines: &str| valid(&format!("[services.a]\ncommand = 'x'\n{lines}")).services[0].clone();
    let read = spec("memory_max = '1GiB'\nmemory_max_for = '5s'\nwatchdog = '30s'");
    let wanted = MemoryMax {
        bytes: 1 << 30,
        lasting: Duration::from_secs(5),
    };
    assert_eq!(read.memory_max, Some(wanted));
    assert_eq!(read.watchdog, Some(Duration::from_secs(30)));
    let default = spec("memory_max = '512M'").memory_max.expect("set");
    assert_eq!(default.lasting, Duration::from_secs(30));
}

#[test]
fn another_users_variables_are_not_inherited() {
    let house = House::new("[services.a]\ncommand = 'x'\nuser = 'nobody'\nenv = { SHELL = '/bin/sh' }\n[services.b]\ncommand = 'x'\n")
        .caller("HOME", "/root")
        .caller("SHELL", "/bin/bash")
        .caller("PATH", "/bin");
    let config = house.load().expect("valid");
    let keys = |index: usize| config.services[index].env.clone();
    assert_eq!(keys(0).get("HOME"), None);
    assert_eq!(
        keys(0).get("SHELL").map(String::as_str),
        Some("/bin/sh"),
        "its own stays"
    );
    assert_eq!(keys(1).get("HOME").map(String::as_str), Some("/root"));
}

#[test]
fn mistakes_name_the_way_out() {
    let said = |line: &str| mistakes(&format!("[services.a]\ncommand = 'x'\n{line}\n"));
    for (line, words) in [
        ("user = ''", "`user` is empty"),
        (
            "user = 'a:b'",
            "write the user in `user` and the group in `group`",
        ),
        ("user = -1", "-1 is not the number of a user or group"),
        ("umask = '999'", "write octal digits"),
        ("umask = 22", "write \"022\""),
        (
            "nice = 20",
            "`nice` wants a whole number between -20 and 19, not 20",
        ),
        ("nice = 'high'", "`nice` wants a whole number"),
        (
            "no_new_privs = 'yes'",
            "`no_new_privs` wants true or false, not a string",
        ),
        ("limits = { open_files = -1 }", "below zero"),
        ("limits = { nofile = 1 }", "did you mean `open_files`?"),
        ("limits = { memory = 'lots' }", "\"lots\" is not a size"),
        ("limits = 5", "`limits` wants a table of its own"),
        ("oom_score_adjust = 2000", "between -1000 and 1000"),
        ("memory_max = 5", "which no program can keep to"),
        ("memory_max_for = '5s'", "there is no `memory_max`"),
        ("watchdog = '0s'", "`watchdog` is too short"),
        ("rlimits = {}", "did you mean `limits`?"),
    ] {
        let said = said(line);
        assert!(said.contains(words), "{line}: {said}");
    }
}

#[test]
fn who_is_not_there_is_told_before_anything_is_stopped() {
    let house = House::new(
        "[services.a]\ncommand = '/bin/sh'\nuser = 'no-such-user'\n\
         [services.b]\ncommand = '/bin/sh'\nuser = 'root'\ngroup = 'no-such-group'\n\
         [services.c]\ncommand = '/bin/sh'\nlimits = { open_files = 'unlimited' }\n",
    );
    let problems: Vec<String> = preflight(&house.load().expect("valid"))
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        problems[..2],
        [
            "a: there is no user `no-such-user` on this host; create it (useradd --system no-such-user), or mend `user`",
            "b: there is no group `no-such-group` on this host; create it (groupadd --system no-such-group), or mend `group` (beside `user` it is the Unix group; `unix_group` sets that apart)",
        ]
    );
    assert!(
        problems[2].starts_with("c: limits.open_files is above"),
        "{problems:?}"
    );
}

#[test]
fn what_another_user_cannot_reach_is_told_with_the_folder_that_bars_the_way() {
    if !nix::unistd::geteuid().is_root() {
        return eprintln!("skipped: only root can look as another user");
    }
    let house = House::new("[services.a]\ncommand = '/bin/sh'\nuser = 'nobody'\n");
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(house.root(), private).expect("ours");
    let problems: Vec<String> = preflight(&house.load().expect("valid"))
        .iter()
        .map(|problem| {
            problem
                .to_string()
                .replace(&*house.root().to_string_lossy(), "ROOT")
        })
        .collect();
    let wanted = "a: the working folder ROOT may not be entered (as user nobody); ROOT belongs to user root, who (or root) must let user nobody in; or mend `cwd`";
    assert_eq!(problems, [wanted]);
}

#[test]
fn others_than_root_cannot_become_another() {
    if nix::unistd::geteuid().is_root() {
        return eprintln!("skipped: root may do all this; tests/e2e/rights.rs asks as another user");
    }
    let house = House::new(
        "[services.a]\ncommand = '/bin/sh'\nuser = 'root'\nnice = -20\noom_score_adjust = -1000\n",
    );
    let problems: Vec<String> = preflight(&house.load().expect("valid"))
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(
        problems[0].contains("only root can run it as user root"),
        "{problems:?}"
    );
    assert_eq!(problems.len(), 3, "{problems:?}");
}

#[test]
fn a_group_of_services_and_one_of_the_host() {
    let of = |lines: &str| {
        let config = valid(&format!("[services.a]\ncommand = 'x'\n{lines}"));
        let spec = config.services.first().expect("one");
        (spec.group.clone(), spec.rights.group.clone())
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(of("group = 'web'"), (text("web"), None));
    assert_eq!(of("group = 12"), (None, text("12")));
    assert_eq!(
        of("user = 'nobody'\ngroup = 'staff'"),
        (text("staff"), text("staff"))
    );
    assert_eq!(
        of("user = 'nobody'\ngroup = 'web'\nunix_group = 'staff'"),
        (text("web"), text("staff"))
    );
}
