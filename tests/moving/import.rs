//! `sentinel import`: ten supervisord.conf, ten Procfiles and the rest, each proven by `sentinel check`; no key lost.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use proptest::prelude::*;
use serde_json::Value;
use tempfile::TempDir;

fn inputs(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/moving/inputs")
        .join(folder)
}

/// `sentinel` in a folder, with an environment that the tests know.
fn sentinel(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sentinel"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", "/home/me")
        .output()
        .expect("sentinel runs")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What an import came to.
struct Imported {
    folder: TempDir,
    report: Value,
}

impl Imported {
    #[track_caller]
    fn of(files: &[PathBuf]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let names: Vec<&str> = files.iter().map(|file| file.to_str().expect("a name")).collect();
        let output = sentinel(folder.path(), &[&["import", "--json"], names.as_slice()].concat());
        assert_eq!(output.status.code(), Some(0), "{names:?}: {output:?}");
        let report = serde_json::from_str(&out(&output)).expect("JSON");
        let imported = Self { folder, report };
        let check = sentinel(imported.folder.path(), &["check"]);
        assert_eq!(check.status.code(), Some(0), "{}\n{check:?}", imported.services());
        imported
    }

    fn services(&self) -> String {
        fs::read_to_string(self.folder.path().join("services.toml")).expect("services.toml")
    }

    fn env_file(&self) -> String {
        fs::read_to_string(self.folder.path().join("services.env")).expect("the env file")
    }

    /// services.toml with the places of this checkout taken out.
    fn shown(&self) -> String {
        self.services().replace(env!("CARGO_MANIFEST_DIR"), "[ROOT]")
    }

    /// All keys that the report names, as paths.
    fn told(&self) -> BTreeSet<Vec<String>> {
        let entries = ["carried", "left"]
            .into_iter()
            .flat_map(|list| self.report[list].as_array().expect("a list"));
        entries
            .map(|entry| serde_json::from_value(entry["key"].clone()).expect("a path"))
            .collect()
    }
}

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(inputs(folder))
        .expect("inputs")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect();
    files.sort();
    files
}

/// Sections and keys of an INI file, by the eye: a line that begins a section, or `key=` at its beginning.
fn keys_of_ini(text: &str) -> Vec<Vec<String>> {
    let mut section = String::new();
    let mut keys = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if !line.starts_with([' ', ';', '#', '\t'])
            && let Some((key, _)) = line.split_once('=')
        {
            keys.push(vec![section.clone(), key.trim().to_owned()]);
        }
    }
    keys
}

#[test]
fn ten_supervisord_confs_pass_the_check_and_lose_no_key() {
    let confs = files("supervisord", ".conf");
    assert_eq!(confs.len(), 10);
    for conf in confs {
        let imported = Imported::of(std::slice::from_ref(&conf));
        let told = imported.told();
        for key in keys_of_ini(&fs::read_to_string(&conf).expect("text")) {
            assert!(
                told.contains(&key),
                "{}: {key:?} is nowhere in {}",
                conf.display(),
                imported.report
            );
        }
    }
}

#[test]
fn ten_procfiles_pass_the_check_and_lose_no_process() {
    let mut procfiles = files("procfile", ".Procfile");
    procfiles.push(inputs("procfile/07/Procfile"));
    assert_eq!(procfiles.len(), 10);
    for file in procfiles {
        // A Procfile's name begins so; these have a number before it.
        let folder = tempfile::tempdir().expect("a folder");
        let procfile = folder.path().join("Procfile");
        fs::copy(&file, &procfile).expect("copied");
        let env = file.with_file_name(".env");
        if env.is_file() {
            fs::copy(env, folder.path().join(".env")).expect("copied");
        }
        let imported = Imported::of(&[procfile]);
        let told: BTreeSet<String> = imported.told().into_iter().map(|path| path[0].clone()).collect();
        let text = fs::read_to_string(&file).expect("text");
        for (number, line) in text.lines().enumerate() {
            let Some(name) = line
                .split(':')
                .next()
                .map(str::trim)
                .filter(|_| !line.is_empty() && !line.starts_with('#'))
            else {
                continue;
            };
            let by_line = format!("line {}", number + 1);
            assert!(
                told.contains(name) || told.contains(&by_line),
                "{}: {line} in {told:?}",
                file.display()
            );
        }
    }
}

