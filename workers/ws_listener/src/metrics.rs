//! Prometheus' text format, <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::Write;

/// Metrics as text, one family after the other.
#[derive(Debug, Default)]
pub struct Metrics(String);

impl Metrics {
    /// A figure that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, help, "gauge");
        self.line(name, value);
    }

    /// A count since the start of the process; its name ends in `_total`.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, help, "counter");
        self.line(name, value);
    }

    /// A count for each value of one label; the values need no escaping.
    pub fn counters(&mut self, name: &str, help: &str, label: &str, values: &[(&str, u64)]) {
        self.family(name, help, "counter");
        for (value, count) in values {
            self.line(&format!("{name}{{{label}=\"{value}\"}}"), count);
        }
    }

    /// A figure that goes up and down, for each value of one label.
    pub fn gauges(&mut self, name: &str, help: &str, label: &str, values: &[(&str, u64)]) {
        self.family(name, help, "gauge");
        for (value, count) in values {
            self.line(&format!("{name}{{{label}=\"{value}\"}}"), count);
        }
    }

    /// How many took how long: pairs of an upper bound in seconds, ascending and last infinity, and a
    /// count; and the sum of all.
    pub fn histogram(&mut self, name: &str, help: &str, buckets: &[(f64, u64)], sum: f64) {
        self.family(name, help, "histogram");
        let mut total = 0;
        for (bound, count) in buckets {
            total += count;
            let bound = if bound.is_finite() {
                bound.to_string()
            } else {
                "+Inf".to_owned()
            };
            self.line(&format!("{name}_bucket{{le=\"{bound}\"}}"), total);
        }
        self.line(&format!("{name}_sum"), sum);
        self.line(&format!("{name}_count"), total);
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.0
    }

    fn family(&mut self, name: &str, help: &str, kind: &str) {
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("into memory");
    }

    fn line(&mut self, name: &str, value: impl std::fmt::Display) {
        writeln!(self.0, "{name} {value}").expect("into memory");
    }
}

#[cfg(test)]
mod tests {
    use super::Metrics;

    #[test]
    fn histograms_add_up() {
        let mut metrics = Metrics::default();
        metrics.histogram("took", "Time.", &[(0.001, 3), (0.5, 2), (f64::INFINITY, 1)], 2.5);
        assert_eq!(
            metrics.text(),
            "# HELP took Time.\n# TYPE took histogram\ntook_bucket{le=\"0.001\"} 3\n\
             took_bucket{le=\"0.5\"} 5\ntook_bucket{le=\"+Inf\"} 6\ntook_sum 2.5\ntook_count 6\n"
        );
    }

    #[test]
    fn families_are_written_as_prometheus_reads_them() {
        let mut metrics = Metrics::default();
        metrics.gauge("clients", "Clients now.", 2.0);
        metrics.counters("gaps_total", "Gaps.", "reason", &[("slow", 1), ("upstream", 0)]);
        assert_eq!(
            metrics.text(),
            "# HELP clients Clients now.\n# TYPE clients gauge\nclients 2\n\
             # HELP gaps_total Gaps.\n# TYPE gaps_total counter\n\
             gaps_total{reason=\"slow\"} 1\ngaps_total{reason=\"upstream\"} 0\n"
        );
    }
}
