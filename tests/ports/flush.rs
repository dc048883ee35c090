//! Flushing: holders go, everybody else stays.

use crate::holder::{
    Held, Holder, PLAIN, alone, brief, carry_out, flush, free, listener, mark, nothing_to_stop, server,
};
use sentinel::ports::{Flush, Kind, LiveRun, Outcome, PortReport};
use std::cell::RefCell;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Ignores SIGTERM.
const DEAF: Holder<'static> = Holder {
    script: Some("trap '' TERM; echo ready >&2; exec sleep 60"),
    ..PLAIN
};

/// Waits without holding anything in a child: it is ready once the child has left the sockets behind.
const WAIT: &str = "sh -c 'echo ready >&2; exec sleep 60' </dev/null >/dev/null & while :; do wait; done";

fn patient_for(grace: Duration) -> Flush {
    Flush { grace, ..flush() }
}

#[tokio::test]
async fn the_holder_goes_and_clients_and_bystanders_stay() {
    let (mut server, port) = server(PLAIN);
    let mut client = alone(|| PLAIN.with(TcpStream::connect(("127.0.0.1", port)).unwrap()));
    let (mut bystander, _) = crate::holder::server(PLAIN);
    let report = free(&flush(), port).await;
    assert_eq!(
        brief(&report),
        (Outcome::Freed, vec![(server.pid(), Some("SIGTERM"))])
    );
    assert_eq!(report.error, None);
    assert_eq!(server.signal(), Some(15));
    assert!(client.lives());
    assert!(bystander.lives());
    assert!(TcpListener::bind(("127.0.0.1", port)).is_ok());
    let again = free(&flush(), port).await;
    assert_eq!(brief(&again), (Outcome::Free, vec![]));
}

#[tokio::test]
async fn every_copy_of_a_socket_goes() {
    let (mut first, mut second, port) = alone(|| {
        let (listener, port) = listener("::");
        let copy = listener.try_clone().unwrap();
        (PLAIN.with(listener), PLAIN.with(copy), port)
    });
    let report = free(&flush(), port).await;
    assert_eq!(report.outcome, Outcome::Freed, "{report:?}");
    assert_eq!(report.holders.len(), 2);
    assert_eq!((first.signal(), second.signal()), (Some(15), Some(15)));
}

#[tokio::test]
async fn who_ignores_sigterm_gets_sigkill_after_the_grace() {
    let (mut deaf, port) = server(DEAF);
    let report = free(&patient_for(Duration::from_millis(60)), port).await;
    assert_eq!(
        brief(&report),
        (Outcome::Freed, vec![(deaf.pid(), Some("SIGKILL"))])
    );
    assert_eq!(deaf.signal(), Some(9));
}

#[tokio::test]
async fn without_grace_it_is_sigkill_at_once() {
    let (mut server, port) = server(PLAIN);
    let emergency = Flush {
        grace: Duration::ZERO,
        ..flush()
    };
    let report = free(&emergency, port).await;
    assert_eq!(
        brief(&report),
        (Outcome::Freed, vec![(server.pid(), Some("SIGKILL"))])
    );
    assert_eq!(server.signal(), Some(9));
}

#[tokio::test]
async fn a_stopped_process_can_die_of_sigterm() {
    let (mut server, port) = server(PLAIN);
    let pid = nix::unistd::Pid::from_raw(server.pid());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
    let report = free(&flush(), port).await;
    assert_eq!(
        brief(&report),
        (Outcome::Freed, vec![(server.pid(), Some("SIGTERM"))])
    );
    assert_eq!(server.signal(), Some(15));
}

#[tokio::test]
async fn who_closes_the_port_on_sigterm_may_live() {
    let (mut server, port) = server(Holder {
        script: Some(&format!("trap 'exec </dev/null' TERM; {WAIT}")),
        ..PLAIN
    });
    let report = free(&flush(), port).await;
    assert_eq!(
        brief(&report),
        (Outcome::Freed, vec![(server.pid(), Some("SIGTERM"))])
    );
    assert!(server.lives());
}

#[tokio::test]
async fn a_holder_of_two_ports_is_signalled_once() {
    // On a slow machine its shell may not come to say a word in less.
    for milliseconds in [60, 1_000] {
        let local = tokio::task::LocalSet::new();
        let tried = local.spawn_local(signalled_once(Duration::from_millis(milliseconds)));
        if local.run_until(tried).await.is_ok() {
            return;
        }
    }
    signalled_once(Duration::from_secs(20)).await;
}

async fn signalled_once(grace: Duration) {
    let (mut both, ports) = alone(|| {
        let ((one, first), (two, second)) = (listener("127.0.0.1"), listener("::1"));
        let holder = Holder {
            script: Some(&format!("trap 'echo got >&2' TERM; {WAIT}")),
            second: Some(OwnedFd::from(two)),
            ..PLAIN
        };
        (holder.with(one), [first, second])
    });
    let flush = patient_for(grace);
    let reports = flush.free(&flush.plan(&ports).unwrap(), nothing_to_stop).await;
    let expected = (Outcome::Freed, vec![(both.pid(), Some("SIGKILL"))]);
    assert_eq!(
        reports.iter().map(brief).collect::<Vec<_>>(),
        [expected.clone(), expected]
    );
    assert_eq!(both.next_line(), "got\n");
    both.end();
    assert_eq!(both.next_line(), "", "SIGTERM came a second time");
}

#[tokio::test]
async fn a_protected_port_is_refused_and_its_holder_lives() {
    let (mut server, port) = server(PLAIN);
    let mut flush = flush();
    flush.rules.protected = vec![port];
    let report = free(&flush, port).await;
    assert_eq!(brief(&report), (Outcome::Refused, vec![(server.pid(), None)]));
    assert_eq!(
        report.error,
        Some(format!("port {port} is listed in protected_ports"))
    );
    assert!(server.lives());
}