#[test]
fn trees_lose_no_leaf() {
    for name in ["ecosystem.json", "docker-compose.yml", "process-compose.yaml"] {
        let file = inputs("other").join(name);
        let text = fs::read_to_string(&file).expect("text");
        let options = serde_saphyr::options! { strict_booleans: true };
        let tree: Value = if name.ends_with("json") {
            serde_json::from_str(&text).expect("JSON")
        } else {
            serde_saphyr::from_str_with_options(&text, options).expect("YAML")
        };
        let imported = Imported::of(&[file]);
        let told = imported.told();
        for leaf in leaves(&tree, &[]) {
            // A list is one value of its key.
            let known = (1..=leaf.len()).any(|length| told.contains(&leaf[..length]));
            assert!(known, "{name}: {leaf:?} is nowhere in {told:?}");
        }
    }
}

/// Paths to all that is no table; the apps of PM2 are tables in a list.
fn leaves(tree: &Value, path: &[String]) -> Vec<Vec<String>> {
    let below = |key: &str, value| leaves(value, &[path, &[key.to_owned()]].concat());
    match tree {
        Value::Object(entries) => entries
            .iter()
            .flat_map(|(key, value)| below(key, value))
            .collect(),
        Value::Array(items) if path == ["apps"] => items
            .iter()
            .enumerate()
            .flat_map(|(index, item)| below(&index.to_string(), item))
            .collect(),
        _ => vec![path.to_vec()],
    }
}

#[test]
fn the_owners_file_moves_its_secrets_to_a_file_of_mode_0600() {
    let imported = Imported::of(&[inputs("supervisord/02-owner.conf")]);
    insta::assert_snapshot!("owner", imported.shown());
    insta::assert_snapshot!("owner_env", imported.env_file());
    let mode = fs::metadata(imported.folder.path().join("services.env"))
        .expect("it")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(
        !imported.report.to_string().contains("horse"),
        "{}",
        imported.report
    );
}

#[test]
fn every_other_format_in_its_own_words() {
    for (name, files) in [
        ("pm2", vec!["other/ecosystem.json"]),
        ("compose", vec!["other/docker-compose.yml"]),
        ("process_compose", vec!["other/process-compose.yaml"]),
        ("systemd", vec!["other/stream.service", "other/cache.service"]),
        ("numprocs", vec!["supervisord/04-numprocs.conf"]),
        ("includes", vec!["supervisord/03-includes.conf"]),
        ("environment", vec!["supervisord/08-environment.conf"]),
        ("odd", vec!["supervisord/09-odd.conf"]),
        ("parked", vec!["supervisord/07-parked.conf"]),
    ] {
        let files: Vec<PathBuf> = files.iter().map(|file| inputs(file)).collect();
        insta::assert_snapshot!(name, Imported::of(&files).shown());
    }
}

#[test]
fn no_secret_is_left_in_what_others_may_read() {
    for file in files("supervisord", ".conf")
        .into_iter()
        .chain(files("other", ""))
    {
        if file.extension().is_none() {
            continue;
        }
        let imported = Imported::of(std::slice::from_ref(&file));
        for secret in [
            "hunter2",
            "horse",
            "very-secret",
            "s3cret",
            "t0ken",
            "abc123",
            "abc124",
        ] {
            assert!(
                !imported.services().contains(secret),
                "{}: {}",
                file.display(),
                imported.services()
            );
            assert!(
                !imported.report.to_string().contains(secret),
                "{}: {}",
                file.display(),
                imported.report
            );
        }
    }
}

