//! The same as a man page: services.toml(5).

use std::fmt::Write as _;

use super::{Key, Section, intro, sections};

/// The man page, as roff, with a date for its foot.
#[must_use]
pub fn man_page(date: &str) -> String {
    let mut text = format!(
        ".TH services.toml 5 {date} \"sentinel {}\"\n.nh\n.SH NAME\nservices.toml \\- what a host runs under sentinel\n.SH DESCRIPTION\n",
        env!("CARGO_PKG_VERSION")
    );
    for paragraph in intro::FILE {
        let _ = write!(text, "{}\n.PP\n", escape(paragraph));
    }
    // A paragraph that nothing follows is a mistake to readers of man pages.
    text.truncate(text.len() - ".PP\n".len());
    for section in sections() {
        text.push_str(&table(section));
    }
    text.push_str(".SH VALUES\n");
    for (name, meaning) in intro::VALUES {
        let _ = write!(
            text,
            ".TP\n{}\n{}\n",
            escape(name),
            escape(&meaning.replace("\\*", "*"))
        );
    }
    text.push_str(".SH SEE ALSO\n.BR sentinel (1),\n.BR sentinel-check (1),\n.BR sentinel-schema (1)\n");
    text
}

fn table(section: &Section) -> String {
    let title = match section.name {
        "services.toml" => "THE FILE".into(),
        "log" => "[logs], log".into(),
        name => escape(name),
    };
    let mut text = format!(".SH \"{title}\"\n");
    if let Some(intro) = intro::of(section.name) {
        let _ = write!(text, "{}\n.PP\n.nf\n.RS\n", escape(intro.about));
        for line in intro.example.lines() {
            let line = if line.is_empty() {
                "\\&".into()
            } else {
                escape(line)
            };
            let _ = writeln!(text, "{line}");
        }
        text.push_str(".RE\n.fi\n");
    }
    for key in section.keys {
        text.push_str(&entry(key));
    }
    text
}

fn entry(key: &Key) -> String {
    let mut text = format!(".TP\n\\fB{}\\fR\n{}\n", escape(key.name), escape(key.about));
    let _ = writeln!(text, "Takes {}.", escape(&key.wants.in_words()));
    match key.default {
        Some("[]") | None => {}
        Some(default) => {
            let _ = writeln!(text, "Without it: {}.", escape(default));
        }
    }
    text
}

/// Backslashes, hyphens and backticks as roff has them; no line begins with a control character.
fn escape(text: &str) -> String {
    let mut out = String::new();
    let mut code = false;
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '"' => out.push_str("\\(dq"),
            '…' => out.push_str("..."),
            '`' => {
                code = !code;
                out.push_str(if code { "\\fB" } else { "\\fR" });
            }
            c => out.push(c),
        }
    }
    match out.starts_with(['.', '\'']) {
        true => format!("\\&{out}"),
        false => out,
    }
}