#[tokio::test]
async fn our_own_listener_is_refused() {
    let (_mine, port) = alone(|| listener("127.0.0.1"));
    let report = free(&flush(), port).await;
    assert_eq!(report.outcome, Outcome::Refused);
    let error = report.error.unwrap();
    assert!(error.contains("which this command runs under"), "{error}");
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_touches_nothing() {
    let (mut server, port) = server(PLAIN);
    let flush = flush();
    let reports = flush.dry_run(&flush.plan(&[port]).unwrap());
    let expected = serde_json::json!([{
        "port": port, "outcome": "would_free",
        "holders": [{"pid": server.pid(), "command": "sleep", "kind": "foreign", "signal": "SIGTERM"}],
        "error": null,
    }]);
    assert_eq!(serde_json::to_value(&reports).unwrap(), expected);
    assert_eq!(
        serde_json::from_value::<Vec<PortReport>>(expected).unwrap(),
        reports
    );
    assert!(server.lives());
}

#[tokio::test]
async fn a_stranger_who_takes_the_port_meanwhile_is_not_killed() {
    let (mut first, port) = server(PLAIN);
    let flush = flush();
    let plans = flush.plan(&[port]).unwrap();
    first.end();
    let mut second = alone(|| PLAIN.with(TcpListener::bind(("127.0.0.1", port)).unwrap()));
    let report = carry_out(&flush, &plans).await;
    assert_eq!(report.outcome, Outcome::Failed);
    let error = report.error.unwrap();
    assert!(
        error.contains(&format!("(pid {}), which took it meanwhile", second.pid())),
        "{error}"
    );
    assert!(second.lives());
}

#[tokio::test]
async fn a_child_that_inherits_the_socket_meanwhile_goes_too() {
    let (first, mut second, copy) = alone(|| {
        let (listener, port) = listener("127.0.0.1");
        let copy = listener.try_clone().unwrap();
        ((PLAIN.with(listener), port), None::<Held>, copy)
    });
    let (mut first, port) = first;
    let flush = flush();
    let plans = alone(|| {
        second = Some(PLAIN.with(copy));
        flush.plan(&[port]).unwrap()
    });
    let plans: Vec<_> = plans
        .into_iter()
        .map(|mut plan| {
            plan.holders.retain(|holder| holder.identity.pid == first.pid());
            plan
        })
        .collect();
    let report = carry_out(&flush, &plans).await;
    assert_eq!(report.outcome, Outcome::Freed, "{report:?}");
    assert_eq!((first.signal(), second.unwrap().signal()), (Some(15), Some(15)));
}

fn live(service: &str, number: u64, leader: &Held) -> Flush {
    Flush {
        live: vec![LiveRun {
            service: service.into(),
            number,
            leader: leader.identity(),
        }],
        ..flush()
    }
}

fn stream() -> (Held, u16) {
    server(Holder {
        mark: mark("stream", 4),
        ..PLAIN
    })
}

#[tokio::test]
async fn a_managed_holder_is_stopped_by_the_supervisor() {
    let (server, port) = stream();
    let flush = live("stream", 4, &server);
    let plans = flush.plan(&[port]).unwrap();
    let pid = server.pid();
    let server = RefCell::new(server);
    let stop = async |services: Vec<String>| {
        assert_eq!(services, ["stream"]);
        server.borrow_mut().end();
        Ok(())
    };
    let reports = flush.free(&plans, stop).await;
    assert_eq!(brief(&reports[0]), (Outcome::Freed, vec![(pid, None)]));
    assert_eq!(reports[0].holders[0].kind, Kind::Managed);
}

#[tokio::test]
async fn what_a_stopped_service_left_behind_is_a_stray_and_goes() {
    let (mut server, port) = stream();
    let flush = live("stream", 4, &server);
    let plans = flush.plan(&[port]).unwrap();
    let reports = flush.free(&plans, async |_| Ok(())).await;
    assert_eq!(
        brief(&reports[0]),
        (Outcome::Freed, vec![(server.pid(), Some("SIGTERM"))])
    );
    assert_eq!(server.signal(), Some(15));
}

#[tokio::test]
async fn a_service_that_cannot_be_stopped_keeps_its_port() {
    let (mut server, port) = stream();
    let flush = live("stream", 4, &server);
    let plans = flush.plan(&[port]).unwrap();
    let refused = async |_| Err("the supervisor does not answer".to_string());
    let reports = flush.free(&plans, refused).await;
    assert_eq!(brief(&reports[0]), (Outcome::Failed, vec![(server.pid(), None)]));
    assert_eq!(
        reports[0].error.as_deref(),
        Some("the supervisor does not answer")
    );
    assert!(server.lives());
}

#[tokio::test]
async fn strays_go_and_live_runs_are_spared_when_asked() {
    let (mut server, port) = stream();
    let (mut stray, stray_port) = crate::holder::server(Holder {
        mark: mark("stream", 3),
        ..PLAIN
    });
    let mut flush = live("stream", 4, &server);
    flush.rules.spare_managed = true;
    let plans = flush.plan(&[port, stray_port]).unwrap();
    let reports = flush.free(&plans, nothing_to_stop).await;
    assert_eq!(brief(&reports[0]), (Outcome::Free, vec![(server.pid(), None)]));
    assert_eq!(
        brief(&reports[1]),
        (Outcome::Freed, vec![(stray.pid(), Some("SIGTERM"))])
    );
    assert_eq!(reports[1].holders[0].kind, Kind::Stray);
    assert!(server.lives());
    assert_eq!(stray.signal(), Some(15));
}
