//! One Procfile; the variables of a service stand in front of its command.

use std::fmt::Write as _;

use super::outline::{Outline, Service};

pub fn text(outline: &Outline) -> String {
    let mut text = String::from(
        "# Written by `sentinel export procfile`. A Procfile knows no order, restarts, probes or stop signals.\n",
    );
    text.push_str(&outline.comments());
    for service in &outline.services {
        text.push_str(&line(outline, service));
    }
    text
}

fn line(outline: &Outline, service: &Service) -> String {
    let mut text = String::new();
    for lost in super::rights::unsaid(&service.spec, &[]) {
        let _ = writeln!(text, "# not carried: {lost}");
    }
    if !service.secrets.is_empty() {
        let file = outline.env_file.display();
        let _ = writeln!(
            text,
            "# start it with `--env {file}`, which must hold {}",
            service.secrets.join(", ")
        );
    }
    let env = service
        .env
        .iter()
        .map(|(name, value)| format!("{name}={} ", quote(value)));
    let program = std::iter::once(quote(&service.program));
    let words = service
        .arguments
        .iter()
        .map(|word| word.show(quote_part, |name| format!("\"${{{name}}}\"")));
    let words: Vec<String> = program.chain(words).collect();
    let name: String = service
        .spec
        .name
        .as_str()
        .chars()
        .map(|c| if ".@".contains(c) { '-' } else { c })
        .collect();
    let cwd = quote(&service.spec.cwd.display().to_string());
    let _ = writeln!(
        text,
        "{name}: cd {cwd} && {}exec {}",
        env.collect::<String>(),
        words.join(" ")
    );
    text
}

fn quote(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), std::borrow::Cow::into_owned)
}

/// A piece of a word: nothing stays nothing.
fn quote_part(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        quote(text)
    }
}
