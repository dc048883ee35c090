//! One supervisord.conf.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::outline::{Outline, Service};
use super::rights;
use crate::service::{Exit, RestartPolicy, Spec, signal_name};

pub fn text(outline: &Outline) -> String {
    let mut text = String::from(
        "; Written by `sentinel export supervisord`.\n[unix_http_server]\nfile=%(here)s/supervisor.sock\nchmod=0700\n\n\
         [supervisord]\npidfile=%(here)s/supervisord.pid\n\n\
         [rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\n\
         [supervisorctl]\nserverurl=unix://%(here)s/supervisor.sock\n",
    );
    text.push_str(&outline.comments().replace("# ", "; "));
    for (index, service) in outline.services.iter().enumerate() {
        text.push_str(&program(outline, service, index));
    }
    text.push_str(&groups(outline));
    text
}

/// `[group:NAME]` of each, with its programs.
fn groups(outline: &Outline) -> String {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for service in &outline.services {
        if let Some(group) = &service.spec.group {
            groups.entry(group).or_default().push(service.spec.name.as_str());
        }
    }
    groups
        .iter()
        .map(|(group, programs)| format!("\n[group:{group}]\nprograms={}\n", programs.join(",")))
        .collect()
}

fn program(outline: &Outline, service: &Service, index: usize) -> String {
    let spec = &service.spec;
    let mut text = String::from("\n");
    for name in &spec.after {
        let _ = writeln!(
            text,
            "; starts after {name}, by its priority alone: supervisord does not wait until that is ready"
        );
    }
    let unsaid = rights::unsaid(spec, &rights::SAID_BY_SUPERVISORD);
    for lost in service.probes().into_iter().chain(unsaid) {
        let _ = writeln!(text, "; not carried: {lost}");
    }
    let reference = |name: &str| format!("%(ENV_{name})s");
    let words = service.arguments.iter().map(|word| word.show(percent, reference));
    let words: Vec<String> = std::iter::once(percent(&service.program)).chain(words).collect();
    let words = words.iter().map(|word| shell_quote(word));
    let _ = writeln!(
        text,
        "[program:{}]\ncommand={}",
        spec.name,
        words.collect::<Vec<_>>().join(" ")
    );
    let _ = writeln!(
        text,
        "directory={}\npriority={}",
        percent(&spec.cwd.display().to_string()),
        (index + 1) * 10
    );
    if !spec.autostart {
        text.push_str("autostart=false\n");
    }
    text.push_str(&rights::supervisord(spec));
    text.push_str(&environment(outline, service));
    text.push_str(&ending(outline, service));
    text
}

/// Its variables, and where the secret ones come from.
fn environment(outline: &Outline, service: &Service) -> String {
    let mut text = String::new();
    let (open, hopeless): (Vec<_>, Vec<_>) = service.env.iter().partition(|(_, value)| sayable(value));
    for (name, _) in hopeless {
        let _ = writeln!(
            text,
            "; not carried: the value of {name} holds what `environment` has no way to write"
        );
    }
    let pairs = open
        .into_iter()
        .map(|(name, value)| format!("{name}={}", value_quote(&percent(value))));
    let secrets = service
        .secrets
        .iter()
        .map(|name| format!("{name}=\"%(ENV_{name})s\""));
    let pairs: Vec<String> = pairs.chain(secrets).collect();
    if !pairs.is_empty() {
        let _ = writeln!(text, "environment={}", pairs.join(","));
    }
    if !service.secrets.is_empty() {
        let file = outline.env_file.display();
        let _ = writeln!(
            text,
            "; secrets come from supervisord's own environment: set -a; . {file}; supervisord"
        );
    }
    text
}

/// How it ends, and what follows.
fn ending(outline: &Outline, service: &Service) -> String {
    let (spec, mut text) = (&service.spec, String::new());
    let restart: String = match spec.restart {
        RestartPolicy::Always if spec.recovery.success_exit.is_none() => "autorestart=true".into(),
        RestartPolicy::Always | RestartPolicy::OnFailure => {
            format!("autorestart=unexpected\nexitcodes={}", exit_codes(spec))
        }
        RestartPolicy::Never => "autorestart=false".into(),
    };
    let _ = writeln!(
        text,
        "{restart}\nstartsecs={}\nstartretries={}",
        seconds(spec.min_uptime),
        spec.max_restarts
    );
    let signal = signal_name(spec.stop.signal.0);
    let _ = writeln!(
        text,
        "stopsignal={}\nstopwaitsecs={}",
        signal.trim_start_matches("SIG"),
        seconds(spec.stop.timeout)
    );
    text.push_str("stopasgroup=true\nkillasgroup=true\nredirect_stderr=true\n");
    let log = outline.log_dir.join(format!("{}.log", spec.name));
    let _ = writeln!(text, "stdout_logfile={}", percent(&log.display().to_string()));
    text
}

/// The codes of a good end; of signals supervisord does not ask.
fn exit_codes(spec: &Spec) -> String {
    let code = |exit: &Exit| match exit {
        Exit::Code(code) => Some(code.to_string()),
        Exit::Signal(_) | Exit::Unknown => None,
    };
    let codes = spec.recovery.success_exit.iter().flatten();
    let codes: Vec<String> = codes.filter_map(code).collect();
    match codes.is_empty() {
        true => "0".into(),
        false => codes.join(","),
    }
}

/// supervisord counts whole seconds.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

fn percent(text: &str) -> String {
    text.replace('%', "%%")
}

/// A word for shlex. `;` and `#` after white space would begin a comment of the file: quotes keep them apart.
fn shell_quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+()".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut quoted = String::from("'");
    let mut before = 'x';
    for c in word.chars() {
        match c {
            '\'' => quoted.push_str("'\"'\"'"),
            // A line cannot break here; to most programs a space says the same.
            '\n' => quoted.push(' '),
            ';' | '#' if before.is_whitespace() => {
                quoted.push_str("''");
                quoted.push(c);
            }
            c => quoted.push(c),
        }
        before = c;
    }
    quoted.push('\'');
    quoted
}

/// Whether `environment` can hold a value: it knows quotes, no way to write one inside of them, and comments.
fn sayable(value: &str) -> bool {
    let comment = [" ;", " #", "\t;", "\t#"]
        .iter()
        .any(|start| value.contains(start));
    let both_quotes = value.contains('"') && value.contains('\'');
    !(comment || both_quotes || value.contains('\n'))
}

fn value_quote(value: &str) -> String {
    if value.contains('"') {
        format!("'{value}'")
    } else {
        format!("\"{value}\"")
    }
}
