//! PURE: Prometheus' text format, version 0.0.4.

use std::fmt::Write as _;

/// Its media type.
pub const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// An exposition in the making. All samples of a family follow its head.
#[derive(Debug, Default)]
pub struct Text(String);

impl Text {
    /// Begins a family: `gauge` or `counter`.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// One number.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let open = if index == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{open}{label}=\"{}\"", escaped(text));
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{close} {value}");
    }

    /// All of it.
    #[must_use]
    pub fn finish(self) -> String {
        self.0
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_numbers_are_plain() {
        let mut text = Text::default();
        text.family("a_total", "counter", "Counts.");
        text.sample("a_total", &[("x", "q\"b\\s\nn"), ("y", "z")], 3.0);
        text.sample("a_total", &[], 0.25);
        let expected = "# HELP a_total Counts.\n# TYPE a_total counter\na_total{x=\"q\\\"b\\\\s\\nn\",y=\"z\"} 3\na_total 0.25\n";
        assert_eq!(text.finish(), expected);
    }
}
