//! The README cannot rot: its commands are run, its session is compared, its examples are checked.

mod blocks;
mod guide;
#[path = "../e2e/house.rs"]
#[allow(dead_code, reason = "the end-to-end tests need more of a house")]
mod house;
mod scripts;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use regex_lite::Regex;
use sentinel::cli::Cli;
use sentinel::exit::ExitCode;

use house::House;
use scripts::Checkout;

/// Commands that need more than a house of a test, and what proves that CI runs them.
const RUN_BY_CI: &[(&str, &str)] = &[
    ("cargo test --workspace", "cargo test --workspace"),
    ("python3 -m venv .venv", "python3 -m venv"),
    (".venv/bin/pip install websockets", "venv/bin/pip\" install"),
    (
        ".venv/bin/python scripts/clients/websockets_client.py ws://127.0.0.1:8766",
        "scripts/clients/websockets_client.py\" ws://127.0.0.1:8766",
    ),
    ("scripts/check", "\nscripts/check\n"),
    ("scripts/smoke", "\nscripts/smoke\n"),
    ("scripts/test_web", "\n    scripts/test_web\n"),
    (".ci/run", "CI: "),
    ("cargo test --test readme", "cargo test --workspace"),
];

fn readme() -> String {
    read("README.md")
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn its_commands_work_and_print_what_it_shows() {
    let checkout = Checkout::new();
    for block in blocks::of(&readme()) {
        match block.kind.as_str() {
            "sh" => {
                let ran = checkout.sh(&block.body);
                assert_eq!(ran.code, 0, "README.md:{}: {ran:#?}", block.line);
            }
            "console" => {
                for session in block.sessions() {
                    let ran = checkout.sh(&session.command);
                    let printed = format!("{}{}", ran.out, ran.err);
                    assert_eq!(
                        shape(&printed),
                        shape(&session.output),
                        "README.md:{}: `{}` printed\n{printed}",
                        block.line,
                        session.command
                    );
                }
            }
            _ => {}
        }
    }
}

/// The text without what differs from run to run: numbers, widths, units of short times.
fn shape(text: &str) -> String {
    let mut text = text.to_string();
    for (pattern, replacement) in [
        (r"[0-9]+(\.[0-9]+)?", "N"),
        ("N ms", "N s"),
        ("clients", "client"),
        (" +", " "),
        // Told only when they took time.
        (r"(?m)^(check|leftovers): ok, N s\n", ""),
        (r"(check|leftovers) N, ", ""),
    ] {
        let regex = Regex::new(pattern).expect("a pattern");
        text = regex.replace_all(&text, replacement).into_owned();
    }
    text
}

#[test]
fn what_a_test_cannot_run_is_run_by_ci() {
    let scripts = [".ci/run", "scripts/check", "scripts/smoke"].map(read).concat();
    for block in blocks::of(&readme()).iter().filter(|block| block.kind == "sh ci") {
        for command in block.commands() {
            let known = RUN_BY_CI.iter().find(|(one, _)| *one == command);
            let (_, evidence) =
                known.unwrap_or_else(|| panic!("README.md:{}: who runs `{command}`?", block.line));
            assert!(scripts.contains(evidence), "CI does not run `{command}`");
        }
    }
}

#[test]
fn every_block_is_of_a_kind_that_is_proven_or_no_command() {
    let kinds = ["sh", "sh ci", "console", "toml", "text", "crontab", "ini"];
    for block in blocks::of(&readme()) {
        assert!(
            kinds.contains(&block.kind.as_str()),
            "README.md:{}: ```{}",
            block.line,
            block.kind
        );
    }
}

#[test]
fn its_examples_of_services_toml_have_no_mistakes() {
    let house = House::new("");
    let blocks = blocks::of(&readme());
    let examples: Vec<_> = blocks.iter().filter(|block| block.kind == "toml").collect();
    assert!(!examples.is_empty());
    for example in examples {
        house.write(&example.body);
        let ran = house.run(&["check"]);
        assert_eq!(ran.code, 0, "README.md:{}: {ran:#?}", example.line);
    }
}

#[test]
fn every_command_it_mentions_exists() {
    let mentioned = blocks::mentioned(&readme());
    assert!(mentioned.len() > 20, "{mentioned:?}");
    for command in mentioned {
        let words = shlex::split(&command).unwrap_or_else(|| panic!("quotes: {command}"));
        // `--help` is an answer, not a mistake.
        if let Err(error) = Cli::parse_args(words).map_err(|error| error.use_stderr().then_some(error)) {
            assert!(error.is_none(), "README.md says `{command}`: {error:?}");
        }
    }
}

#[test]
fn it_stays_short() {
    let lines = readme().lines().count();
    assert!(lines < 280, "{lines} lines: what explains belongs into docs/");
}

#[test]
fn its_table_of_exit_codes_is_complete() {
    let readme = readme();
    let (_, table) = readme.split_once("| code | meaning |").expect("the table");
    let (table, _) = table.split_once("\n\n").expect("its end");
    let told: BTreeSet<u8> = table
        .lines()
        .filter_map(|row| row.split('|').nth(1)?.trim().parse().ok())
        .collect();
    let all = [
        ExitCode::Ok,
        ExitCode::Failed,
        ExitCode::Usage,
        ExitCode::NotRunning,
        ExitCode::NoSupervisor,
        ExitCode::Config,
        ExitCode::Unhealthy,
        ExitCode::Starting,
        ExitCode::Bug,
        ExitCode::Busy,
    ];
    assert_eq!(told, all.map(|code| code as u8).into());
}

#[test]
fn it_links_to_files_that_exist() {
    let links = Regex::new(r"\]\(([^)]+)\)").expect("a pattern");
    let readme = readme();
    for link in links.captures_iter(&readme).map(|found| found[1].to_string()) {
        assert!(link.starts_with("https://") || !read(&link).is_empty(), "{link}");
    }
}
