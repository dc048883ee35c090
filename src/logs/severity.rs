//! Whether a line of output tells of an error: judged by its level, where a level stands.

use super::line::Stream;

/// How many bytes and words of a line are looked at: a level stands near the front.
const LOOKED_AT: usize = 400;
const WORDS: usize = 8;

/// Whether a line tells of an error.
///
/// A line that names its level is judged by it, whatever its stream: Python's `logging` writes
/// `INFO` to standard error. Without a level, a line is an error when it is on standard error, or begins as a
/// panic, a traceback or an exception does. Words in the message (`0 errors`, `error code 0`) are no level.
#[must_use]
pub fn is_error(stream: Stream, text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&text[..text.len().min(LOOKED_AT)]);
    let text = without_colours(&text);
    match level(&text) {
        Some(level) => level == Level::Error,
        None => stream == Stream::Stderr && !text.trim().is_empty() || is_outcry(text.trim_start()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Error,
    Below,
}

/// Not `alert`: on a trading host that is a price.
const ERRORS: [&str; 9] = [
    "error",
    "err",
    "fatal",
    "critical",
    "crit",
    "panic",
    "emerg",
    "emergency",
    "severe",
];
const BELOW: [&str; 9] = [
    "warning",
    "warn",
    "notice",
    "info",
    "information",
    "debug",
    "trace",
    "verbose",
    "fine",
];

/// A word that is a level, in whatever case.
fn level_of(word: &str) -> Option<Level> {
    let is = |level: &&str| word.eq_ignore_ascii_case(level);
    if ERRORS.iter().any(is) {
        return Some(Level::Error);
    }
    BELOW.iter().any(is).then_some(Level::Below)
}

/// The first level that stands where levels stand.
fn level(text: &str) -> Option<Level> {
    if text.trim_start().starts_with('{') {
        return level_in_json(text);
    }
    let words = text
        .split(|c: char| c.is_whitespace() || c == '|')
        .filter(|word| !word.is_empty());
    words
        .take(WORDS)
        .enumerate()
        .find_map(|(index, word)| level_in_word(index, word))
}

/// `ERROR`, `[error]`, `<Error>`, `error:`, `level=error`, `ERROR:root:text`, and glog's `E1121` in front.
fn level_in_word(index: usize, word: &str) -> Option<Level> {
    if let Some((key, value)) = word.split_once('=') {
        return is_level_key(key)
            .then(|| level_of(value.trim_matches('"')))
            .flatten();
    }
    if index == 0 && is_glog(word) {
        return Some(if word.starts_with(['E', 'F']) {
            Level::Error
        } else {
            Level::Below
        });
    }
    let bare = word
        .split(':')
        .next()
        .unwrap_or(word)
        .trim_matches(['[', ']', '<', '>', '(', ')']);
    let marked = bare.len() < word.len();
    let shouted = bare.bytes().all(|byte| byte.is_ascii_uppercase());
    // A lower-case word is a level only with its mark: "error: x", "[error]", not "an error".
    if marked || shouted { level_of(bare) } else { None }
}

fn is_level_key(key: &str) -> bool {
    ["level", "lvl", "severity", "levelname", "log.level"]
        .iter()
        .any(|known| key.eq_ignore_ascii_case(known))
}

/// `E1121`, `I1121`: a letter for the level, then month and day.
fn is_glog(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.len() == 5 && b"IWEF".contains(&bytes[0]) && bytes[1..].iter().all(u8::is_ascii_digit)
}

/// The value of `"level"` in a line that is a JSON object; the line may be cut, so it is not parsed.
fn level_in_json(text: &str) -> Option<Level> {
    let mut strings = text.split('"').skip(1).step_by(2);
    strings.find(|key| is_level_key(key))?;
    level_of(strings.next()?)
}

/// `Traceback (most recent call last)`, `thread 'x' panicked at`, `ValueError: x`, `Uncaught …`, `goroutine 1 …`.
fn is_outcry(text: &str) -> bool {
    const BEGINNINGS: [&str; 6] = [
        "Traceback (most recent call last)",
        "panic: ",
        "Uncaught ",
        "Unhandled ",
        "Segmentation fault",
        "Aborted",
    ];
    let first = text.split_whitespace().next().unwrap_or_default();
    let exception = first.strip_suffix(':').is_some_and(|name| {
        let name = name.rsplit('.').next().unwrap_or(name);
        name.starts_with(|c: char| c.is_ascii_uppercase())
            && (name.ends_with("Error") || name.ends_with("Exception"))
    });
    let panicked = text.starts_with("thread '") && text.contains("' panicked at ");
    exception || panicked || BEGINNINGS.iter().any(|beginning| text.starts_with(beginning))
}

/// The text without ANSI's colour sequences (`ESC [ … m`).
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_seen_on_standard_output() {
        for line in [
            "ERROR: cannot bind port 8765",
            "error: no such file",
            "Error: listen EADDRINUSE",
            "fatal: repository not found",
            "[error] 12#0: upstream timed out",
            "2026/11/21 08:41:00 [error] 12#0: upstream timed out",
            "2026-11-21 08:41:00,123 - trade_stream - ERROR - not connected",
            "2026-11-21 08:41:00,123 CRITICAL main no credentials",
            "2026-11-21T08:41:00.123456Z ERROR trade_stream::upstream: closed",
            "\x1b[2m2026-11-21T08:41:00Z\x1b[0m \x1b[31mERROR\x1b[0m upstream closed",
            "ERROR:root:not connected",
            "E1121 08:41:00.123456 17 main.go:10] no",
            "time=\"2026-11-21\" level=error msg=\"no\"",
            "level=fatal msg=no",
            r#"{"time":"2026-11-21","level":"error","msg":"no"}"#,
            r#"{"severity":"CRITICAL","msg":"no"}"#,
            "2026-11-21 08:41:00.1 | ERROR    | main:10 - no",
            "Traceback (most recent call last):",
            "ValueError: invalid literal",
            "requests.exceptions.ConnectionError: refused",
            "TypeError: x is not a function",
            "panic: runtime error: index out of range",
            "thread 'main' panicked at src/main.rs:1:1:",
            "Segmentation fault (core dumped)",
        ] {
            assert!(is_error(Stream::Stdout, line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn words_in_a_message_are_no_level() {
        for line in [
            "0 errors, 3 warnings",
            "request done with error code 0",
            "no error found",
            "INFO: recovered from error: timeout",
            "2026-11-21 INFO retry after ERROR was seen",
            "error_count=0 level=info",
            "errors=0",
            "listening; panic button armed",
            r#"{"level":"info","msg":"error"}"#,
            r#"{"msg":"level"}"#,
            "I1121 08:41:00.123456 17 main.go:10] error: none",
            "ALERT BTC above 100000",
            "Errorless day",
            "terror: a film",
            "",
            "   ",
        ] {
            assert!(!is_error(Stream::Stdout, line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn standard_error_counts_unless_its_level_says_otherwise() {
        for line in ["cannot open display", "  File \"main.py\", line 3", "\u{fffd}"] {
            assert!(is_error(Stream::Stderr, line.as_bytes()), "{line}");
        }
        for line in [
            "INFO:root:started",
            "2026-11-21 08:41:00 - main - WARNING - slow",
            "[debug] x",
            "",
            " ",
        ] {
            assert!(!is_error(Stream::Stderr, line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn any_bytes_are_judged_without_a_panic() {
        let long = [b"ERROR ".as_slice(), &[0xf0; 2 * LOOKED_AT]].concat();
        assert!(is_error(Stream::Stdout, &long));
        assert!(!is_error(Stream::Stdout, &[0xff; 10]));
    }
}
