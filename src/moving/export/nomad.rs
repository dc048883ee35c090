//! One Nomad job: a group per service, secrets from the job's Nomad variables.

use std::fmt::Write as _;

use super::outline::{Outline, Service};
use crate::service::{Probe, RestartPolicy, signal_name};

pub fn text(outline: &Outline) -> String {
    let mut text = format!(
        "# Written by `sentinel export nomad`. Nomad knows no order among groups: what a service comes after is a comment.\n\
         # Secrets: nomad var put nomad/jobs/{0} NAME=value …, from {1}\njob {2} {{\n  type = \"service\"\n",
        outline.name,
        outline.env_file.display(),
        quote(&outline.name)
    );
    for service in &outline.services {
        text.push_str(&group(outline, service));
    }
    text.push_str("}\n");
    text
}

/// `${` and `%{` begin a template in HCL.
fn quote(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("\"{}\"", escaped.replace("${", "$${").replace("%{", "%%{"))
}

fn group(outline: &Outline, service: &Service) -> String {
    let spec = &service.spec;
    let mut text = String::from("\n");
    for after in &spec.after {
        let _ = writeln!(text, "  # comes after {after}");
    }
    for lost in super::rights::unsaid(spec, &[]) {
        let _ = writeln!(text, "  # not carried: {lost}");
    }
    let _ = writeln!(text, "  group {} {{\n    count = 1", quote(spec.name.as_str()));
    let attempts = if spec.restart == RestartPolicy::Never {
        0
    } else {
        spec.max_restarts
    };
    let _ = writeln!(
        text,
        "    restart {{\n      attempts = {attempts}\n      interval = \"5m\"\n      delay    = \"1s\"\n      mode     = \"fail\"\n    }}"
    );
    if !spec.ports.is_empty() {
        text.push_str("    network {\n");
        for port in &spec.ports {
            let _ = writeln!(text, "      port \"p{port}\" {{ static = {port} }}");
        }
        text.push_str("    }\n");
    }
    text.push_str(&check(service));
    text.push_str(&task(outline, service));
    text.push_str("  }\n");
    text
}

fn check(service: &Service) -> String {
    let (Some(health), Some(port)) = (&service.spec.health, service.spec.ports.first()) else {
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
        quote(&service.spec.name.as_str().replace(['_', '.', '@'], "-")),
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
    if !service.secrets.is_empty() {
        text.push_str("      template {\n        destination = \"${NOMAD_SECRETS_DIR}/env\"\n        env         = true\n        data        = <<EOT\n");
        let _ = writeln!(text, "{{{{ with nomadVar \"nomad/jobs/{}\" }}}}", outline.name);
        for name in &service.secrets {
            let _ = writeln!(text, "{name}={{{{ .{name} }}}}");
        }
        text.push_str("{{ end }}\nEOT\n      }\n");
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
