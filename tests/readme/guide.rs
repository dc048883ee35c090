//! The guide in docs/: its commands are run, its examples checked, and the reference is as the types have it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use regex_lite::Regex;
use sentinel::cli::Cli;

use crate::blocks;
use crate::house::House;
use crate::read;
use crate::scripts::Checkout;

/// (name, text) of every page.
pub fn pages() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let entries = fs::read_dir(folder).expect("docs/").flatten();
    let markdown = entries.filter(|entry| entry.path().extension().is_some_and(|end| end == "md"));
    let mut pages: Vec<(String, String)> = markdown
        .map(|entry| {
            let text = fs::read_to_string(entry.path()).expect("a page");
            (entry.file_name().to_string_lossy().into_owned(), text)
        })
        .collect();
    pages.sort();
    pages
}

#[test]
fn its_commands_work() {
    let checkout = Checkout::new();
    let started = checkout.sh("sentinel start");
    assert_eq!(started.code, 0, "{started:#?}");
    for (page, text) in pages() {
        for block in blocks::of(&text).iter().filter(|block| block.kind == "sh") {
            let ran = checkout.sh(&block.body);
            assert_eq!(ran.code, 0, "docs/{page}:{}: {ran:#?}", block.line);
        }
    }
}

#[test]
fn every_block_is_of_a_kind_that_is_proven_or_no_command() {
    let kinds = ["sh", "sh ci", "toml", "text", "json", "crontab", "dockerfile"];
    for (page, text) in pages() {
        for block in blocks::of(&text) {
            let line = block.line;
            assert!(
                kinds.contains(&&*block.kind),
                "docs/{page}:{line}: ```{}",
                block.kind
            );
        }
    }
}

#[test]
fn its_examples_of_services_toml_have_no_mistakes() {
    let house = House::new("");
    for (page, text) in pages() {
        for example in blocks::of(&text).iter().filter(|block| block.kind == "toml") {
            house.write(&example.body);
            let ran = house.run(&["check"]);
            assert_eq!(ran.code, 0, "docs/{page}:{}: {ran:#?}", example.line);
        }
    }
}

#[test]
fn every_command_it_mentions_exists() {
    for (page, text) in pages() {
        // Blocks are run; what stands between backticks is at least understood.
        for command in blocks::mentioned(&text) {
            let one = command
                .split([';', '>', '|'])
                .next()
                .unwrap_or(&command)
                .replace('…', "");
            let words = shlex::split(&one).unwrap_or_else(|| panic!("quotes: {command}"));
            if let Err(error) = Cli::parse_args(words) {
                assert!(!error.use_stderr(), "docs/{page} says `{command}`: {error}");
            }
        }
    }
}

#[test]
fn it_links_to_what_exists() {
    let links = Regex::new(r"\]\(([^)#]*)(#[^)]*)?\)").expect("a pattern");
    for (page, text) in pages() {
        for link in links.captures_iter(&text) {
            let file = &link[1];
            let there = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("docs")
                .join(file)
                .exists();
            assert!(file.starts_with("https://") || there, "docs/{page}: {file}");
        }
    }
}

#[test]
fn every_page_is_linked_from_the_readme_or_from_another_page() {
    let mut others = read("README.md");
    others.extend(pages().into_iter().map(|(_, text)| text));
    for (page, _) in pages() {
        let linked = others.contains(&format!("({page}")) || others.contains(&format!("(docs/{page}"));
        assert!(linked, "nobody links to docs/{page}");
    }
}

#[test]
fn the_reference_is_as_the_types_have_it() {
    assert!(
        read("docs/reference.md") == sentinel::config::reference(),
        "docs/reference.md is old; renew it: cargo run -q -- schema --markdown > docs/reference.md"
    );
}

#[test]
fn the_dockerfile_runs_what_there_is() {
    let words = Regex::new(r#"CMD \["sentinel", "([a-z]+)"\]"#).expect("a pattern");
    for (page, text) in pages() {
        for block in blocks::of(&text)
            .iter()
            .filter(|block| block.kind == "dockerfile")
        {
            let verb = words.captures(&block.body).expect("a command");
            assert!(
                Cli::parse_args(["sentinel", &verb[1]]).is_ok(),
                "docs/{page}: {verb:?}"
            );
        }
    }
}

#[test]
fn the_trading_host_is_readable_by_nobody_elses_rules() {
    // The example stands in the checkout as it is; its programs are the reader's own.
    let example = read("docs/examples/trading_host/services.toml");
    let house = House::new(&example);
    let bin = house.path("venv/bin");
    fs::create_dir_all(&bin).expect("made");
    fs::write(bin.join("python"), "#!/bin/sh\n").expect("written");
    fs::set_permissions(bin.join("python"), fs::Permissions::from_mode(0o755)).expect("executable");
    house.run(&["check"]).exits(0).says("8 services, no mistakes");
}
