//! Numbers and foreign text as people read them.

use std::borrow::Cow;

/// `0.4 s`, `12 s`, `2m 05s`, `3h 20m`, `12d 4h`; at most 7 characters below 1000 days.
#[must_use]
pub fn uptime(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..10 => format!("{:.1} s", seconds.max(0.0)),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{}m {:02}s", whole / 60, whole % 60),
        3600..86_400 => format!("{}h {:02}m", whole / 3600, whole / 60 % 60),
        _ => format!("{}d {}h", whole / 86_400, whole / 3600 % 24),
    }
}

/// `0.04 s`, `0.4 s`, `12.0 s`.
#[must_use]
pub fn seconds(ms: f64) -> String {
    let digits = if ms < 95.0 { 2 } else { 1 };
    format!("{:.digits$} s", ms / 1000.0)
}

/// `0.8 ms`, `12 ms`, `1.2 s`.
#[must_use]
pub fn latency(ms: f64) -> String {
    match ms {
        ..10.0 => format!("{ms:.1} ms"),
        ..1000.0 => format!("{ms:.0} ms"),
        _ => seconds(ms),
    }
}

/// `6.2 MB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    let mb = count as f64 / 1_000_000.0;
    if mb < 1000.0 {
        format!("{mb:.1} MB")
    } else {
        format!("{:.1} GB", mb / 1000.0)
    }
}

/// `1 client`, `3 clients`.
#[must_use]
pub fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Text from elsewhere, unable to move the cursor or to break a line.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        let replace = |c: char| {
            if c == '\t' {
                ' '
            } else if c.is_control() {
                '?'
            } else {
                c
            }
        };
        Cow::Owned(text.chars().map(replace).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// Shortened in its middle, since names of one family differ at both ends.
#[must_use]
pub fn shorten(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(2);
    let tail = kept / 2;
    let head: String = text.chars().take(kept - tail).collect();
    let end: String = text.chars().skip(length - tail).collect();
    format!("{head}..{end}").chars().take(width).collect()
}

/// Broken into lines of at most `width` characters, between words where possible.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(8);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        if used > 0 && used + 1 + rest.len() <= width {
            push(&mut lines, " ");
            used += 1;
        } else if used > 0 {
            lines.push(String::new());
            used = 0;
        }
        while rest.len() > width - used {
            let tail = rest.split_off(width - used);
            push(&mut lines, &rest.iter().collect::<String>());
            lines.push(String::new());
            (rest, used) = (tail, 0);
        }
        push(&mut lines, &rest.iter().collect::<String>());
        used += rest.len();
    }
    lines
}

fn push(lines: &mut [String], text: &str) {
    if let Some(line) = lines.last_mut() {
        line.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptimes_fit_their_column() {
        for (seconds, text) in [
            (0.42, "0.4 s"),
            (12.5, "12 s"),
            (125.0, "2m 05s"),
            (3600.0 * 3.0 + 1200.0, "3h 20m"),
            (86_400.0 * 12.0 + 4.0 * 3600.0, "12d 4h"),
            (86_400.0 * 999.0, "999d 0h"),
            (-1.0, "0.0 s"),
        ] {
            assert_eq!(uptime(seconds), text);
            assert!(text.len() <= 7);
        }
    }

    #[test]
    fn small_latencies_keep_a_digit() {
        assert_eq!(
            [latency(0.84), latency(12.4), latency(1234.0)],
            ["0.8 ms", "12 ms", "1.2 s"]
        );
        assert_eq!(
            [seconds(4.0), seconds(94.0), seconds(96.0)],
            ["0.00 s", "0.09 s", "0.1 s"]
        );
        assert_eq!([bytes(6_291_456), bytes(2_500_000_000)], ["6.3 MB", "2.5 GB"]);
    }

    #[test]
    fn names_are_shortened_in_the_middle() {
        assert_eq!(shorten("auto_entry_supervisor_user_0001", 16), "auto_en..er_0001");
        assert_eq!(shorten("short", 16), "short");
    }

    #[test]
    fn wrapped_lines_keep_to_the_width() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("/a/very/long/path x", 8), ["/a/very/", "long/pat", "h x"]);
        assert_eq!(wrap("", 8), [""]);
    }
}
