//! Property lists for macOS, one per service.

use std::fmt::Write as _;

use super::File;
use super::outline::{Outline, Service};
use crate::service::RestartPolicy;

pub fn files(outline: &Outline) -> Vec<File> {
    let file = |service: &Service| File {
        name: format!("{}.plist", label(outline, service)),
        text: text(outline, service),
    };
    outline.services.iter().map(file).collect()
}

fn label(outline: &Outline, service: &Service) -> String {
    format!("local.{}.{}", outline.name, service.spec.name)
}

fn text(outline: &Outline, service: &Service) -> String {
    let spec = &service.spec;
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
         \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n",
    );
    for lost in spec
        .after
        .iter()
        .map(|name| format!("after {name}"))
        .chain(service.probes())
        .chain(super::rights::unsaid(spec, &super::rights::SAID_BY_OTHERS))
        .chain(outline.unsaid.clone())
    {
        let _ = writeln!(
            text,
            "<!-- not carried: {} -->",
            escape(&lost).replace("--", "- -")
        );
    }
    let _ = write!(
        text,
        "<plist version=\"1.0\">\n<dict>\n  <key>Label</key><string>{}</string>\n",
        label(outline, service)
    );
    text.push_str("  <key>ProgramArguments</key>\n  <array>\n");
    for word in arguments(outline, service) {
        let _ = writeln!(text, "    <string>{}</string>", escape(&word));
    }
    let _ = writeln!(
        text,
        "  </array>\n  <key>WorkingDirectory</key><string>{}</string>",
        escape(&spec.cwd.display().to_string())
    );
    if !service.env.is_empty() {
        text.push_str("  <key>EnvironmentVariables</key>\n  <dict>\n");
        for (name, value) in &service.env {
            let _ = writeln!(
                text,
                "    <key>{}</key><string>{}</string>",
                escape(name),
                escape(value)
            );
        }
        text.push_str("  </dict>\n");
    }
    text.push_str(&life(outline, service));
    text
}

/// When it runs, how long it may take to end, where its output goes.
fn life(outline: &Outline, service: &Service) -> String {
    let (spec, mut text) = (&service.spec, String::new());
    let keep = match spec.restart {
        RestartPolicy::Always => "<true/>",
        RestartPolicy::OnFailure => "<dict><key>SuccessfulExit</key><false/></dict>",
        RestartPolicy::Never => "<false/>",
    };
    if !spec.autostart {
        // `launchctl enable` is what starts it then.
        text.push_str("  <key>Disabled</key><true/>\n");
    }
    let _ = writeln!(
        text,
        "  <key>RunAtLoad</key><true/>\n  <key>KeepAlive</key>{keep}"
    );
    let _ = writeln!(
        text,
        "  <key>ExitTimeOut</key><integer>{}</integer>",
        spec.stop.timeout.as_secs().max(1)
    );
    let log = escape(
        &outline
            .log_dir
            .join(format!("{}.log", spec.name))
            .display()
            .to_string(),
    );
    let _ = writeln!(text, "  <key>StandardOutPath</key><string>{log}</string>");
    let _ = writeln!(
        text,
        "  <key>StandardErrorPath</key><string>{log}</string>\n</dict>\n</plist>"
    );
    text
}

/// launchd cannot read a file of secrets, so a shell does, and then becomes the service.
fn arguments(outline: &Outline, service: &Service) -> Vec<String> {
    let quote =
        |text: &str| shlex::try_quote(text).map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned);
    let part = |text: &str| {
        if text.is_empty() {
            String::new()
        } else {
            quote(text)
        }
    };
    if service.secrets.is_empty() {
        let words = service
            .arguments
            .iter()
            .map(|word| word.show(str::to_owned, str::to_owned));
        return std::iter::once(service.program.clone()).chain(words).collect();
    }
    let words = service
        .arguments
        .iter()
        .map(|word| word.show(part, |name| format!("\"${{{name}}}\"")));
    let words: Vec<String> = std::iter::once(quote(&service.program)).chain(words).collect();
    let file = quote(&outline.env_file.display().to_string());
    vec![
        "/bin/sh".into(),
        "-c".into(),
        format!("set -a; . {file}; set +a; exec {}", words.join(" ")),
    ]
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
