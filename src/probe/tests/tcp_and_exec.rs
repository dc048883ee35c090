//! TCP and exec probes, and what all kinds share.

use std::time::Duration;

use tokio::net::TcpListener;

use super::{PATIENT, asked, cause, fails_with, health_probe, http_probe, unheard_port};
use crate::service::Probe;

#[tokio::test]
async fn a_listener_is_enough_for_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    assert_eq!(asked(&Probe::Tcp { address }, PATIENT).await.outcome, Ok(None));
}

#[tokio::test]
async fn localhost_is_both_loopbacks() {
    let Ok(listener) = TcpListener::bind("[::1]:0").await else {
        return; // a host without IPv6 has nothing to find there
    };
    let port = listener.local_addr().expect("bound").port();
    let answer = asked(
        &Probe::Tcp {
            address: format!("localhost:{port}"),
        },
        PATIENT,
    )
    .await;
    assert_eq!(answer.outcome, Ok(None));
}

#[tokio::test]
async fn nobody_there_is_refused_for_every_kind() {
    let (port, _unheard) = unheard_port();
    for host in ["127.0.0.1", "localhost"] {
        let tcp = Probe::Tcp {
            address: format!("{host}:{port}"),
        };
        let failure = asked(&tcp, PATIENT).await.outcome.expect_err("refused");
        assert_eq!(failure.to_string(), format!("{host}:{port}: connection refused"));
    }
    for probe in [health_probe(port), http_probe(port, None, None)] {
        assert_eq!(cause(&asked(&probe, PATIENT).await), "connection refused");
    }
}

#[tokio::test]
async fn a_wrong_address_says_so() {
    let bad = Probe::Tcp {
        address: "8765".into(),
    };
    assert_eq!(
        cause(&asked(&bad, PATIENT).await),
        "cannot be asked: `8765` is not host:port"
    );
}

#[tokio::test]
async fn no_time_at_all_is_a_timeout() {
    let (port, _unheard) = unheard_port();
    let answer = asked(&health_probe(port), Duration::ZERO).await;
    assert!(!answer.is_good());
}

#[tokio::test]
async fn a_command_is_judged_by_its_exit() {
    let exec = |name: &str| Probe::Exec {
        command: vec![name.into(), "-x".into()],
    };
    assert_eq!(asked(&exec("good"), PATIENT).await.outcome, Ok(None));
    let failed = asked(&exec("bad"), PATIENT).await;
    let failure = failed.outcome.expect_err("failed").to_string();
    assert_eq!(failure, "bad: ended with exit code 2: no such table");
    let missing = cause(&asked(&exec("missing"), PATIENT).await);
    assert_eq!(missing, "could not be started: entity not found");
    let endless = |brief| async move { asked(&exec("endless"), brief).await };
    fails_with(endless, |brief| format!("still running after {brief} s")).await;
}
