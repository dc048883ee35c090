//! One docker-compose file. Which image holds the programs, only its reader knows.

use std::fmt::Write as _;

use super::outline::{Outline, Service};
use super::{network, rights};
use crate::service::{Probe, RestartPolicy, signal_name};

pub fn text(outline: &Outline) -> String {
    let outline = &network::spread(outline, |service| service.spec.name.to_string());
    let mut text = format!(
        "# Written by `sentinel export compose`. Services call each other by name there, and must listen on all addresses:\n\
         # check every 127.0.0.1 below.\n{}name: {}\nservices:\n",
        outline.comments(),
        outline.name
    );
    for service in &outline.services {
        text.push_str(&entry(outline, service));
    }
    text
}

/// A JSON string is a YAML string; compose reads `$` as a variable.
fn quote(text: &str) -> String {
    serde_json::Value::from(text.replace('$', "$$")).to_string()
}

fn entry(outline: &Outline, service: &Service) -> String {
    let spec = &service.spec;
    let mut text = format!(
        "  {}:\n    image: ${{IMAGE:?the image that holds these programs}}\n",
        spec.name
    );
    for lost in rights::unsaid(spec, &rights::SAID_BY_COMPOSE) {
        let _ = writeln!(text, "    # not carried: {lost}");
    }
    if !spec.autostart {
        text.push_str("    profiles: [manual]\n");
    }
    let plain = |part: &str| part.replace('$', "$$");
    let words = service
        .arguments
        .iter()
        .map(|word| word.show(plain, |name| format!("${{{name}:?}}")));
    let words = std::iter::once(service.program_name().to_owned()).chain(words);
    let words: Vec<String> = words
        .map(|word| serde_json::Value::from(word).to_string())
        .collect();
    let _ = writeln!(text, "    command: [{}]", words.join(", "));
    text.push_str(&environment(outline, service));
    let ports = network::ports(service);
    if !ports.is_empty() {
        let ports: Vec<String> = ports
            .iter()
            .map(|port| format!("\"127.0.0.1:{port}:{port}\""))
            .collect();
        let _ = writeln!(text, "    ports: [{}]", ports.join(", "));
    }
    if !spec.after.is_empty() {
        text.push_str("    depends_on:\n");
        for name in &spec.after {
            let probed = outline
                .services
                .iter()
                .any(|other| other.spec.name == *name && test(other).is_some());
            let condition = if probed {
                "service_healthy"
            } else {
                "service_started"
            };
            let _ = writeln!(text, "      {name}: {{condition: {condition}}}");
        }
    }
    let restart = match spec.restart {
        RestartPolicy::Always => "unless-stopped".to_owned(),
        RestartPolicy::OnFailure => format!("\"on-failure:{}\"", spec.max_restarts),
        RestartPolicy::Never => "\"no\"".to_owned(),
    };
    let _ = writeln!(text, "    restart: {restart}\n    init: true");
    let _ = writeln!(text, "    stop_signal: {}", signal_name(spec.stop.signal.0));
    let _ = writeln!(text, "    stop_grace_period: {}ms", spec.stop.timeout.as_millis());
    text.push_str(&rights::compose(spec));
    text.push_str(&healthcheck(service));
    text
}

fn environment(outline: &Outline, service: &Service) -> String {
    let mut text = String::new();
    if !service.env.is_empty() || !service.secrets.is_empty() {
        text.push_str("    environment:\n");
        for (name, value) in &service.env {
            let _ = writeln!(text, "      {name}: {}", quote(value));
        }
        for name in &service.secrets {
            let _ = writeln!(
                text,
                "      {name}: ${{{name}:?in {}}}",
                outline.env_file.display()
            );
        }
    }
    text
}

fn healthcheck(service: &Service) -> String {
    let mut text = String::new();
    if let (Some(test), Some(health)) = (test(service), &service.spec.health) {
        let test: Vec<String> = test.iter().map(|word| quote(word)).collect();
        let _ = writeln!(text, "    healthcheck:\n      test: [{}]", test.join(", "));
        let _ = writeln!(
            text,
            "      interval: {}ms\n      timeout: {}ms",
            health.every.as_millis(),
            health.timeout.as_millis()
        );
        let _ = writeln!(text, "      retries: {}", health.failures);
    }
    text
}

/// The health probe as a command. A WebSocket is only connected to: containers have no tool that speaks it.
fn test(service: &Service) -> Option<Vec<String>> {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    match &service.spec.health.as_ref()?.probe {
        Probe::Exec { command } => Some(std::iter::once("CMD".to_owned()).chain(command.clone()).collect()),
        Probe::Http { url, .. } => Some(words(&["CMD", "curl", "-fsS", "-o", "/dev/null", url])),
        Probe::Tcp { address } => Some(connect(address)),
        Probe::Ws { url, .. } => {
            let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
            Some(connect(rest.split('/').next().unwrap_or(rest)))
        }
    }
}

fn connect(address: &str) -> Vec<String> {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "80"));
    ["CMD", "nc", "-z", host, port].map(str::to_owned).to_vec()
}
