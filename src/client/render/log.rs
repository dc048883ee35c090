//! One line of a service's output, as it is shown.

use jiff::tz::TimeZone;
use serde_json::json;

use crate::logs::line::leading_time;
use crate::logs::{Entry, severity};

use super::Paint;

/// How a log line is looked at.
#[derive(Clone, Debug)]
pub struct EntryView {
    /// The width of the names before the lines; none: one service, no name.
    pub name_width: Option<usize>,
    /// A terminal: short times, and nothing that moves the cursor.
    pub on_terminal: bool,
    /// Whose clock short times are told by.
    pub zone: TimeZone,
    /// Colours.
    pub paint: Paint,
}

/// `08:41:02.123 trade_stream | text` on a terminal; elsewhere the whole time and the raw text. Ends with a newline.
#[must_use]
pub fn log_entry(entry: &Entry, view: &EntryView) -> Vec<u8> {
    let time = match (entry.at, view.on_terminal) {
        (Some(at), true) => at
            .to_zoned(view.zone.clone())
            .strftime("%H:%M:%S%.3f")
            .to_string(),
        (Some(at), false) => format!("{at:.6}"),
        (None, true) => format!("{:<12}", "-"),
        (None, false) => format!("{:<27}", "-"),
    };
    let mut line = view.paint.faint(&time).into_bytes();
    if let Some(width) = view.name_width {
        let name = format!("{:<width$} |", entry.service);
        line.push(b' ');
        line.extend(view.paint.name(&name, entry.service.as_str()).into_bytes());
    }
    line.push(b' ');
    if view.on_terminal {
        let text = tame(&String::from_utf8_lossy(without_time(entry)));
        let error = severity::is_error(entry.stream, &entry.text);
        line.extend(if error { view.paint.bad(&text) } else { text }.into_bytes());
    } else {
        line.extend(&entry.text);
    }
    line.push(b'\n');
    line
}

/// How far the time that a service writes itself may be from ours to be the same one.
const SAME: jiff::SignedDuration = jiff::SignedDuration::from_secs(10);

/// The text, without the time that the service itself put in front: it would stand there twice.
fn without_time(entry: &Entry) -> &[u8] {
    match (entry.at, leading_time(&entry.text)) {
        (Some(at), Some((own, text))) if at.duration_since(own).abs() < SAME => text,
        (Some(_) | None, Some(_) | None) => &entry.text,
    }
}

/// `{"service", "at", "stream", "text"}` on a line of its own; bytes that are no UTF-8 become U+FFFD.
#[must_use]
pub fn log_entry_json(entry: &Entry) -> Vec<u8> {
    let at = entry.at.map(|at| format!("{at:.6}"));
    let text = String::from_utf8_lossy(&entry.text);
    let document =
        json!({"service": entry.service.as_str(), "at": at, "stream": entry.stream.as_str(), "text": text});
    format!("{document}\n").into_bytes()
}

/// Without control characters, save for tabs and the sequences that only colour (`ESC [ … m`).
fn tame(text: &str) -> String {
    let mut tamed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_control() && c != '\t') {
        tamed.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = colour_length(rest);
        if length > 0 {
            tamed.push_str(&rest[..length]);
        } else {
            tamed.push('?');
        }
        let skipped = if length > 0 {
            length
        } else {
            rest.chars().next().map_or(0, char::len_utf8)
        };
        rest = &rest[skipped..];
    }
    tamed.push_str(rest);
    tamed
}

/// The length of the colour sequence that the text begins with; 0 without one.
fn colour_length(text: &str) -> usize {
    let Some(parameters) = text.strip_prefix("\u{1b}[") else {
        return 0;
    };
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';');
    match end {
        Some(end) if parameters[end..].starts_with('m') => "\u{1b}[".len() + end + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::Stream;
    use crate::service::ServiceName;

    fn entry(text: &str) -> Entry {
        Entry {
            service: ServiceName::parse("trade_stream").expect("a name"),
            at: Some("2026-11-21T08:41:02.123456Z".parse().expect("a time")),
            stream: Stream::Stdout,
            text: text.into(),
        }
    }

    fn shown(text: &str, name_width: Option<usize>, on_terminal: bool) -> String {
        let view = EntryView {
            name_width,
            on_terminal,
            zone: TimeZone::UTC,
            paint: Paint::PLAIN,
        };
        String::from_utf8(log_entry(&entry(text), &view)).expect("text")
    }

    #[test]
    fn people_get_short_times_and_files_whole_ones() {
        assert_eq!(shown("up", Some(14), true), "08:41:02.123 trade_stream   | up\n");
        assert_eq!(shown("up", None, false), "2026-11-21T08:41:02.123456Z up\n");
    }

    #[test]
    fn a_time_stands_there_once() {
        let own = "2026-11-21T08:41:02.1Z  INFO up";
        assert_eq!(shown(own, None, true), "08:41:02.123 INFO up\n");
        assert_eq!(
            shown(own, None, false),
            format!("2026-11-21T08:41:02.123456Z {own}\n")
        );
        let other = "2026-11-20T08:41:02Z bar closed";
        assert_eq!(shown(other, None, true), format!("08:41:02.123 {other}\n"));
    }

    #[test]
    fn columns_stay_in_line_without_a_time() {
        let view = |on_terminal| EntryView {
            name_width: None,
            on_terminal,
            zone: TimeZone::UTC,
            paint: Paint::PLAIN,
        };
        for on_terminal in [true, false] {
            let timed = shown("x", None, on_terminal);
            let untimed = Entry {
                at: None,
                ..entry("x")
            };
            assert_eq!(log_entry(&untimed, &view(on_terminal)).len(), timed.len());
        }
    }

    #[test]
    fn colours_pass_and_the_cursor_stays() {
        assert_eq!(
            shown("\u{1b}[1;31mred\u{1b}[0m\ttab", None, true),
            "08:41:02.123 \u{1b}[1;31mred\u{1b}[0m\ttab\n"
        );
        assert_eq!(
            shown("\u{1b}[2Jgone\r\u{7}\u{1b}", None, true),
            "08:41:02.123 ?[2Jgone???\n"
        );
    }

    #[test]
    fn files_get_the_raw_text() {
        assert_eq!(
            shown("\u{1b}[2J", None, false),
            "2026-11-21T08:41:02.123456Z \u{1b}[2J\n"
        );
    }

    #[test]
    fn json_has_a_line_for_each_entry() {
        assert_eq!(
            String::from_utf8(log_entry_json(&entry("a\"b"))).expect("text"),
            "{\"at\":\"2026-11-21T08:41:02.123456Z\",\"service\":\"trade_stream\",\"stream\":\"stdout\",\"text\":\"a\\\"b\"}\n"
        );
    }
}
