//! The stream's dashboard: what the `health` answer of a stream tells a person.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::status::Service;
use crate::words::duration;

/// One figure of the dashboard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Figure {
    /// What it is.
    pub label: &'static str,
    /// How it is.
    pub value: String,
    /// Whether it wants the eye.
    pub alarm: bool,
}

/// The figures of the first service that answers as a stream: what depends on it repeats its answer.
#[must_use]
pub fn figures(services: &[Service], now: Timestamp) -> Vec<Figure> {
    let mut answers = services.iter().map(|service| &service.health.detail);
    let answer =
        answers.find(|detail| detail["type"] == "health" && detail["alpaca_task_status"].is_string());
    answer.map(|answer| read(answer, now)).unwrap_or_default()
}

fn read(answer: &Value, now: Timestamp) -> Vec<Figure> {
    let unhealthy = answer["healthy"] == false;
    let market = answer["market"].as_str().unwrap_or("unknown");
    let figures = [
        Some(figure("Upstream", upstream(answer), unhealthy)),
        number(answer, "trades_per_minute").map(|n| figure("Trades per minute", grouped(n), false)),
        number(answer, "bars_per_minute").map(|n| figure("Bars per minute", grouped(n), false)),
        answer
            .get("last_bar_age_s")
            .map(|age| figure("Last bar", bar_age(age), false)),
        Some(figure("Silence", silence(answer), unhealthy && market == "open")),
        Some(figure("Market", market.into(), false)),
        number(answer, "reconnects").map(|n| figure("Reconnections", grouped(n), answer["flapping"] == true)),
        Some(figure(
            "Connected for",
            since(answer, "connection_established_at", now),
            false,
        )),
        answer["uptime_percent"]
            .as_f64()
            .map(|share| figure("Connection uptime", percent(share), false)),
        answer["active_symbols"]
            .as_array()
            .map(|symbols| figure("Symbols", symbols.len().to_string(), false)),
        number(answer, "total_clients").map(|n| figure("Clients", grouped(n), false)),
    ];
    figures.into_iter().flatten().collect()
}

fn figure(label: &'static str, value: String, alarm: bool) -> Figure {
    Figure { label, value, alarm }
}

fn upstream(answer: &Value) -> String {
    let feed = answer["feed"].as_str().unwrap_or("feed");
    let state = match answer["alpaca_task_status"].as_str().unwrap_or_default() {
        "not_started" => "waits for the first subscription".into(),
        "running" => "connected".into(),
        "dead" => "given up".into(),
        other => other.replace('_', " "),
    };
    format!("{feed}: {state}")
}

fn silence(answer: &Value) -> String {
    answer["silence_s"].as_f64().map_or("–".into(), duration)
}

fn since(answer: &Value, field: &str, now: Timestamp) -> String {
    let at = answer[field].as_str().and_then(|at| at.parse::<Timestamp>().ok());
    at.map_or("–".into(), |at| duration(now.duration_since(at).as_secs_f64()))
}

fn bar_age(age: &Value) -> String {
    age.as_f64()
        .map_or("none yet".into(), |age| format!("{} ago", duration(age)))
}

/// `99.98 %`; only what is all is told as 100.
fn percent(share: f64) -> String {
    if share >= 100.0 {
        "100 %".into()
    } else {
        format!("{:.2} %", (share * 100.0).floor() / 100.0)
    }
}

fn number(answer: &Value, field: &str) -> Option<u64> {
    answer[field].as_u64()
}

/// `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(detail: Value) -> Vec<(&'static str, String, bool)> {
        let mut service = Service::default();
        service.health.detail = detail;
        let now = "2026-01-05T15:00:00Z".parse().expect("a time");
        let figures = figures(&[Service::default(), service], now);
        figures.into_iter().map(|f| (f.label, f.value, f.alarm)).collect()
    }

    #[test]
    fn a_stream_is_told_in_figures() {
        let told = told(json!({
            "type": "health", "healthy": true, "feed": "iex", "alpaca_task_status": "running",
            "market": "open", "silence_s": 0.25, "trades_per_minute": 12345, "reconnects": 2,
            "connection_established_at": "2026-01-05T14:57:55Z", "active_symbols": ["A"], "total_clients": 3,
            "bars_per_minute": 1, "last_bar_age_s": 42.0, "uptime_percent": 99.999,
        }));
        let expected = [
            ("Upstream", "iex: connected"),
            ("Trades per minute", "12,345"),
            ("Bars per minute", "1"),
            ("Last bar", "42 s ago"),
            ("Silence", "0.2 s"),
            ("Market", "open"),
            ("Reconnections", "2"),
            ("Connected for", "2m 05s"),
            ("Connection uptime", "99.99 %"),
            ("Symbols", "1"),
            ("Clients", "3"),
        ];
        assert_eq!(
            told,
            expected.map(|(label, value)| (label, value.to_owned(), false))
        );
    }

    #[test]
    fn silence_in_an_open_market_is_an_alarm_when_the_stream_says_so() {
        let answer = |market| {
            told(
                json!({"type": "health", "healthy": false, "alpaca_task_status": "reconnecting",
                        "market": market, "silence_s": 40.0}),
            )
        };
        assert_eq!(answer("open")[0], ("Upstream", "feed: reconnecting".into(), true));
        assert_eq!(answer("open")[1], ("Silence", "40 s".into(), true));
        assert_eq!(answer("closed")[1], ("Silence", "40 s".into(), false));
    }

    #[test]
    fn what_is_no_stream_has_no_figures() {
        for detail in [
            json!(null),
            json!("healthy"),
            json!({"type": "health"}),
            json!([1]),
        ] {
            assert_eq!(told(detail), []);
        }
    }
}
