//! Under a systemd whose units sentinel did not write: `sentinel restart` goes through them, and never beside.

use crate::house::free_port;
use crate::systemd::{house_for_everyone, under_systemd};

/// What the steps share: units by name, and what must hold of one after each restart.
const COMMON: &str = r#"
folder=config/systemd/user
mkdir -p $folder
show() { systemctl --user show --value -p "$1" "$2"; }
supervisor() { $SENTINEL --json status | sed -n 's/^    "pid": \([0-9]*\),$/\1/p' | head -1; }
up() {
    tries=0
    while ! $SENTINEL -q status >/dev/null 2>&1; do
        tries=$((tries + 1)); [ $tries -lt 200 ] || fail "not up: $1"
        sleep 0.05
    done
}
# There is one supervisor, it is another than before, and it is the unit's.
replaced() {
    up "$2"
    [ "$(supervisor)" != "$3" ] || fail "$2: still $3"
    grep -q "/$1.service$" /proc/$(supervisor)/cgroup || fail "$2: not in $1: $(cat /proc/$(supervisor)/cgroup)"
    [ "$(show ActiveState $1.service)" = active ] || fail "$2: $1 is $(show ActiveState $1.service)"
    [ "$(pgrep -c -f "^$SENTINEL.* run")" -le 1 ] || fail "$2: one beside another"
}
"#;

fn steps(steps: &str) -> String {
    format!("{COMMON}{steps}echo DONE\n")
}

#[track_caller]
fn passes(services: &str, script: &str) {
    if !std::path::Path::new("/usr/lib/systemd/systemd").exists() {
        return eprintln!("skipped: there is no systemd here");
    }
    let house = house_for_everyone(services);
    if let Some(said) = under_systemd(&house, &steps(script)) {
        assert!(said.contains("DONE") && !said.contains("FAILED"), "{said}");
    }
}

const FEED: &str = "[services.feed]\ncommand = \"sleep 1000\"\nmin_uptime = \"10ms\"\n";

#[test]
fn it_is_restarted_through_the_unit_that_runs_it_or_a_script_around_it() {
    passes(
        FEED,
        r#"
printf '[Service]\nExecStart=%s run\nWorkingDirectory=%s\nRestart=always\nRestartSec=2s\n' $SENTINEL $HOUSE >$folder/bare.service
printf '[Service]\nExecStart=/bin/sh -c "%s run; true"\nWorkingDirectory=%s\nRestart=always\nRestartSec=2s\n' $SENTINEL $HOUSE >$folder/wrapped.service
for unit in bare wrapped; do
    systemctl --user start $unit.service; up "$unit"
    for mode in master quick; do
        before=$(supervisor)
        $SENTINEL restart $mode || fail "$unit $mode"
        replaced $unit "$unit $mode" $before
        [ "$(show NRestarts $unit.service)" = 0 ] || fail "$unit $mode: systemd began another one by itself"
    done
    $SENTINEL events | grep -q 'sentinel restart quick' || fail "$unit: $($SENTINEL events)"
    before=$(supervisor)
    kill -STOP $before
    $SENTINEL --json restart emergency >report || fail "$unit emergency: $(cat report)"
    replaced $unit "$unit emergency" $before
    grep -A3 "\"pid\": $before" report | grep -q proof || fail "$unit: no proof: $(cat report)"
    before=$(supervisor)
    kill -KILL $before
    while kill -0 $before 2>/dev/null; do sleep 0.01; done
    $SENTINEL restart || fail "$unit after its death"
    replaced $unit "$unit after its death" $before
    systemctl --user stop $unit.service
    $SENTINEL start || fail "$unit start"
    replaced $unit "$unit start" 0
    $SENTINEL shutdown 2>said || fail "$unit shutdown"
    grep -q "systemctl --user stop $unit.service" said || fail "$unit begins again, untold: $(cat said)"
    systemctl --user stop $unit.service
    rm $folder/$unit.service .sentinel/unit
    systemctl --user daemon-reload
done
$SENTINEL start || fail "start without a unit"
$SENTINEL shutdown || fail shutdown
"#,
    );
}

#[test]
fn a_daemon_that_systemd_follows_is_left_to_it_and_one_that_a_unit_left_behind_is_not() {
    passes(
        FEED,
        r#"
printf '[Service]\nType=forking\nExecStart=%s start\nWorkingDirectory=%s\n' $SENTINEL $HOUSE >$folder/forks.service
systemctl --user start forks.service; up forks
before=$(supervisor)
[ "$(show MainPID forks.service)" = $before ] || fail "systemd follows $(show MainPID forks.service)"
$SENTINEL restart 2>said && fail "restarted beside its unit"
grep -q 'systemctl --user restart forks.service' said || fail "$(cat said)"
[ "$(supervisor)" = $before ] || fail "it was touched"
systemctl --user restart forks.service; up forks
[ "$(supervisor)" != $before ] || fail "systemd did not restart it"
systemctl --user stop forks.service
printf '[Service]\nExecStart=/bin/sh -c "%s start; exec sleep 1000"\nWorkingDirectory=%s\n' $SENTINEL $HOUSE >$folder/jobs.service
systemctl --user start jobs.service; up jobs
job=$(show MainPID jobs.service); before=$(supervisor)
$SENTINEL restart || fail "restart of a job's daemon"
[ "$(show MainPID jobs.service)" = $job ] || fail "the job was restarted"
[ "$(supervisor)" != $before ] || fail "it was not restarted"
$SENTINEL shutdown || fail shutdown
"#,
    );
}

#[test]
fn what_it_delegates_is_divided_and_what_its_filter_refuses_is_done_without() {
    let port = free_port();
    let services = format!("{FEED}sockets = [\"127.0.0.1:{port}\"]\n");
    passes(
        &services,
        r#"
printf '[Service]\nExecStart=%s run\nWorkingDirectory=%s\nRestart=always\nRestartSec=0\nDelegate=yes\nKillMode=process\nSystemCallFilter=~pidfd_getfd\nSystemCallErrorNumber=EPERM\nStandardError=append:%s/said\n' $SENTINEL $HOUSE $HOUSE >$folder/strict.service
systemctl --user start strict.service; up strict
feed() { $SENTINEL --json status feed | sed -n 's/^      "pid": \([0-9]*\),$/\1/p' | head -1; }
first=$(feed)
if grep -q '^0::/.*strict' /proc/$(supervisor)/cgroup; then
    grep -q '^0::.*/strict.service/sentinel\..*\.feed\.1$' /proc/$first/cgroup || fail "no cgroup: $(cat /proc/$first/cgroup)"
fi
before=$(supervisor)
kill -KILL $before
while kill -0 $before 2>/dev/null; do sleep 0.01; done
up adopted
[ "$(feed)" = $first ] || fail "not adopted: $($SENTINEL events)"
grep -q 'cannot be had back' said || fail "the refusal is not told: $(cat said)"
$SENTINEL restart feed || fail "the socket cannot be bound again"
first=$(feed)
systemctl --user stop strict.service
kill -0 $first 2>/dev/null && fail "a stop left $first"
systemctl --user start strict.service; up again
$SENTINEL shutdown || fail shutdown
"#,
    );
}
