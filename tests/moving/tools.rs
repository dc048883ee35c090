//! Completions in real shells, man pages, the schema, and `init`.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

fn sentinel(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sentinel"))
        .args(words)
        .current_dir(folder)
        .env_remove("SENTINEL_CONFIG")
        .output()
        .expect("sentinel runs")
}

fn out(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn house(services: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("services.toml"), services).expect("written");
    folder
}

const TWO: &str = "[services.alpha]\ncommand = [\"/bin/cat\"]\n[services.beta]\ncommand = [\"/bin/cat\"]\n";

/// PATH with our own binary first.
fn path() -> String {
    let own = Path::new(env!("CARGO_BIN_EXE_sentinel"))
        .parent()
        .expect("a folder");
    format!("{}:{}", own.display(), std::env::var("PATH").unwrap_or_default())
}

#[test]
fn bash_completes_the_services_that_are_there_now() {
    let house = house(TWO);
    fs::write(
        house.path().join("script"),
        out(&sentinel(house.path(), &["completions", "bash"])),
    )
    .expect("written");
    let other = self::house("[services.gamma]\ncommand = [\"/bin/cat\"]\n");
    let complete = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let typed = r#"source ./script
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
"$(complete -p sentinel | sed 's/.*-F \([^ ]*\) .*/\1/')" sentinel "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
echo "${COMPREPLY[*]}""#;
        let shell = Command::new("bash")
            .args(["--norc", "-c", typed, "bash"])
            .args(words)
            .current_dir(house.path())
            .env("PATH", path())
            .env_remove("SENTINEL_CONFIG")
            .output()
            .expect("bash runs");
        String::from_utf8_lossy(&shell.stdout).trim().to_owned()
    };
    assert_eq!(complete("sentinel st"), "start stop status");
    assert_eq!(complete("sentinel start "), "alpha beta");
    assert_eq!(
        complete("sentinel restart "),
        "master full quick emergency force alpha beta"
    );
    assert_eq!(complete("sentinel logs alpha b"), "beta");
    assert_eq!(complete("sentinel logs s"), "sentinel");
    let elsewhere = format!(
        "sentinel -c {} status ",
        other.path().join("services.toml").display()
    );
    assert_eq!(complete(&elsewhere), "gamma");
    assert_eq!(complete("sentinel -c /nowhere status "), "");
    assert!(complete("sentinel status --").contains("--timeout"));
    fs::write(
        house.path().join("services.toml"),
        "[services.new]\ncommand = [\"/bin/cat\"]\ngroup = \"fresh\"\n",
    )
    .expect("written");
    assert_eq!(complete("sentinel start "), "new @fresh");
    assert_eq!(complete("sentinel start @f"), "@fresh");
}

#[test]
fn zsh_completes_the_services_that_are_there_now() {
    if Command::new("zsh").arg("--version").output().is_err() {
        eprintln!("skipped: no zsh on this host");
        return;
    }
    let house = house(TWO);
    let script = out(&sentinel(house.path(), &["completions", "zsh"]));
    assert!(
        script.contains("'*::services -- Services; all without a name:_sentinel_services'"),
        "{script}"
    );
    fs::write(house.path().join("_sentinel"), script).expect("written");
    // What zsh's completion system would give: the words typed so far; what it would be given: names.
    let typed = "compdef() { : }; _describe() { print -r -- $1 $names }; BUFFER='sentinel start '\n\
                 source ./_sentinel\n_sentinel_services";
    let shell = Command::new("zsh")
        .args(["-f", "-c", typed])
        .current_dir(house.path())
        .env("PATH", path())
        .env_remove("SENTINEL_CONFIG")
        .output()
        .expect("zsh runs");
    assert_eq!(
        String::from_utf8_lossy(&shell.stdout),
        "service alpha beta\n",
        "{shell:?}"
    );
}

#[test]
fn fish_gets_a_rule_for_the_names() {
    let house = house(TWO);
    let script = out(&sentinel(house.path(), &["completions", "fish"]));
    assert!(
        script.contains("'__fish_seen_subcommand_from restart' -f -a '(command sentinel names"),
        "{script}"
    );
    assert_eq!(out(&sentinel(house.path(), &["names"])), "alpha\nbeta\n");
}

#[test]
fn there_is_a_man_page_for_every_command() {
    let folder = tempfile::tempdir().expect("a folder");
    out(&sentinel(folder.path(), &["man", "pages"]));
    for command in ["", "-restart", "-status", "-import", "-supervisorctl"] {
        let page =
            fs::read_to_string(folder.path().join(format!("pages/sentinel{command}.1"))).expect("a page");
        assert!(page.starts_with(".ie") || page.contains(".TH sentinel"), "{page}");
    }
    assert!(
        !folder.path().join("pages/sentinel-supervise.1").exists(),
        "hidden commands have none"
    );
    assert!(out(&sentinel(folder.path(), &["man"])).contains(".SH NAME"));
}

