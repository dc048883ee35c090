//! The table in README.md and the tests cannot drift apart.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Whose every test has a row.
const WHOLE: [&str; 10] = [
    "faults::",
    "e2e::adoption::",
    "e2e::emergency::",
    "e2e::notify::",
    "e2e::pid_one::",
    "e2e::rights::",
    "e2e::sockets::",
    "e2e::survivors::",
    "e2e::systemd_plain::",
    "e2e::upgrade::",
];

/// Every `#[test]` of a suite, as `suite::module::name`.
fn tests_of(suite: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(suite);
    let files = fs::read_dir(folder)
        .expect("the suite")
        .flatten()
        .map(|entry| entry.path());
    let sources = files.filter(|path| path.extension().is_some_and(|kind| kind == "rs"));
    sources
        .flat_map(|path: PathBuf| {
            let module = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).expect("readable");
            let mut lines = text
                .lines()
                .map(str::trim)
                .skip_while(|line| !line.contains("#[test]") && !line.contains("::test]"));
            let mut found = Vec::new();
            let mut marked = false;
            for line in &mut lines {
                marked |= line == "#[test]";
                let name = line.strip_prefix("fn ").or(line.strip_prefix("async fn "));
                if let Some((name, _)) = name.filter(|_| marked).and_then(|line| line.split_once('(')) {
                    found.push(format!("{suite}::{module}::{name}"));
                    marked = false;
                }
            }
            found
        })
        .collect()
}

#[test]
fn every_row_has_its_test_and_every_test_its_row() {
    let table = include_str!("README.md");
    let rows: Vec<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.rsplit('`').nth(1))
        .collect();
    let named: BTreeSet<String> = rows.iter().map(|row| (*row).to_owned()).collect();
    assert_eq!(named.len(), rows.len(), "a test stands in two rows");
    let known: BTreeSet<String> = ["faults", "e2e", "ports"]
        .into_iter()
        .flat_map(tests_of)
        .collect();
    let gone: Vec<&String> = named.difference(&known).collect();
    assert!(gone.is_empty(), "rows without a test: {gone:#?}");
    let whole = |test: &String| WHOLE.iter().any(|module| test.starts_with(module));
    let untold: Vec<&String> = known
        .iter()
        .filter(|test| whole(test) && !named.contains(*test) && !test.starts_with("faults::table::"))
        .filter(|test| !test.starts_with("faults::house::"))
        .collect();
    assert!(untold.is_empty(), "tests without a row: {untold:#?}");
}
