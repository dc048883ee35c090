//! One Nomad job: a group per service, secrets from the job's Nomad variables.
//!
//! The holder of the feed's key stays one; it publishes to a Redis, and any number of others serve from there.

use std::fmt::Write as _;

use super::network;
use super::outline::{Outline, Service};
use crate::service::{Probe, RestartPolicy, signal_name};

pub fn text(outline: &Outline) -> String {
    let mut text = format!(
        "# Written by `sentinel export nomad`. Nomad knows no order among groups: what a service comes after is a comment.\n\
         # Groups run on different machines: check every 127.0.0.1 below.\n{3}\
         # Secrets: nomad var put nomad/jobs/{0} NAME=value …, from {1}\njob {2} {{\n  type = \"service\"\n",
        outline.name,
        outline.env_file.display(),
        quote(&outline.name),
        outline.comments()
    );
    for service in &outline.services {
        let name = service.spec.name.as_str();
        let count = match network::is_copyable(service) {
            _ if !service.spec.autostart => 0,
            true => 2,
            false => 1,
        };
        if network::is_holder(service) {
            text.push_str("\n  # One: it holds the key of the feed, which admits one connection. Scale what serves its data.\n");
        }
        text.push_str(&group(outline, service, name, count));
    }
    if let Some(holder) = outline
        .services
        .iter()
        .find(|service| network::is_holder(service))
    {
        text.push_str(REDIS);
        let name = format!("{}-fan", holder.spec.name);
        text.push_str(&group(outline, &network::server_of(holder), &name, 2));
    }
    text.push_str("}\n");
    text
}

/// What the holder of the key publishes goes through it.
const REDIS: &str = r#"
  # What the holder of the key publishes, for any number of servers. It keeps nothing.
  group "redis" {
    count = 1
    network {
      port "redis" { to = 6379 }
    }
    service {
      name     = "redis"
      port     = "redis"
      provider = "nomad"
      check {
        type     = "tcp"
        interval = "10s"
        timeout  = "2s"
      }
    }
    task "redis" {
      driver = "docker"
      config {
        image = "redis:7"
        args  = ["--save", "", "--appendonly", "no"]
        ports = ["redis"]
      }
    }
  }
"#;

/// Where the Redis is, for a template of variables.
const WHERE: &str =
    "{{ range nomadService \"redis\" }}STREAM_REDIS_URL=redis://{{ .Address }}:{{ .Port }}\n{{ end }}";

/// `${` and `%{` begin a template in HCL.
fn quote(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("\"{}\"", escaped.replace("${", "$${").replace("%{", "%%{"))
}

fn group(outline: &Outline, service: &Service, name: &str, count: u32) -> String {
    let spec = &service.spec;
    let mut text = String::from("\n");
    for after in &spec.after {
        let _ = writeln!(text, "  # comes after {after}");
    }
    for lost in super::rights::unsaid(spec, &super::rights::SAID_BY_OTHERS) {
        let _ = writeln!(text, "  # not carried: {lost}");
    }
    let _ = writeln!(text, "  group {} {{\n    count = {count}", quote(name));
    let attempts = if spec.restart == RestartPolicy::Never {
        0
    } else {
        spec.max_restarts
    };
    let _ = writeln!(
        text,
        "    restart {{\n      attempts = {attempts}\n      interval = \"5m\"\n      delay    = \"1s\"\n      mode     = \"fail\"\n    }}"
    );
    let ports = network::ports(service);
    if !ports.is_empty() {
        text.push_str("    network {\n");
        for port in &ports {
            let _ = writeln!(text, "      port \"p{port}\" {{ static = {port} }}");
        }
        text.push_str("    }\n");
    }
    text.push_str(&check(service, name));
    text.push_str(&task(outline, service));
    text.push_str("  }\n");
    text
}

fn check(service: &Service, name: &str) -> String {
    let ports = network::ports(service);
    let (Some(health), Some(port)) = (&service.spec.health, ports.first()) else {
        return String::new();
    };
    let (kind, more) = match &health.probe {
        Probe::Http { url, .. } => {
            let path = url.splitn(4, '/').nth(3).unwrap_or_default();
            (
                "http",
                format!("        path     = {}\n", quote(&format!("/{path}"))),
            )
        }
        Probe::Tcp { .. } => ("tcp", String::new()),
        Probe::Ws { .. } | Probe::Exec { .. } => (
            "tcp",
            format!(
                "        # it was a {} probe; this only connects\n",
                health.probe.kind()
            ),
        ),
    };
    format!(
        "    service {{\n      name     = {}\n      port     = \"p{port}\"\n      provider = \"nomad\"\n      check {{\n\
         \u{20}       type     = \"{kind}\"\n{more}        interval = \"{}ms\"\n        timeout  = \"{}ms\"\n      }}\n    }}\n",
        quote(&name.replace(['_', '.', '@'], "-")),
        health.every.as_millis().max(1000),
        health.timeout.as_millis().max(1000),
    )
}

fn task(outline: &Outline, service: &Service) -> String {
    let spec = &service.spec;
    let mut text = format!(
        "    task {} {{\n      driver = \"exec\"\n      config {{\n",
        quote(spec.name.as_str())
    );
    let words = service.arguments.iter().map(|word| {
        // The secret's reference must stay a reference, the rest must not become one.
        let inner = |part: &str| {
            let quoted = quote(part);
            quoted[1..quoted.len() - 1].to_owned()
        };
        format!("\"{}\"", word.show(inner, |name| format!("${{{name}}}")))
    });
    let _ = writeln!(text, "        command = {}", quote(service.program_name()));
    let _ = writeln!(
        text,
        "        args    = [{}]\n      }}",
        words.collect::<Vec<_>>().join(", ")
    );
    if !service.env.is_empty() {
        text.push_str("      env {\n");
        for (name, value) in &service.env {
            let _ = writeln!(text, "        {name} = {}", quote(value));
        }
        text.push_str("      }\n");
    }
    if !service.secrets.is_empty() || network::is_holder(service) {
        text.push_str("      template {\n        destination = \"${NOMAD_SECRETS_DIR}/env\"\n        env         = true\n        data        = <<EOT\n");
        if network::is_holder(service) {
            let _ = writeln!(text, "{WHERE}");
        }
        if !service.secrets.is_empty() {
            let _ = writeln!(text, "{{{{ with nomadVar \"nomad/jobs/{}\" }}}}", outline.name);
            for name in &service.secrets {
                let _ = writeln!(text, "{name}={{{{ .{name} }}}}");
            }
            text.push_str("{{ end }}\n");
        }
        text.push_str("EOT\n      }\n");
    }
    let _ = writeln!(
        text,
        "      kill_signal  = \"{}\"",
        signal_name(spec.stop.signal.0)
    );
    let _ = writeln!(
        text,
        "      kill_timeout = \"{}ms\"\n    }}",
        spec.stop.timeout.as_millis()
    );
    text
}