#[test]
fn the_committed_schema_is_current_and_holds_for_the_shipped_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let now = out(&sentinel(root, &["schema"]));
    let committed = fs::read_to_string(root.join("services.schema.json")).expect("committed");
    assert!(now == committed, "run: sentinel schema > services.schema.json");
    let schema: serde_json::Value = serde_json::from_str(&now).expect("JSON");
    let shipped = fs::read_to_string(root.join("services.toml")).expect("services.toml");
    let shipped: toml::Table = shipped.parse().expect("TOML");
    let shipped = serde_json::to_value(shipped).expect("JSON");
    known(&schema, &shipped, "services.toml");
}

/// Every key that is used is one that the schema knows at this place.
fn known(schema: &serde_json::Value, used: &serde_json::Value, place: &str) {
    let (Some(used), false) = (
        used.as_object(),
        schema["properties"].is_null() && schema["patternProperties"].is_null(),
    ) else {
        return;
    };
    for (key, value) in used {
        let below = match schema["patternProperties"]
            .as_object()
            .and_then(|patterns| patterns.values().next())
        {
            Some(any) => any,
            None => &schema["properties"][key],
        };
        assert!(
            !below.is_null(),
            "{place} has {key}, which the schema does not know"
        );
        known(below, value, key);
    }
}

#[test]
fn init_writes_what_the_folder_seems_to_run_and_it_passes_the_check() {
    for (name, files) in [
        ("nothing", vec![]),
        (
            "node",
            vec![(
                "package.json",
                r#"{"name": "shop-api", "scripts": {"start": "node server.js --port 3000"}}"#,
            )],
        ),
        (
            "python",
            vec![
                (
                    "trade_stream_server.py",
                    "import websockets\nasync def main():\n    await websockets.serve(handle, 'localhost', 8765)\n",
                ),
                ("main.py", "from fastapi import FastAPI\napp = FastAPI()\n"),
                ("test_health.py", "import websockets\nwebsockets.serve(1)\n"),
            ],
        ),
        (
            "procfile",
            vec![("Procfile", "web: python3 -m http.server $PORT\n")],
        ),
        (
            "supervisord",
            vec![(
                "supervisord.conf",
                "[program:web]\ncommand=/bin/web --port 8080\n",
            )],
        ),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        for (file, text) in files {
            fs::write(folder.path().join(file), text).expect("written");
        }
        out(&sentinel(folder.path(), &["-q", "init"]));
        out(&sentinel(folder.path(), &["check"]));
        let text = fs::read_to_string(folder.path().join("services.toml")).expect("it");
        let root = folder.path().canonicalize().expect("it").display().to_string();
        insta::assert_snapshot!(format!("init_{name}"), text.replace(&root, "[HOUSE]"));
        let again = sentinel(folder.path(), &["init"]);
        assert_eq!(again.status.code(), Some(2), "{again:?}");
    }
}

#[test]
fn the_old_scripts_call_the_new_tool() {
    // Their words end at `scripts/restart`, which tests of its own run; here a stand-in writes them down.
    let folder = tempfile::tempdir().expect("a folder");
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    for name in ["start_websocket_services.sh", "restart_websocket_services.sh"] {
        fs::copy(scripts.join(name), folder.path().join(name)).expect("copied");
    }
    let stand_in = "#!/bin/sh\necho \"$@\" >>\"$(dirname \"$0\")/said\"\n[ \"$*\" != '--quiet status' ] || exit \"$ABSENT\"\n";
    fs::write(folder.path().join("restart"), stand_in).expect("written");
    Command::new("chmod")
        .args(["+x", "restart"])
        .current_dir(folder.path())
        .status()
        .expect("chmod");
    for (name, absent, said) in [
        (
            "start_websocket_services.sh",
            "0",
            "start trade_stream browser_proxy\nstatus trade_stream browser_proxy\n",
        ),
        (
            "restart_websocket_services.sh",
            "3",
            "--quiet status\nrestart trade_stream browser_proxy\nstatus trade_stream browser_proxy\n",
        ),
        (
            "restart_websocket_services.sh",
            "4",
            "--quiet status\nstart\nstatus trade_stream browser_proxy\n",
        ),
    ] {
        let _ = fs::remove_file(folder.path().join("said"));
        let ran = Command::new("sh")
            .arg(folder.path().join(name))
            .env("ABSENT", absent)
            .output()
            .expect("sh runs");
        assert_eq!(ran.status.code(), Some(0), "{ran:?}");
        assert_eq!(
            fs::read_to_string(folder.path().join("said")).expect("words"),
            said,
            "{name}"
        );
    }
}
