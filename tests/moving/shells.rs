//! Completions in real shells, as a person types them; man pages as their readers take them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::house::House;

const SERVICES: &str = "[services.alpha]\ncommand = [\"/bin/cat\"]\n[services.beta]\ncommand = [\"/bin/cat\"]\ngroup = \"web\"\n";

/// A shell with a line typed into it, and the tabulator; what it then shows, until `wanted` is there.
const ZSH: &str = r#"
zmodload zsh/zpty
zpty live zsh -f -i
zpty -w live "PS1=; fpath=($PWD \$fpath); autoload -Uz compinit; compinit -u -D; LISTMAX=1000; echo rea''dy"
zpty -r -m live out '*ready*'
zpty -w -n live "$1"$'\t\t'
zpty -r -m live out "$2" && print -r -- "$out"
zpty -d live
"#;

fn has(shell: &str) -> bool {
    let there = Command::new(shell).arg("--version").output().is_ok();
    if !there {
        eprintln!("skipped: no {shell}; scripts/test_tools installs it");
    }
    there
}

/// PATH with our own binary first.
fn path() -> String {
    let own = Path::new(env!("CARGO_BIN_EXE_sentinel"))
        .parent()
        .expect("a folder");
    format!("{}:{}", own.display(), std::env::var("PATH").unwrap_or_default())
}

#[test]
fn a_living_zsh_completes_commands_flags_services_and_groups() {
    if !has("zsh") {
        return;
    }
    let house = House::new(SERVICES);
    fs::write(
        house.path("_sentinel"),
        house.run(&["completions", "zsh"]).exits(0).out,
    )
    .expect("written");
    fs::write(house.path("type.zsh"), ZSH).expect("written");
    fs::write(
        house.path("other.toml"),
        "[services.gamma]\ncommand = [\"/bin/cat\"]\n",
    )
    .expect("written");
    for (typed, wanted) in [
        ("sentinel start ", "*alpha*beta*"),
        ("sentinel sta", "*start*status*"),
        ("sentinel status --ti", "*--timeout*"),
        ("sentinel logs al", "*logs alpha*"),
        ("sentinel start @", "*@web*"),
        ("sentinel restart em", "*emergency*"),
        ("sentinel completions ", "*fish*"),
        ("sentinel -c other.toml start ", "*start gamma*"),
    ] {
        let shown = Command::new("timeout")
            .args(["15", "zsh", "-f", "type.zsh", typed, wanted])
            .current_dir(house.path(""))
            .env("PATH", path())
            .env_remove("SENTINEL_CONFIG")
            .output()
            .expect("zsh");
        assert!(
            shown.status.success() && !shown.stdout.is_empty(),
            "{typed:?}: {shown:?}"
        );
    }
}

#[test]
fn a_living_fish_completes_the_same() {
    if !has("fish") {
        return;
    }
    let house = House::new(SERVICES);
    fs::write(
        house.path("s.fish"),
        house.run(&["completions", "fish"]).exits(0).out,
    )
    .expect("written");
    for (typed, wanted) in [
        ("sentinel start ", &["@web", "alpha", "beta"][..]),
        ("sentinel logs al", &["alpha"]),
        ("sentinel logs s", &["sentinel"]),
        ("sentinel restart em", &["emergency"]),
        ("sentinel completions ", &["bash", "fish", "zsh"]),
        ("sentinel export n", &["nomad"]),
    ] {
        let shown = Command::new("fish")
            .args(["-N", "-c", &format!("source s.fish; complete -C '{typed}'")])
            .current_dir(house.path(""))
            .env("HOME", house.path(""))
            .env("PATH", path())
            .env_remove("SENTINEL_CONFIG")
            .output()
            .expect("fish");
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        let mut words: Vec<&str> = shown
            .lines()
            .map(|line| line.split('\t').next().unwrap_or(line))
            .collect();
        words.sort_unstable();
        assert_eq!(words, wanted, "{typed:?}");
    }
}

#[test]
fn man_pages_render_without_a_warning() {
    let house = House::new("");
    house
        .run(&["man", &house.path("pages").display().to_string()])
        .exits(0);
    let pages: Vec<_> = fs::read_dir(house.path("pages"))
        .expect("pages")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    assert!(
        pages.iter().any(|page| page.ends_with("services.toml.5")),
        "{pages:?}"
    );
    assert!(pages.len() > 20, "{pages:?}");
    if has("mandoc") {
        let lint = Command::new("mandoc")
            .args(["-Tlint", "-W", "warning"])
            .args(&pages)
            .output()
            .expect("mandoc");
        assert!(
            lint.stdout.is_empty(),
            "{}",
            String::from_utf8_lossy(&lint.stdout)
        );
    }
    if has("groff") {
        for page in pages {
            let groff = Command::new("groff")
                .args(["-man", "-ww", "-Tutf8", "-z"])
                .arg(&page)
                .output()
                .expect("groff");
            let said = String::from_utf8_lossy(&groff.stderr);
            assert!(said.is_empty(), "{}: {said}", page.display());
        }
    }
}
