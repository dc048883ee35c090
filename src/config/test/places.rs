//! Which file is meant, and whether it can be read at all.

use std::path::Path;

use super::{House, mistakes};
use crate::config::{Environment, NotFound, load, locate};

#[test]
fn the_nearest_folder_above_has_it() {
    let house = House::new("");
    let root = house.root().canonicalize().expect("it is there");
    std::fs::create_dir_all(root.join("a/b")).expect("new folders");
    let file = root.join("services.toml");
    assert_eq!(locate(None, &root), Ok(file.clone()));
    assert_eq!(locate(None, &root.join("a/b")), Ok(file.clone()));
    assert_eq!(
        locate(Some(Path::new("../services.toml")), &root.join("a")),
        Ok(file.clone())
    );
    assert_eq!(locate(Some(&file), Path::new("/")), Ok(file));
}

#[test]
fn a_symbolic_link_is_followed() {
    let house = House::new("");
    let root = house.root().canonicalize().expect("it is there");
    std::os::unix::fs::symlink("services.toml", root.join("link.toml")).expect("a new link");
    assert_eq!(
        locate(Some(Path::new("link.toml")), &root),
        Ok(root.join("services.toml"))
    );
}

#[test]
fn what_is_not_found_says_where_it_was_looked_for() {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let root = folder.path().canonicalize().expect("it is there");
    let shown = root.display();
    let said = |explicit: Option<&str>| match locate(explicit.map(Path::new), &root) {
        Ok(file) => panic!("{}", file.display()),
        Err(error) => error.to_string(),
    };
    assert_eq!(
        said(None),
        format!(
            "no services.toml in {shown} or any folder above it; go to its folder, or name it with -c FILE or $SENTINEL_CONFIG; `sentinel init` writes a first one"
        )
    );
    let end = "name a services.toml with -c FILE or $SENTINEL_CONFIG";
    assert_eq!(
        said(Some("x.toml")),
        format!("{shown}/x.toml: no such file or directory; {end}")
    );
    assert_eq!(said(Some(".")), format!("{shown}/.: not a file; {end}"));
    assert_eq!(locate(None, &root), Err(NotFound::Nowhere { from: root }));
}

#[test]
fn a_file_that_cannot_be_read() {
    let gone = load(Path::new("/nowhere/services.toml"), &Environment::new()).expect_err("there is none");
    assert_eq!(
        gone.to_string(),
        "services.toml:1:1: cannot be read: no such file or directory; let the user who runs sentinel read it"
    );
    assert_eq!(gone.file(), Path::new("/nowhere/services.toml"));
    let said = House::new(b"# x\n# \xc3\xa9\xff").mistakes();
    assert_eq!(
        said,
        "services.toml:2:4: this is not UTF-8; save the file as UTF-8"
    );
}

/// Columns count characters, line ends of Windows and a byte order mark do not count.
#[test]
fn columns_count_characters() {
    assert_eq!(
        mistakes("\u{feff}x = 1\r\n[services.a]\r\ncommand = ['é', 'ñ', 3]\r\n"),
        "services.toml:1:1: unknown key `x`; services.toml has sentinel, logs, services, templates, schedules, include, alerts, metrics and more (`sentinel schema` lists all)\n\
         services.toml:3:22: an item of `command` wants a string, not an integer; put it in quotes"
    );
}

#[test]
fn a_mistake_as_json() {
    let error = House::new("[services.a]\ncomand = 'x'\nports = [0]")
        .load()
        .expect_err("wrong");
    assert_eq!(
        serde_json::to_value(error.as_slice()).expect("plain data"),
        serde_json::json!([
            {"file": "services.toml", "line": 2, "column": 1, "message": "unknown key `comand`", "help": "did you mean `command`?"},
            {"file": "services.toml", "line": 3, "column": 10, "message": "0 is not a port", "help": "a port is between 1 and 65535"},
        ])
    );
}
