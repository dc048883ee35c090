//! What a reload changes, in lines.

use std::fmt::Write as _;

use crate::api::{ChangeKind, Plan};

use super::words::{clean, count};

/// `plan: 1 service to add, 1 to restart`, then a line for each change.
#[must_use]
pub fn plan(plan: &Plan) -> String {
    let mut text = format!("plan: {}\n", headline(plan));
    let names = plan.services.iter().map(|change| change.service.chars().count());
    let width = names.max().unwrap_or(0);
    for change in &plan.services {
        let (word, keys) = (change.change.as_str(), change.keys.join(", "));
        let line = format!("  {word:7}  {:width$}  {}", clean(&change.service), clean(&keys));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    for key in &plan.settings {
        // Some are keys of [sentinel], others are tables of their own.
        let of_sentinel =
            ["log_dir", "log_max_total", "protected_ports", "market_calendar"].contains(&key.as_str());
        let key = if of_sentinel {
            format!("[sentinel] {key}")
        } else {
            format!("[{key}]")
        };
        let _ = writeln!(text, "  change   {key}");
    }
    text
}

fn headline(plan: &Plan) -> String {
    let kinds = [
        (ChangeKind::Add, "to add"),
        (ChangeKind::Remove, "to remove"),
        (ChangeKind::Restart, "to restart"),
        (ChangeKind::InPlace, "to change in place"),
    ];
    let of = |kind| {
        plan.services
            .iter()
            .filter(|change| change.change == kind)
            .count() as u64
    };
    let mut parts: Vec<String> = kinds
        .into_iter()
        .filter(|(kind, _)| of(*kind) > 0)
        .map(|(kind, words)| format!("{} {words}", count(of(kind), "service")))
        .collect();
    if !plan.settings.is_empty() {
        parts.push(format!(
            "{} to change",
            count(plan.settings.len() as u64, "setting")
        ));
    }
    match parts.is_empty() {
        true => "nothing differs".into(),
        false => parts.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::PlannedChange;

    #[test]
    fn each_change_has_its_line() {
        let change = |service: &str, change, keys: &[&str]| PlannedChange {
            service: service.into(),
            change,
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        };
        let full = Plan {
            settings: vec!["protected_ports".into()],
            services: vec![
                change("web", ChangeKind::Restart, &["command", "env.TOKEN"]),
                change("probed", ChangeKind::InPlace, &["health"]),
                change("new", ChangeKind::Add, &[]),
            ],
        };
        let told = "plan: 1 service to add, 1 service to restart, 1 service to change in place, 1 setting to change\n  \
                    restart  web     command, env.TOKEN\n  change   probed  health\n  add      new\n  \
                    change   [sentinel] protected_ports\n";
        assert_eq!(plan(&full), told);
        assert_eq!(plan(&Plan::default()), "plan: nothing differs\n");
    }
}
