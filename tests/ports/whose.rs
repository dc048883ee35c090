//! Whose a holder is: by its mark, by its parents, by its session.

use crate::holder::{Holder, PLAIN, house, mark, server};
use sentinel::ports::{LiveRun, Ownership, ownership};
use sentinel::process::{Identity, Mark, Table};
use std::path::PathBuf;

fn whose(pid: i32, live: &[LiveRun]) -> Ownership {
    ownership(pid, &Table::read().unwrap(), &house(), live).unwrap()
}

fn live(service: &str, number: u64, leader: Identity) -> LiveRun {
    LiveRun {
        service: service.into(),
        number,
        leader,
    }
}

fn managed(service: &str, run: u64) -> Ownership {
    Ownership::Managed {
        service: service.into(),
        run,
    }
}

fn stray(service: &str) -> Ownership {
    Ownership::Stray {
        service: service.into(),
    }
}

/// Somebody who is nobody's kin.
const NOBODY: Identity = Identity {
    pid: i32::MAX,
    start: 1,
};

#[test]
fn the_mark_decides() {
    let (child, _) = server(Holder {
        mark: mark("stream", 4),
        ..PLAIN
    });
    let pid = child.pid();
    assert_eq!(whose(pid, &[live("stream", 4, NOBODY)]), managed("stream", 4));
    assert_eq!(whose(pid, &[live("stream", 5, NOBODY)]), stray("stream"));
    assert_eq!(whose(pid, &[live("proxy", 4, NOBODY)]), stray("stream"));
    assert_eq!(whose(pid, &[]), stray("stream"));
}

#[test]
fn another_house_is_foreign() {
    let other = Mark {
        state_dir: PathBuf::from("/srv/test/.sentinel2"),
        ..mark("stream", 4).unwrap()
    };
    let (child, _) = server(Holder {
        mark: Some(other),
        ..PLAIN
    });
    assert_eq!(
        whose(child.pid(), &[live("stream", 4, NOBODY)]),
        Ownership::Foreign
    );
}

#[test]
fn an_unmarked_process_is_whose_its_leader_is() {
    let (child, _) = server(PLAIN);
    let (pid, leader) = (child.pid(), child.identity());
    assert_eq!(whose(pid, &[]), Ownership::Foreign);
    assert_eq!(whose(pid, &[live("stream", 4, leader)]), managed("stream", 4));
    let recycled = Identity {
        start: leader.start - 1,
        ..leader
    };
    assert_eq!(whose(pid, &[live("stream", 4, recycled)]), Ownership::Foreign);
}

/// Starts `env -i sleep` below a marked shell and returns its pid as well.
fn unmarked_child(script: &str) -> (crate::holder::Held, i32) {
    let (mut shell, _) = server(Holder {
        script: Some(script),
        mark: mark("stream", 4),
        ..PLAIN
    });
    let pid = shell.next_line().trim().parse().unwrap();
    (shell, pid)
}

#[test]
fn a_child_that_dropped_its_mark_is_known_by_its_parent() {
    let (shell, child) = unmarked_child("echo ready >&2; env -i sh -c 'echo $$ >&2; exec sleep 60' & wait");
    assert_eq!(whose(child, &[live("stream", 4, NOBODY)]), managed("stream", 4));
    assert_eq!(
        whose(child, &[live("other", 1, shell.identity())]),
        managed("other", 1)
    );
    assert_eq!(whose(child, &[]), stray("stream"));
}

#[test]
fn an_orphan_that_dropped_its_mark_is_known_by_its_session() {
    let script = "echo ready >&2; exec setsid -w sh -c '(env -i sh -c \"echo \\$\\$ >&2; exec sleep 60\" &) ; exec sleep 60'";
    let (_shell, orphan) = unmarked_child(script);
    assert_eq!(whose(orphan, &[live("stream", 4, NOBODY)]), managed("stream", 4));
    assert_eq!(whose(orphan, &[]), stray("stream"));
    let table = Table::read().unwrap();
    let session = table.get(orphan).unwrap().session;
    let group = nix::unistd::Pid::from_raw(session);
    nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL).unwrap();
}
