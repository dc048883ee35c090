//! Durations, signals, urls and addresses: text to value, or a sentence that says what is wrong.

use std::time::Duration;

use super::keys::nearest;
use crate::service::{SIGNAL_NAMES, StopSignal};

/// What is wrong with a text, and the way out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) help: String,
}

pub(super) fn wrong(message: impl Into<String>, help: impl Into<String>) -> Wrong {
    Wrong {
        message: message.into(),
        help: help.into(),
    }
}

/// The longest duration; longer ones are slips, and this keeps clock arithmetic far from its limits.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// `250ms`, `1.5s`, `10s`, `5m`, `1h`.
pub(super) fn duration(text: &str) -> Result<Duration, Wrong> {
    let bad = || {
        wrong(
            format!("\"{text}\" is not a duration"),
            "write a number and its unit, like \"250ms\", \"10s\", \"5m\" or \"1h\"",
        )
    };
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .ok_or_else(bad)?;
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(bad()),
    };
    let number: f64 = number.parse().map_err(|_| bad())?;
    match Duration::try_from_secs_f64(number * unit) {
        Ok(duration) if duration <= LONGEST => Ok(duration),
        Ok(_) | Err(_) => Err(wrong(
            format!("\"{text}\" is too long"),
            "the longest duration is a year, \"8760h\"",
        )),
    }
}

/// A duration, or `7d`, `4w`.
pub(super) fn days(text: &str) -> Result<Duration, Wrong> {
    let hours = |number: &str, each: f64| {
        let number: f64 = number.parse().ok().filter(|number: &f64| number.is_finite())?;
        Some(format!("{}h", number * each))
    };
    let rewritten = match (text.strip_suffix('d'), text.strip_suffix('w')) {
        (Some(days), _) => hours(days, 24.0),
        (None, Some(weeks)) => hours(weeks, 7.0 * 24.0),
        (None, None) => None,
    };
    duration(rewritten.as_deref().unwrap_or(text)).map_err(|mut wrong| {
        if wrong.message.ends_with("not a duration") {
            wrong.message = format!("\"{text}\" is not a duration");
            wrong.help = "write a number and its unit, like \"12h\", \"7d\" or \"4w\"".into();
        }
        wrong
    })
}

/// A size for each second, like `10MiB/s`.
pub(super) fn rate(text: &str) -> Result<u64, Wrong> {
    let bad = || {
        wrong(
            format!("\"{text}\" is not a rate"),
            "write how much in a second, like \"512KiB/s\" or \"10MiB/s\"",
        )
    };
    super::size::size(text.strip_suffix("/s").ok_or_else(bad)?).map_err(|_| bad())
}

/// `SIGTERM`, `TERM`, `term`.
pub(super) fn signal(text: &str) -> Result<StopSignal, Wrong> {
    StopSignal::parse(text).ok_or_else(|| {
        let upper = text.to_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let help = match nearest(name, SIGNAL_NAMES.into_iter()) {
            Some(near) => format!("did you mean \"SIG{near}\"?"),
            None => "write its name or number, like \"SIGTERM\" or 15".into(),
        };
        wrong(format!("\"{text}\" is not a signal"), help)
    })
}

/// Whether a probe can ask this url. The url itself is not repeated: variables may have brought a secret.
pub(super) fn url(scheme: &str, text: &str) -> Result<(), Wrong> {
    let example = format!("write it like \"{scheme}://127.0.0.1:8765\"");
    if text.starts_with(&format!("{scheme}s://")) {
        return Err(wrong(
            format!("probes ask local services without TLS, not `{scheme}s://`"),
            format!("probe the service's own port with `{scheme}://`"),
        ));
    }
    if !text.starts_with(&format!("{scheme}://")) {
        return Err(wrong(
            format!("the url of `{scheme}` starts with `{scheme}://`"),
            example,
        ));
    }
    let uri: hyper::Uri = text
        .parse()
        .map_err(|error| wrong(format!("not a url: {error}"), &*example))?;
    let authority = uri.authority().map_or("", hyper::http::uri::Authority::as_str);
    if authority.contains('@') {
        return Err(wrong(
            "a probe sends no user and password",
            "leave out what stands before `@`",
        ));
    }
    match authority.strip_prefix(uri.host().unwrap_or_default()) {
        Some("") if !authority.is_empty() => Ok(()),
        Some(port) if port.len() < authority.len() => port
            .strip_prefix(':')
            .and_then(self::port)
            .map(|_| ())
            .ok_or_else(|| wrong("the url's port is not between 1 and 65535", example)),
        Some(_) | None => Err(wrong("the url names no host", example)),
    }
}

/// Whether this is `host:port`.
pub(super) fn address(text: &str) -> Result<(), Wrong> {
    let legal = |host: &str| {
        !host.is_empty()
            && !host.contains(['/', '@', ' '])
            && (!host.contains(':') || host.starts_with('[') && host.ends_with(']'))
    };
    text.rsplit_once(':')
        .filter(|(host, port)| legal(host) && self::port(port).is_some())
        .map(|_| ())
        .ok_or_else(|| {
            wrong(
                "`tcp` wants host:port",
                "write it like \"127.0.0.1:8765\" or \"[::1]:8765\"",
            )
        })
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0)
}
