//! The plan of the house, held by a test: who may import whom, what is pure, where unsafe may stand.

mod rules;
mod source;

use std::collections::BTreeSet;

use rules::{CONFINED, LAYERS, MEMBERS, PURE, SHARED, SMALL};
use source::{Layer, Source};

/// Fails with every finding at once.
#[track_caller]
fn none(findings: &[String], way_out: &str) {
    assert!(findings.is_empty(), "\n\n{}\n\n{way_out}\n", findings.join("\n"));
}

#[test]
fn every_module_has_a_row_in_the_table() {
    let sources = source::of_sentinel();
    let layers: BTreeSet<&str> = sources.iter().map(Source::layer).collect();
    let missing: Vec<String> = layers
        .iter()
        .filter(|layer| !LAYERS.iter().any(|row| row.name == **layer))
        .map(|layer| format!("{layer} has no row"))
        .collect();
    none(
        &missing,
        "Say in tests/architecture/rules.rs what the new module may import.",
    );
    for row in LAYERS {
        assert!(layers.contains(&row.name), "{} is gone: remove its row", row.name);
    }
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let mut findings = Vec::new();
    for file in &source::of_sentinel() {
        let Some(row) = LAYERS.iter().find(|row| row.name == file.layer()) else {
            continue; // The test above tells.
        };
        for (line, import) in file.imports() {
            let Layer::Ours(to) = import else { continue };
            if to != row.name && !row.may_import.contains(&to.as_str()) {
                findings.push(format!(
                    "{}:{line}: {} imports {to}; it may import: {} ({})",
                    file.path,
                    row.name,
                    row.may_import.join(", "),
                    row.because
                ));
            }
        }
    }
    none(
        &findings,
        "Move what both sides need into a layer that both may import (service, api), or pass it in as a value.\nA new edge needs a reason: tests/architecture/rules.rs.",
    );
}

#[test]
fn workers_and_sentinel_know_each_other_by_the_protocol_alone() {
    let mut findings = Vec::new();
    for file in source::of_workers() {
        for (line, import) in file.imports() {
            if import == Layer::Other("sentinel".into()) {
                findings.push(format!("{}:{line}: a worker imports sentinel", file.path));
            }
        }
    }
    for file in source::of_sentinel() {
        for (line, import) in file.imports() {
            let Layer::Other(name) = import else { continue };
            if MEMBERS.contains(&name.as_str()) && !SHARED.contains(&name.as_str()) {
                findings.push(format!(
                    "{}:{line}: sentinel imports the worker {name}",
                    file.path
                ));
            }
        }
    }
    none(
        &findings,
        "A worker must run, and be replaced, without sentinel. What both must know is a message (workers/stream_protocol) or a fact of the world (workers/market_calendar).",
    );
}

#[test]
fn what_is_pure_stays_pure() {
    let mut findings = Vec::new();
    for pure in PURE {
        let files: Vec<Source> = source::of_everything()
            .into_iter()
            .filter(|file| file.path.starts_with(pure.place))
            .collect();
        assert!(!files.is_empty(), "{} is gone: mend PURE in rules.rs", pure.place);
        for file in &files {
            for word in pure.denied {
                for line in file.lines_with(word) {
                    findings.push(format!(
                        "{}:{line}: `{word}` in {} ({})",
                        file.path, pure.place, pure.because
                    ));
                }
            }
        }
    }
    none(
        &findings,
        "A pure value decides and acts on nothing: take time and facts as arguments, return orders.",
    );
}

#[test]
fn dangerous_things_stand_in_one_place() {
    let mut findings = Vec::new();
    for rule in CONFINED {
        for file in source::of_everything() {
            if rule.places.iter().any(|place| file.path.starts_with(place)) {
                continue;
            }
            for line in file.lines_with(rule.word) {
                findings.push(format!("{}:{line}: `{}`: {}", file.path, rule.word, rule.because));
            }
        }
    }
    none(
        &findings,
        "Call what stands in the allowed place (CONFINED in tests/architecture/rules.rs), or extend that.",
    );
}

#[test]
fn every_file_is_small_and_says_what_it_is_for() {
    let mut findings = Vec::new();
    for file in source::of_everything_with_tests() {
        let lines = file.text.lines().count();
        if lines > SMALL {
            findings.push(format!("{}: {lines} lines, at most {SMALL}: split it", file.path));
        }
        if !file.text.starts_with("//!") {
            findings.push(format!("{}:1: begins with no `//!` line", file.path));
        }
    }
    none(&findings, "One file, one responsibility, told in its first line.");
}
