//! systemd units: one per service, and a target that wants them all. Proven by `systemd-analyze verify`.

use std::fmt::Write as _;

use super::File;
use super::outline::{Outline, Service};
use super::rights;
use crate::service::{Exit, Ready, RestartPolicy, signal_name};

pub fn files(outline: &Outline) -> Vec<File> {
    let unit = |service| File {
        name: format!("{}.service", name(service)),
        text: unit(outline, service),
    };
    let mut files: Vec<File> = outline.services.iter().map(unit).collect();
    files.extend(
        outline
            .services
            .iter()
            .filter_map(|service| socket(outline, service)),
    );
    let names: Vec<String> = outline
        .services
        .iter()
        .filter(|service| service.spec.autostart)
        .map(|service| format!("{}.service", name(service)))
        .collect();
    let text = format!(
        "# systemctl enable --now {0}.target\n{2}[Unit]\nDescription=All services of {0}\nWants={1}\n\n[Install]\nWantedBy=multi-user.target\n",
        outline.name,
        names.join(" "),
        outline.comments()
    );
    files.push(File {
        name: format!("{}.target", outline.name),
        text,
    });
    files
}

/// systemd listens for the service, and hands over as sentinel does.
fn socket(outline: &Outline, service: &Service) -> Option<File> {
    let sockets = &service.spec.sockets;
    if sockets.is_empty() {
        return None;
    }
    let listen: String = sockets
        .iter()
        .map(|address| format!("ListenStream={address}\n"))
        .collect();
    Some(File {
        name: format!("{}.socket", name(service)),
        text: format!(
            "[Unit]\nDescription=Sockets of {0} of {1}\nPartOf={1}.target\n\n[Socket]\n{listen}\n[Install]\nWantedBy={1}.target\n",
            name(service),
            outline.name
        ),
    })
}

fn name(service: &Service) -> &str {
    service.spec.name.as_str()
}

fn unit(outline: &Outline, service: &Service) -> String {
    let spec = &service.spec;
    let mut text = format!(
        "[Unit]\nDescription={} of {}\nPartOf={}.target\n",
        name(service),
        outline.name,
        outline.name
    );
    if !spec.after.is_empty() {
        let after: Vec<String> = spec.after.iter().map(|name| format!("{name}.service")).collect();
        let _ = writeln!(text, "After={0}\nWants={0}", after.join(" "));
    }
    // As many failed runs in a row as sentinel would bear, within the time that they take.
    let _ = writeln!(
        text,
        "StartLimitIntervalSec=5min\nStartLimitBurst={}",
        spec.max_restarts.saturating_add(1)
    );
    if !spec.sockets.is_empty() {
        let _ = writeln!(text, "Requires={0}.socket\nAfter={0}.socket", name(service));
    }
    let unsaid = rights::unsaid(spec, &rights::SAID_BY_SYSTEMD);
    for lost in service.probes().into_iter().chain(unsaid) {
        let _ = writeln!(text, "# not carried: {lost}");
    }
    text.push_str("\n[Service]\n");
    let kind = if spec.ready == Some(Ready::Notify) {
        "notify"
    } else {
        "exec"
    };
    let _ = writeln!(text, "Type={kind}");
    let words = service
        .arguments
        .iter()
        .map(|word| word.show(escape, |name| format!("${{{name}}}")));
    let words: Vec<String> = std::iter::once(escape(&service.program))
        .chain(words)
        .map(|word| quote(&word))
        .collect();
    let _ = writeln!(text, "ExecStart={}", words.join(" "));
    let _ = writeln!(
        text,
        "WorkingDirectory={}",
        spec.cwd.display().to_string().replace('%', "%%")
    );
    for (name, value) in &service.env {
        let _ = writeln!(
            text,
            "Environment={}",
            quote(&format!("{name}={}", value.replace('%', "%%")))
        );
    }
    if !service.secrets.is_empty() {
        let _ = writeln!(text, "# must hold {}; chmod 600", service.secrets.join(", "));
        let _ = writeln!(text, "EnvironmentFile={}", outline.env_file.display());
    }
    text.push_str(&rights::systemd(spec));
    text.push_str(&ending(outline, service));
    text
}

/// How it ends, and what follows.
fn ending(outline: &Outline, service: &Service) -> String {
    let (spec, mut text) = (&service.spec, String::new());
    let restart = match spec.restart {
        RestartPolicy::Always => "always",
        RestartPolicy::OnFailure => "on-failure",
        RestartPolicy::Never => "no",
    };
    let pause = spec.recovery.backoff.min.as_millis();
    let _ = writeln!(text, "Restart={restart}\nRestartSec={pause}ms");
    for (key, exits) in [
        (
            "SuccessExitStatus",
            spec.recovery.success_exit.as_deref().unwrap_or_default(),
        ),
        ("RestartPreventExitStatus", &spec.recovery.fatal_exit),
    ] {
        let words: Vec<String> = exits.iter().filter_map(exit_status).collect();
        if !words.is_empty() {
            let _ = writeln!(text, "{key}={}", words.join(" "));
        }
    }
    let _ = writeln!(text, "TimeoutStartSec={}ms", spec.start_timeout.as_millis());
    let _ = writeln!(
        text,
        "KillMode=mixed\nKillSignal={}",
        signal_name(spec.stop.signal.0)
    );
    let _ = writeln!(text, "TimeoutStopSec={}ms", spec.stop.timeout.as_millis());
    if spec.autostart {
        let _ = write!(text, "\n[Install]\nWantedBy={}.target\n", outline.name);
    }
    text
}

fn exit_status(exit: &Exit) -> Option<String> {
    match exit {
        Exit::Code(code) => Some(code.to_string()),
        Exit::Signal(signal) => Some(signal_name(*signal)),
        Exit::Unknown => None,
    }
}

/// `%` begins a specifier, `$` a variable.
fn escape(text: &str) -> String {
    text.replace('%', "%%").replace('$', "$$")
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+${}".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let escaped = word
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("\"{escaped}\"")
}
