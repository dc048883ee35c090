//! Kubernetes: a Deployment (or Job) per service, a Service per service with ports, secrets from one Secret.
//!
//! The holder of the feed's key stays one; it publishes to a Redis, and any number of others serve from there.

use std::fmt::Write as _;

use super::network;
use super::outline::{Outline, Service};
use crate::service::{Health, OnUnhealthy, Probe, Ready, RestartPolicy};

/// How often a service runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Copies {
    /// It holds what admits one holder.
    One,
    /// Nothing says that more would do harm or good.
    Unknown,
    /// As many as are needed.
    Many,
}

pub fn text(outline: &Outline) -> String {
    let address = |service: &Service| {
        let fan = if network::is_holder(service) { FAN } else { "" };
        format!("{}{fan}", name(service))
    };
    let outline = &network::spread(outline, address);
    let mut text = format!(
        "# Written by `sentinel export kubernetes`. Fill in the image. Services call each other by name here, and must\n\
         # listen on all addresses: check every 127.0.0.1 below. Kubernetes knows no order: what a service comes after\n\
         # is a comment; what is not ready is tried again.\n{2}\
         # kubectl create secret generic {0}-secrets --from-env-file={1}\n",
        outline.name,
        outline.env_file.display(),
        outline.comments()
    );
    for service in &outline.services {
        let copies = match service {
            one if network::is_holder(one) => Copies::One,
            many if network::is_copyable(many) => Copies::Many,
            _ => Copies::Unknown,
        };
        text.push_str(&deployed(outline, service, copies));
    }
    if let Some(holder) = outline
        .services
        .iter()
        .find(|service| network::is_holder(service))
    {
        text.push_str(&fan_out(outline, holder));
    }
    text
}

/// What ends the name of those that serve what the holder publishes.
const FAN: &str = "-fan";

fn deployed(outline: &Outline, service: &Service, copies: Copies) -> String {
    let mut text = workload(outline, service, &name(service), copies);
    if !network::ports(service).is_empty() {
        text.push_str(&door(outline, service, &name(service)));
    }
    text
}

/// Redis, and the servers that need no key.
fn fan_out(outline: &Outline, holder: &Service) -> String {
    let name = format!("{}{FAN}", name(holder));
    let server = network::server_of(holder);
    let redis = REDIS_MANIFEST.replace("HOUSE", &outline.name);
    format!(
        "{redis}{}{}",
        workload(outline, &server, &name, Copies::Many),
        door(outline, &server, &name)
    )
}

