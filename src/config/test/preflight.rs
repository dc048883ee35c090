//! What would make a start fail.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::House;
use crate::config::{preflight, program};

impl House {
    /// A file of this mode.
    fn file(&self, name: &str, text: &str, mode: u32) {
        let file = self.root().join(name);
        std::fs::write(&file, text).expect("a new file");
        chmod(&file, mode);
    }

    fn folder(&self, name: &str, mode: u32) {
        let folder = self.root().join(name);
        std::fs::create_dir_all(&folder).expect("a new folder");
        chmod(&folder, mode);
    }

    /// All problems, with the folder as ROOT.
    fn problems(&self) -> Vec<String> {
        let config = self.load().expect("valid");
        let root = self.root().to_string_lossy().into_owned();
        preflight(&config)
            .iter()
            .map(|problem| problem.to_string().replace(&root, "ROOT"))
            .collect()
    }
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("our own");
}

fn root_runs_this() -> bool {
    nix::unistd::geteuid().is_root()
}

#[test]
fn nothing_is_wrong_with_a_house_in_order() {
    let house = House::new("[services.a]\ncommand = './run'\nhealth = { exec = 'sh' }\n")
        .caller("PATH", "/usr/bin:/bin");
    house.file("run", "#!/bin/sh\n", 0o755);
    assert_eq!(house.problems(), [""; 0]);
    house.folder(".sentinel", 0o700);
    house.folder("logs", 0o755);
    house.file("logs/a.log", "", 0o600);
    assert_eq!(house.problems(), [""; 0]);
}

#[test]
fn programs_that_cannot_run() {
    let house = House::new(
        "[services.a]\ncommand = './gone'\n[services.b]\ncommand = './plain'\n[services.c]\ncommand = 'app'\n\
         [services.d]\ncommand = './run'\ncwd = 'app'\n[services.e]\ncommand = './old'\n\
         [services.f]\ncommand = '/bin/sh'\nready = { exec = './gone' }\n[services.g]\ncommand = './app'\n",
    )
    .caller("PATH", "/nowhere");
    house.file("plain", "", 0o644);
    house.folder("app", 0o755);
    house.file("app/run", "", 0o755);
    house.file("old", "#! /nowhere/python -u\n", 0o755);
    let beside = std::env::current_exe().expect("this test");
    let beside = beside.parent().expect("a folder").display();
    let mend =
        "build it, make it executable, or mend the path in `command`; paths are relative to services.toml";
    assert_eq!(
        house.problems(),
        [
            format!("a: the program ROOT/gone cannot be used: no such file or directory; {mend}"),
            format!("b: the program ROOT/plain is not executable; {mend}"),
            format!("c: the program `app` is neither in {beside} nor in PATH (/nowhere); build or install it, or name its path in `command`"),
            "d: the program ROOT/run cannot be used: no such file or directory; paths are relative to services.toml, not to `cwd`: write app/run".into(),
            "e: ROOT/old names an interpreter that is not there: /nowhere/python; install it, or mend the first line".into(),
            format!("f: the program ROOT/gone cannot be used: no such file or directory; {mend}"),
            format!("g: the program ROOT/app is not a file; {mend}"),
        ]
    );
}

#[test]
fn a_bare_name_is_looked_up_in_the_path_of_the_service() {
    let house = House::new("[services.a]\ncommand = 'tool'\nenv = { PATH = '/nowhere:bin:${PATH}' }\n")
        .caller("PATH", "/bin");
    house.folder("bin", 0o755);
    house.file("bin/tool", "", 0o755);
    let spec = house.load().expect("valid").services[0].clone();
    assert_eq!(program(&spec), Ok(house.root().join("bin/tool")));
    house.file("bin/tool", "", 0o644);
    assert_eq!(
        program(&spec),
        Err(format!(
            "the program {}/bin/tool is not executable",
            house.root().display()
        ))
    );
}

/// The bundled workers are found next to the running binary, before anything in PATH.
#[test]
fn a_bare_name_is_looked_up_next_to_sentinel_first() {
    let own = std::env::current_exe().expect("this test");
    let name = own
        .file_name()
        .and_then(|name| name.to_str())
        .expect("UTF-8")
        .to_owned();
    let house = House::new(format!("[services.a]\ncommand = '{name}'\n"));
    house.file(&name, "", 0o755);
    let house = house.caller("PATH", ".");
    assert_eq!(program(&house.load().expect("valid").services[0]), Ok(own));
}

#[test]
fn working_folders() {
    let house = House::new(
        "[services.a]\ncommand = '/bin/sh'\ncwd = 'gone'\n[services.b]\ncommand = '/bin/sh'\ncwd = 'services.toml'\n",
    );
    assert_eq!(
        house.problems(),
        [
            "a: the working folder ROOT/gone cannot be used: no such file or directory; create it, or mend `cwd`",
            "b: the working folder ROOT/services.toml is not a folder; mend `cwd`",
        ]
    );
}

#[test]
fn folders_of_logs_and_state() {
    let house = House::new("[sentinel]\nlog_dir = 'l'\n[services.a]\ncommand = '/bin/sh'\n");
    house.folder("l", 0o777);
    house.folder(".sentinel", 0o770);
    house.folder("l/a.log", 0o755);
    assert_eq!(
        house.problems(),
        [
            "others can write to ROOT/l (mode 777); run: chmod 775 ROOT/l",
            "others can write to ROOT/.sentinel (mode 770); run: chmod 750 ROOT/.sentinel",
            "a: the log ROOT/l/a.log is a folder; move it away",
        ]
    );
    let house = House::new("[sentinel]\nlog_dir = 'f/l'\n[services.a]\ncommand = '/bin/sh'\n");
    house.file("f", "", 0o644);
    assert_eq!(
        house.problems(),
        ["ROOT/f is not a folder; ROOT/f/l is needed as a folder: move it away"]
    );
}

/// Root may do everything, so only others can be refused.
#[test]
fn what_may_not_be_entered_or_written() {
    if root_runs_this() {
        return;
    }
    let house = House::new("[sentinel]\nlog_dir = 'l/logs'\n[services.a]\ncommand = '/bin/sh'\ncwd = 'c'\n");
    house.folder("l", 0o500);
    house.folder("c", 0o600);
    let problems = house.problems();
    chmod(&house.root().join("l"), 0o700);
    assert_eq!(
        problems,
        [
            "ROOT/l/logs cannot be written: ROOT/l: permission denied; let the user who runs sentinel write there",
            "a: the working folder ROOT/c may not be entered; run: chmod u+x ROOT/c",
        ]
    );
}
