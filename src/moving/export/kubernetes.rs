//! Kubernetes: a Deployment (or Job) per service, a Service per service with ports, secrets from one Secret.

use std::fmt::Write as _;

use super::outline::{Outline, Service};
use crate::service::{Health, OnUnhealthy, Probe, Ready, RestartPolicy};

pub fn text(outline: &Outline) -> String {
    let mut text = format!(
        "# Written by `sentinel export kubernetes`. Fill in the image. Services call each other by name here: check\n\
         # every 127.0.0.1 below. Kubernetes knows no order: what a service comes after is a comment.\n\
         # kubectl create secret generic {0}-secrets --from-env-file={1}\n",
        outline.name,
        outline.env_file.display()
    );
    for service in &outline.services {
        text.push_str(&workload(outline, service));
        if !service.spec.ports.is_empty() {
            text.push_str(&door(outline, service));
        }
    }
    text
}

/// A JSON string is a YAML string.
fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Names here are of lower case letters, digits and dashes.
fn name(service: &Service) -> String {
    let legal = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    service
        .spec
        .name
        .as_str()
        .chars()
        .map(legal)
        .collect::<String>()
        .trim_matches('-')
        .to_owned()
}

fn workload(outline: &Outline, service: &Service) -> String {
    let spec = &service.spec;
    let name = name(service);
    let labels = format!(
        "{{app.kubernetes.io/part-of: {}, app.kubernetes.io/name: {name}}}",
        outline.name
    );
    let once = spec.restart == RestartPolicy::Never;
    let mut text = String::from("---\n");
    for after in &spec.after {
        let _ = writeln!(text, "# comes after {after}");
    }
    for lost in super::rights::unsaid(spec, &[]) {
        let _ = writeln!(text, "# not carried: {lost}");
    }
    let (version, kind) = if once {
        ("batch/v1", "Job")
    } else {
        ("apps/v1", "Deployment")
    };
    let _ = writeln!(
        text,
        "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}, labels: {labels}}}\nspec:"
    );
    if once {
        let _ = writeln!(text, "  backoffLimit: 0");
    } else {
        // Two pods of one service would be two holders of one key: the old one goes first.
        if !service.secrets.is_empty() {
            text.push_str("  # One replica: the holder of a key that admits one connection. Scale what fans its data out instead.\n");
        }
        let _ = writeln!(
            text,
            "  replicas: 1\n  strategy: {{type: Recreate}}\n  selector: {{matchLabels: {{app.kubernetes.io/name: {name}}}}}"
        );
    }
    let _ = writeln!(text, "  template:\n    metadata: {{labels: {labels}}}\n    spec:");
    let policy = if once { "Never" } else { "Always" };
    let grace = spec.stop.timeout.as_millis().div_ceil(1000);
    let _ = writeln!(
        text,
        "      restartPolicy: {policy}\n      terminationGracePeriodSeconds: {grace}"
    );
    let _ = writeln!(
        text,
        "      containers:\n        - name: {name}\n          image: IMAGE  # the image that holds {}",
        service.program_name()
    );
    text.push_str(&container(outline, service));
    text
}

fn container(outline: &Outline, service: &Service) -> String {
    let spec = &service.spec;
    let mut text = String::new();
    let plain = |part: &str| part.replace("$(", "$$(");
    let words = service
        .arguments
        .iter()
        .map(|word| word.show(plain, |name| format!("$({name})")));
    let words: Vec<String> = words.map(|word| quote(&word)).collect();
    let _ = writeln!(text, "          command: [{}]", quote(service.program_name()));
    if !words.is_empty() {
        let _ = writeln!(text, "          args: [{}]", words.join(", "));
    }
    if !service.env.is_empty() || !service.secrets.is_empty() {
        text.push_str("          env:\n");
    }
    for name in &service.secrets {
        let secret = format!("{{name: {}-secrets, key: {name}}}", outline.name);
        let _ = writeln!(
            text,
            "            - {{name: {name}, valueFrom: {{secretKeyRef: {secret}}}}}"
        );
    }
    for (name, value) in &service.env {
        let _ = writeln!(
            text,
            "            - {{name: {name}, value: {}}}",
            quote(&plain(value))
        );
    }
    if !spec.ports.is_empty() {
        let ports: Vec<String> = spec
            .ports
            .iter()
            .map(|port| format!("{{containerPort: {port}}}"))
            .collect();
        let _ = writeln!(text, "          ports: [{}]", ports.join(", "));
    }
    if let Some(Ready::Probe(probe)) = &spec.ready {
        let _ = write!(text, "          readinessProbe:\n{}", check(probe));
    }
    if let Some(Health {
        probe,
        every,
        timeout,
        failures,
        on_unhealthy: OnUnhealthy::Restart,
        via: _,
    }) = &spec.health
    {
        let _ = write!(text, "          livenessProbe:\n{}", check(probe));
        let whole = |time: &std::time::Duration| time.as_millis().div_ceil(1000).max(1);
        let _ = writeln!(
            text,
            "            periodSeconds: {}\n            timeoutSeconds: {}",
            whole(every),
            whole(timeout)
        );
        let _ = writeln!(text, "            failureThreshold: {failures}");
    }
    text
}

fn check(probe: &Probe) -> String {
    let indent = "            ";
    match probe {
        Probe::Exec { command } => {
            let words: Vec<String> = command.iter().map(|word| quote(word)).collect();
            format!("{indent}exec: {{command: [{}]}}\n", words.join(", "))
        }
        Probe::Http { url, .. } => {
            let (address, path) = parts(url);
            format!(
                "{indent}httpGet: {{path: {}, port: {}}}\n",
                quote(&format!("/{path}")),
                port(address)
            )
        }
        Probe::Tcp { address } => format!("{indent}tcpSocket: {{port: {}}}\n", port(address)),
        Probe::Ws { url, .. } => {
            let (address, _) = parts(url);
            format!(
                "{indent}# it asked over a WebSocket; Kubernetes only connects\n{indent}tcpSocket: {{port: {}}}\n",
                port(address)
            )
        }
    }
}

fn parts(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split_once('/').unwrap_or((rest, ""))
}

fn port(address: &str) -> u16 {
    address
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok())
        .unwrap_or(80)
}

fn door(outline: &Outline, service: &Service) -> String {
    let name = name(service);
    let ports = service
        .spec
        .ports
        .iter()
        .map(|port| format!("{{name: p{port}, port: {port}}}"));
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, labels: {{app.kubernetes.io/part-of: {}}}}}\n\
         spec: {{selector: {{app.kubernetes.io/name: {name}}}, ports: [{}]}}\n",
        outline.name,
        ports.collect::<Vec<_>>().join(", ")
    )
}
