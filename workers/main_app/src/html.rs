//! The pages as HTML. Everything that is not ours is escaped here, and nowhere else.

use std::fmt::Write as _;

use crate::Stream;
use crate::actions::Said;
use crate::fact_view::FactRow;
use crate::stream_view::Figure;
use crate::table_view::{PORTS, Plain, SCHEDULES};
use crate::view::{Row, Tone, View};

const TAPE: &str = include_str!("../assets/tape.html");
const SYSTEM: &str = include_str!("../assets/system.html");

/// Time and Sales.
#[must_use]
pub fn tape(stream: &Stream) -> String {
    let url = stream.url.as_deref().unwrap_or_default();
    TAPE.replace("{stream_port}", &stream.port.to_string())
        .replace("{stream_url}", &escape(url))
}

/// The system page, complete without any script.
#[must_use]
pub fn system(view: &View, facts: &[FactRow], actions: &Said) -> String {
    SYSTEM
        .replace("{actions}", if *actions == Said::On { "on" } else { "off" })
        .replace("{why_off}", &why_off(actions))
        .replace("{tone}", tone(view.tone))
        .replace("{ports_head}", &head(&PORTS))
        .replace("{schedules_head}", &head(&SCHEDULES))
        // What may hold foreign text comes last, so that none of it is taken for a place.
        .replace("{figures}", &view.stream.iter().map(figure).collect::<String>())
        .replacen("{ports}", &plain(&view.ports, &PORTS), 1)
        .replacen("{schedules}", &plain(&view.schedules, &SCHEDULES), 1)
        .replacen("{ledger}", &facts.iter().map(fact).collect::<String>(), 1)
        .replacen("{rows}", &view.services.iter().map(row).collect::<String>(), 1)
        .replacen("{detail}", &escape(&view.detail), 1)
        .replacen("{headline}", &escape(&view.headline), 1)
}

fn why_off(actions: &Said) -> String {
    match actions {
        Said::On => String::new(),
        Said::Off(why) => escape(why),
    }
}

fn head(labels: &[&str]) -> String {
    let cell = |label: &&str| format!(r#"<th scope="col">{label}</th>"#);
    labels.iter().map(cell).collect()
}

/// Rows of a table that is only read.
fn plain(rows: &[Plain], labels: &[&str]) -> String {
    let mut html = String::new();
    for row in rows {
        let _ = write!(html, r#"<tr data-tone="{}">"#, tone(row.tone));
        for (place, (cell, label)) in row.cells.iter().zip(labels).enumerate() {
            let cell = escape(cell);
            let _ = match place {
                0 => write!(html, r#"<th scope="row">{cell}</th>"#),
                _ => write!(html, r#"<td data-label="{label}">{cell}</td>"#),
            };
        }
        html.push_str("</tr>\n");
    }
    html
}

fn fact(fact: &FactRow) -> String {
    let service = fact.service.as_deref().map(escape).unwrap_or_default();
    let (at, what, words) = (escape(&fact.at), escape(&fact.what), escape(&fact.words));
    let clock = at.get(11..19).unwrap_or(&at);
    format!(
        r#"<li><time datetime="{at}">{clock}</time><span class="badge" data-tone="{tone}">{what}</span><span class="what"><b>{service}</b> {words}</span></li>
"#,
        tone = tone(fact.tone)
    )
}

fn row(row: &Row) -> String {
    let mut html = String::new();
    let tone = tone(row.tone);
    let name = escape(&row.name);
    let reason = row.reason.as_deref().map(escape).unwrap_or_default();
    let _ = write!(
        html,
        r#"<tr data-tone="{tone}"><th scope="row"><span class="name">{name}</span><span class="reason">{reason}</span></th>"#
    );
    let state = format!(
        r#"<span class="badge" data-tone="{tone}">{}</span>"#,
        escape(&row.state)
    );
    let pid = row.pid.map_or("–".into(), |pid| pid.to_string());
    let cells: [(&str, String); 9] = [
        ("State", state),
        ("Health", escape(&row.health)),
        ("Up", escape(&row.uptime)),
        ("Restarts", row.restarts.to_string()),
        ("CPU", escape(&row.cpu)),
        ("Memory", escape(&row.memory)),
        ("Ports", escape(&row.ports)),
        ("Pid", pid),
        ("Log", errors(row.errors)),
    ];
    for (label, cell) in cells {
        let _ = write!(html, r#"<td data-label="{label}">{cell}</td>"#);
    }
    html.push_str("</tr>\n");
    html
}

/// `2 errors`; nothing when there are none.
fn errors(count: u64) -> String {
    match count {
        0 => "–".into(),
        1 => "1 error".into(),
        count => format!("{count} errors"),
    }
}

fn figure(figure: &Figure) -> String {
    let alarm = if figure.alarm { r#" data-tone="bad""# } else { "" };
    let (label, value) = (escape(figure.label), escape(&figure.value));
    format!("<div{alarm}><dt>{label}</dt><dd>{value}</dd></div>\n")
}

fn tone(tone: Tone) -> &'static str {
    match tone {
        Tone::Bad => "bad",
        Tone::Warn => "warn",
        Tone::Busy => "busy",
        Tone::Good => "good",
        Tone::Idle => "idle",
    }
}

/// Text as it stands in an element or a quoted attribute. Braces too, which would look like a place.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '{' => escaped.push_str("&#123;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Status;

    #[test]
    fn foreign_text_is_text_wherever_it_stands() {
        let evil = r#"<img src=x onerror="x('&')">{headline}"#;
        let status: Status = serde_json::from_value(serde_json::json!({
            "supervisor": {"config": evil, "version": evil},
            "services": [{"name": evil, "state": evil, "reason": evil,
                          "health": {"status": "unhealthy", "error": evil,
                                     "detail": {"type": "health", "alpaca_task_status": evil, "feed": evil, "market": evil}}}],
            "ports": [{"port": 1, "state": evil, "command": evil}],
        }))
        .expect("a status");
        let record = serde_json::from_value(
            serde_json::json!({"at": evil, "what": evil, "service": evil, "detail": evil}),
        );
        let fact = FactRow::of(&record.expect("a record"));
        let view = View::of(&status, jiff::Timestamp::UNIX_EPOCH);
        let page = system(&view, &[fact], &Said::Off("off"));
        assert!(!page.contains("<img src=x"), "{page}");
        assert!(!page.contains("{headline}"), "{page}");
        let safe = "&lt;img src=x onerror=&quot;x(&#39;&amp;&#39;)&quot;&gt;&#123;headline}";
        assert!(page.matches(safe).count() >= 10, "{page}");
    }
}