#[test]
fn nothing_is_overwritten_unless_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let conf = inputs("supervisord/02-owner.conf");
    let import = ["import", conf.to_str().expect("a name")];
    for there in ["services.toml", "services.env"] {
        let path = folder.path().join(there);
        fs::write(&path, "mine").expect("written");
        let output = sentinel(folder.path(), &import);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(fs::read_to_string(&path).expect("it"), "mine");
        assert_eq!(
            fs::read_dir(folder.path()).expect("entries").count(),
            1,
            "nothing else was written"
        );
        fs::remove_file(path).expect("removed");
    }
    fs::write(folder.path().join("services.toml"), "mine").expect("written");
    let forced = sentinel(folder.path(), &[import.as_slice(), &["--force"]].concat());
    assert_eq!(forced.status.code(), Some(0), "{forced:?}");
}

#[test]
fn standard_output_gets_the_file_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let conf = inputs("supervisord/02-owner.conf");
    let output = sentinel(
        folder.path(),
        &["import", conf.to_str().expect("a name"), "-o", "-"],
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(out(&output).contains("[services.main_app]"));
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(
        report.contains("nothing was written") && report.contains("DB_PASSWORD"),
        "{report}"
    );
    assert_eq!(fs::read_dir(folder.path()).expect("entries").count(), 0);
}

#[test]
fn what_cannot_be_imported_is_refused_with_the_way_out() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text, words) in [
        (
            "ecosystem.config.js",
            "module.exports = {}",
            "JSON.stringify(require('./ecosystem.config.js'))",
        ),
        ("x.json", "{\"apps\": [], \"apps\": []}", "stands twice"),
        ("y.json", "{", "cannot be understood"),
        ("z.yml", "a: [", "cannot be understood"),
        ("w.yml", "a: 1", "none of `apps`, `processes` and `services`"),
        ("notes.txt", "hello", "nothing that can be imported"),
        ("absent.conf", "", "cannot be read"),
        ("none.conf", "[program:x]\nautostart=false\n", "it has no command"),
    ] {
        if !name.starts_with("absent") {
            fs::write(folder.path().join(name), text).expect("written");
        }
        let output = sentinel(folder.path(), &["import", name, "-o", "new.toml"]);
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {err}");
        assert!(err.contains(words), "{name}: {err}");
        assert!(!folder.path().join("new.toml").exists(), "{name}");
    }
}

/// Keys that supervisord knows, and some that nobody does.
const KEYS: [&str; 24] = [
    "directory",
    "autostart",
    "autorestart",
    "startsecs",
    "startretries",
    "exitcodes",
    "stopwaitsecs",
    "stopsignal",
    "environment",
    "user",
    "priority",
    "umask",
    "stdout_logfile",
    "stderr_logfile_backups",
    "redirect_stderr",
    "stopasgroup",
    "killasgroup",
    "numprocs",
    "process_name",
    "serverurl",
    "stdout_events_enabled",
    "x",
    "y_z",
    "Command",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_a_program_says_is_carried_or_named(
        keys in proptest::sample::subsequence(KEYS.to_vec(), 0..=KEYS.len()),
        values in proptest::collection::vec("[ -~]{1,20}", KEYS.len()),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.conf");
        let mut text = String::from("[program:p]\ncommand=/bin/p\n");
        let mut wanted = vec!["command"];
        for (key, value) in keys.iter().zip(&values) {
            text.push_str(&format!("{key}={value}\n"));
            wanted.push(key);
        }
        fs::write(&file, &text).expect("written");
        let environment = [("HOME".to_owned(), "/home/me".to_owned())].into();
        let import = sentinel::moving::import(&[file], &environment).expect("understood");
        let told: BTreeSet<&str> = import.ledger.entries.iter().map(|entry| entry.path[1].as_str()).collect();
        for key in wanted {
            prop_assert!(told.contains(key.to_lowercase().as_str()), "{key} of\n{text}\nis not in {told:?}");
        }
    }
}
