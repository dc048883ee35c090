//! What a person sees, to the letter.

use super::*;
use crate::api::{Health, HealthStatus, PortState};
use crate::client::sample;
use crate::verdict;

fn shown(house: &Status, width: usize) -> String {
    let view = View {
        width: Some(width),
        height: None,
        named: false,
        problems: false,
        verbose: false,
        under_way: None,
        paint: Paint::PLAIN,
    };
    let text = status(house, &verdict::concerns(house), view);
    for line in text.lines() {
        assert!(line.chars().count() <= width, "wider than {width}: {line}");
    }
    text
}

fn unhealthy_house() -> Status {
    let mut house = sample::stream_house();
    house.services[1].health = Health {
        status: HealthStatus::Unhealthy,
        error: Some("no answer within 2 s: the connection was accepted, then nothing came".into()),
        ..Health::unasked(HealthStatus::Unhealthy, Some("ws"))
    };
    house
}

fn absent_house() -> Status {
    let mut house = sample::stream_house();
    house.supervisor.state = SupervisorState::Absent;
    (house.supervisor.pid, house.supervisor.uptime_s) = (None, None);
    for service in &mut house.services {
        service.state = State::Stopped;
        (service.pid, service.uptime_s, service.reason) = (None, None, None);
        service.health.status = HealthStatus::Unhealthy;
        service.health.error = Some("connection refused".into());
    }
    for port in &mut house.ports {
        (port.state, port.pid, port.command) = (PortState::Free, None, None);
    }
    house.services[1].health = sample::stream_house().services[1].health.clone();
    house.ports[1] = sample::port(8765, "trade_stream", PortState::Stray);
    house
}

fn large_house() -> Status {
    let mut services: Vec<Service> = (0..12)
        .map(|n| {
            let name = format!("auto_entry_supervisor_user_0001_monitor_{n:02}");
            let mut service = sample::service(&name, State::Running, true);
            service.ports = vec![8000 + n, 9000 + n];
            service
        })
        .collect();
    services[3].state = State::Backoff;
    services[3].reason = Some("exit code 2 after 0.3 s; next try in 4 s".into());
    services[7].state = State::Starting;
    sample::status(services)
}

#[test]
fn healthy() {
    insta::assert_snapshot!(shown(&sample::stream_house(), 80));
}

#[test]
fn healthy_and_wide() {
    insta::assert_snapshot!(shown(&sample::stream_house(), 120));
}

#[test]
fn unhealthy() {
    insta::assert_snapshot!(shown(&unhealthy_house(), 80));
}

#[test]
fn fatal() {
    insta::assert_snapshot!(shown(&sample::fatal_house(), 80));
}

#[test]
fn absent_with_a_leftover() {
    insta::assert_snapshot!(shown(&absent_house(), 80));
}

#[test]
fn unresponsive() {
    let mut house = absent_house();
    house.supervisor.state = SupervisorState::Unresponsive;
    house.supervisor.pid = Some(4242);
    insta::assert_snapshot!(shown(&house, 80));
}

#[test]
fn twelve_services_with_long_names() {
    insta::assert_snapshot!(shown(&large_house(), 80));
}

#[test]
fn narrow() {
    insta::assert_snapshot!(shown(&sample::fatal_house(), 44));
}

#[test]
fn verbose() {
    let house = sample::stream_house();
    let view = View {
        width: Some(120),
        height: None,
        named: false,
        problems: false,
        verbose: true,
        under_way: None,
        paint: Paint::PLAIN,
    };
    insta::assert_snapshot!(status(&house, &verdict::concerns(&house), view));
}

#[test]
fn colour_only_adds_to_the_text() {
    let house = sample::fatal_house();
    let concerns = verdict::concerns(&house);
    let view = |paint| View {
        width: Some(80),
        height: None,
        named: false,
        problems: false,
        verbose: false,
        under_way: None,
        paint,
    };
    let coloured = status(&house, &concerns, view(Paint::new(true)));
    let mut plain = String::new();
    for (index, part) in coloured.split('\u{1b}').enumerate() {
        plain.push_str(if index == 0 {
            part
        } else {
            part.split_once('m').expect("a colour").1
        });
    }
    assert_ne!(coloured, plain);
    assert_eq!(plain, status(&house, &concerns, view(Paint::PLAIN)));
}

#[test]
fn without_a_terminal_nothing_is_cut() {
    let house = large_house();
    let view = View {
        width: None,
        height: None,
        named: false,
        problems: false,
        verbose: false,
        under_way: None,
        paint: Paint::PLAIN,
    };
    let text = status(&house, &verdict::concerns(&house), view);
    assert!(text.contains("auto_entry_supervisor_user_0001_monitor_11"));
    assert!(text.is_ascii());
}
