//! Under a real systemd: a user's one, in namespaces of its own, so that it works where another boots the host.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::house::House;

const SERVICES: &str = "[services.feed]\ncommand = \"sleep 1000\"\nmin_uptime = \"10ms\"\n";

/// Begins a user's systemd on an empty /run, then runs the steps; all of it ends with the namespace.
const WORLD: &str = r#"
set -eu
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system /run/user/0
export XDG_RUNTIME_DIR=/run/user/0 XDG_CONFIG_HOME="$HOUSE/config" HOME="$HOUSE" NO_COLOR=1
/usr/lib/systemd/systemd --user --log-target=null >"$HOUSE/systemd.log" 2>&1 &
tries=0
while ! systemctl --user list-units >/dev/null 2>&1; do
    tries=$((tries + 1)); [ $tries -lt 200 ] || { echo "SKIP systemd does not come up here"; exit 0; }
    sleep 0.05
done
cd "$HOUSE"
unit() { systemctl --user show -p "$1" --value sentinel.service; }
becomes() {
    tries=0
    while [ "$(unit ActiveState)" != "$1" ]; do
        tries=$((tries + 1)); [ $tries -lt 200 ] || fail "$(unit ActiveState) and not $1"
        sleep 0.05
    done
}
fail() { echo "FAILED $*"; cat logs/sentinel.log 2>/dev/null; journalctl --user 2>/dev/null | tail -20; exit 1; }
"#;

const STEPS: &str = r#"
$SENTINEL install --user || fail install
becomes active
first=$(unit MainPID)
$SENTINEL status || fail status
$SENTINEL restart || fail restart
becomes active
second=$(unit MainPID)
[ "$second" != "$first" ] || fail "$first is still there"
kill -STOP "$second"
$SENTINEL restart emergency || fail emergency
becomes active
[ "$(unit MainPID)" != "$second" ] || fail "$second outlived an emergency"
third=$(unit MainPID)
echo 'wrong = 1' >>services.toml
$SENTINEL restart && fail "restarted with a wrong services.toml"
[ "$(unit MainPID)" = "$third" ] || fail "a refused restart ended the supervisor"
sed -i '/wrong/d' services.toml
$SENTINEL shutdown || fail shutdown
[ "$(unit Result)" = success ] || fail "shutdown: $(unit Result)"
$SENTINEL start || fail start
becomes active
$SENTINEL uninstall || fail uninstall
[ ! -e config/systemd/user/sentinel.service ] || fail "the unit is left"
echo DONE
"#;

/// Runs the steps; None where this machine cannot (no namespaces, no systemd).
pub fn under_systemd(house: &House, steps: &str) -> Option<String> {
    let mut command = Command::new("unshare");
    if !nix::unistd::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let output = command
        .args([
            "--pid",
            "--fork",
            "--kill-child",
            "--mount",
            "--mount-proc",
            "sh",
            "-c",
        ])
        .arg(format!("{WORLD}{steps}"))
        .env("HOUSE", house.path(""))
        .env("SENTINEL", env!("CARGO_BIN_EXE_sentinel"))
        .env_remove("SENTINEL_CONFIG")
        .output()
        .ok()?;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let cannot = ["SKIP", "unshare:", "mount:", "permission denied"];
    if cannot.iter().any(|word| said.contains(word)) {
        eprintln!("skipped, no systemd can run here: {said}");
        return None;
    }
    Some(said)
}

pub fn house_for_everyone(services: &str) -> House {
    let house = House::new(services);
    fs::set_permissions(house.path(""), fs::Permissions::from_mode(0o755)).expect("opened");
    house
}

#[test]
fn a_supervisor_of_systemd_is_replaced_by_systemd() {
    if !std::path::Path::new("/usr/lib/systemd/systemd").exists() {
        return eprintln!("skipped: there is no systemd here");
    }
    let house = house_for_everyone(SERVICES);
    if let Some(said) = under_systemd(&house, STEPS) {
        assert!(said.contains("DONE"), "{said}");
        assert!(!said.contains("FAILED"), "{said}");
    }
}

#[test]
fn the_unit_is_one_that_systemd_accepts() {
    let house = House::new(SERVICES);
    for scope in ["--user", "--system"] {
        if scope == "--system" && !nix::unistd::geteuid().is_root() {
            continue;
        }
        let unit = house.run(&["install", scope, "--dry-run"]).exits(0).out;
        let file = house.path("sentinel.service");
        fs::write(&file, unit).expect("written");
        let verified = Command::new("systemd-analyze")
            .args([scope, "verify"])
            .arg(&file)
            .env("XDG_RUNTIME_DIR", house.path(""))
            .output();
        let Ok(verified) = verified else {
            return eprintln!("skipped: there is no systemd-analyze here");
        };
        let said = String::from_utf8_lossy(&verified.stderr).into_owned();
        let about_ours: Vec<&str> = said.lines().filter(|line| line.contains("sentinel")).collect();
        assert!(verified.status.success() && about_ours.is_empty(), "{said}");
    }
}

#[test]
fn a_host_without_systemd_is_told_what_to_do_instead() {
    if std::path::Path::new("/run/systemd/system").exists() {
        return eprintln!("skipped: systemd runs this host");
    }
    let house = House::new(SERVICES);
    house
        .run(&["install", "--user"])
        .exits(1)
        .says("systemd does not run this host")
        .says("@reboot")
        .says("sentinel cron install");
}