const REDIS_MANIFEST: &str = "\
---
# What the holder of the key publishes, for any number of servers. It keeps nothing.
apiVersion: apps/v1
kind: Deployment
metadata: {name: redis, labels: {app.kubernetes.io/part-of: HOUSE, app.kubernetes.io/name: redis}}
spec:
  replicas: 1
  selector: {matchLabels: {app.kubernetes.io/name: redis}}
  template:
    metadata: {labels: {app.kubernetes.io/part-of: HOUSE, app.kubernetes.io/name: redis}}
    spec:
      containers:
        - name: redis
          image: redis:7
          args: [\"--save\", \"\", \"--appendonly\", \"no\"]
          ports: [{containerPort: 6379}]
          readinessProbe:
            tcpSocket: {port: 6379}
---
apiVersion: v1
kind: Service
metadata: {name: redis, labels: {app.kubernetes.io/part-of: HOUSE}}
spec: {selector: {app.kubernetes.io/name: redis}, ports: [{name: p6379, port: 6379}]}
";

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

fn workload(outline: &Outline, service: &Service, name: &str, copies: Copies) -> String {
    let spec = &service.spec;
    let labels = format!(
        "{{app.kubernetes.io/part-of: {}, app.kubernetes.io/name: {name}}}",
        outline.name
    );
    let once = spec.restart == RestartPolicy::Never && copies == Copies::Unknown;
    let mut text = String::from("---\n");
    for after in &spec.after {
        let _ = writeln!(text, "# comes after {after}");
    }
    let ready = match &spec.ready {
        Some(Ready::Log(line)) => Some(format!("ready: a line of the log that matches {line:?}")),
        Some(Ready::Notify) => Some("ready: READY=1 on $NOTIFY_SOCKET".to_owned()),
        Some(Ready::Probe(_)) | None => None,
    };
    for lost in super::rights::unsaid(spec, &super::rights::SAID_BY_OTHERS)
        .into_iter()
        .chain(ready)
    {
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
        let suspended = if spec.autostart { "" } else { "  suspend: true\n" };
        let _ = writeln!(text, "{suspended}  backoffLimit: 0");
    } else {
        text.push_str(&scale(service, name, copies));
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

/// Two pods of one service would be two holders of one key: the old one goes first.
fn scale(service: &Service, name: &str, copies: Copies) -> String {
    let (said, replicas, strategy) = match copies {
        _ if !service.spec.autostart => (
            "  # Not started with the rest: kubectl scale --replicas=1\n",
            0,
            "Recreate",
        ),
        Copies::One => (
            "  # One replica: it holds the key of the feed, which admits one connection. Scale what serves its data.\n",
            1,
            "Recreate",
        ),
        Copies::Unknown if !service.secrets.is_empty() => (
            "  # One replica, in case one of its keys admits one connection.\n",
            1,
            "Recreate",
        ),
        Copies::Unknown => ("", 1, "Recreate"),
        Copies::Many => ("  # As many as there are clients for.\n", 2, "RollingUpdate"),
    };
    format!(
        "{said}  replicas: {replicas}\n  strategy: {{type: {strategy}}}\n  selector: {{matchLabels: {{app.kubernetes.io/name: {name}}}}}\n"
    )
}

fn container(outline: &Outline, service: &Service) -> String {
    let words = service
        .arguments
        .iter()
        .map(|word| word.show(plain, |name| format!("$({name})")));
    let words: Vec<String> = words.map(|word| quote(&word)).collect();
    let mut text = format!("          command: [{}]\n", quote(service.program_name()));
    if !words.is_empty() {
        let _ = writeln!(text, "          args: [{}]", words.join(", "));
    }
    text.push_str(&environment(outline, service));
    let ports = network::ports(service);
    if !ports.is_empty() {
        let ports: Vec<String> = ports
            .iter()
            .map(|port| format!("{{containerPort: {port}}}"))
            .collect();
        let _ = writeln!(text, "          ports: [{}]", ports.join(", "));
    }
    text.push_str(&probes(service, ports.first().copied()));
    text
}

/// A text in which Kubernetes shall not fill anything in.
fn plain(text: &str) -> String {
    text.replace("$(", "$$(")
}

fn environment(outline: &Outline, service: &Service) -> String {
    let fan = network::is_holder(service);
    let mut text = String::new();
    if fan || !service.env.is_empty() || !service.secrets.is_empty() {
        text.push_str("          env:\n");
    }
    if fan {
        let _ = writeln!(
            text,
            "            - {{name: {}, value: \"redis://redis:6379\"}}",
            network::REDIS
        );
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
    text
}

/// Ready as the service says it; one with ports is ready when it listens, here too. Alive as `health` says it.
fn probes(service: &Service, port: Option<u16>) -> String {
    let mut text = String::new();
    match (&service.spec.ready, port) {
        (Some(Ready::Probe(probe)), _) => {
            let _ = write!(text, "          readinessProbe:\n{}", check(probe));
        }
        (_, Some(port)) => {
            let _ = writeln!(
                text,
                "          readinessProbe:\n            tcpSocket: {{port: {port}}}"
            );
        }
        (_, None) => {}
    }
    if let Some(Health {
        probe,
        every,
        timeout,
        failures,
        on_unhealthy: OnUnhealthy::Restart,
        via: _,
    }) = service.spec.health.as_deref()
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

fn door(outline: &Outline, service: &Service, name: &str) -> String {
    let ports = network::ports(service);
    let ports = ports
        .iter()
        .map(|port| format!("{{name: p{port}, port: {port}}}"));
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, labels: {{app.kubernetes.io/part-of: {}}}}}\n\
         spec: {{selector: {{app.kubernetes.io/name: {name}}}, ports: [{}]}}\n",
        outline.name,
        ports.collect::<Vec<_>>().join(", ")
    )
}
