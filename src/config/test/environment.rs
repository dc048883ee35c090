//! What a service's environment holds, and what `${NAME}` stands for.

use std::os::unix::fs::PermissionsExt;

use super::House;
use crate::config::Environment;

const PLAIN: &str = "[sentinel]\nenv_file = '.env'\n[services.a]\ncommand = 'x'\n";

impl House {
    fn env_file(self, text: impl AsRef<[u8]>, mode: u32) -> Self {
        let file = self.root().join(".env");
        std::fs::write(&file, text).expect("a new file");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("our own file");
        self
    }

    fn env(&self) -> Environment {
        self.load().expect("valid").services[0].env.as_ref().clone()
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Environment {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn a_service_inherits_what_programs_need_and_no_secret() {
    let mut house = House::new("[services.a]\ncommand = 'x'");
    let needed = [
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_TIME", "TZ", "TMPDIR",
    ];
    for name in needed.iter().chain(&["ALPACA_SECRET_KEY", "PATHS", "LANGUAGE"]) {
        house = house.caller(name, "v");
    }
    assert_eq!(house.env(), pairs(&needed.map(|name| (name, "v"))));
}

#[test]
fn pass_env_takes_names_and_beginnings() {
    let house =
        House::new("[sentinel]\npass_env = ['RUST_LOG', 'ALPACA_*', 'UNSET']\n[services.a]\ncommand = 'x'");
    let house = house
        .caller("RUST_LOG", "info")
        .caller("ALPACA_KEY", "k")
        .caller("RUST_LOG_STYLE", "x");
    assert_eq!(house.env(), pairs(&[("ALPACA_KEY", "k"), ("RUST_LOG", "info")]));
    let house = House::new("[sentinel]\npass_env = ['*']\n[services.a]\ncommand = 'x'").caller("ANY", "1");
    assert_eq!(house.env(), pairs(&[("ANY", "1")]));
}

/// From the weakest to the strongest: the minimum, the env file, what is passed on, the service's own.
#[test]
fn the_last_one_wins() {
    let text = "[sentinel]\nenv_file = '.env'\npass_env = ['B', 'C']\n[services.a]\ncommand = 'x'\nenv = { C = 'own' }";
    let house = House::new(text).env_file("TZ=file\nA=file\nB=file\nC=file\n", 0o600);
    let house = house
        .caller("TZ", "caller")
        .caller("A", "caller")
        .caller("B", "caller")
        .caller("C", "caller");
    assert_eq!(
        house.env(),
        pairs(&[("TZ", "file"), ("A", "file"), ("B", "caller"), ("C", "own")])
    );
}

#[test]
fn references_are_expanded_after_the_split() {
    let text = r#"
        [sentinel]
        env_file = ".env"
        [services.a]
        command = "x ${TWO} ${FILE} ${UNSET:-d} ${EMPTY:-e} '${EMPTY}' $${TWO} $TWO $$ 100$"
        env = { A = "<${TWO}|${UNSET:-}|${UNSET:-ws://h:1/}>" }
        ready = { ws = "ws://${HOST}:1/" }
    "#;
    let house = House::new(text)
        .env_file("FILE=f\nTWO=overridden\nHOST=h\n", 0o600)
        .caller("TWO", "a b")
        .caller("EMPTY", "");
    let spec = house.load().expect("valid").services[0].clone();
    assert_eq!(
        spec.command,
        ["x", "a b", "f", "d", "e", "", "${TWO}", "$TWO", "$$", "100$"]
    );
    assert_eq!(spec.env["A"], "<a b||ws://h:1/>");
    assert!(format!("{:?}", spec.ready).contains("ws://h:1/"));
}

#[test]
fn lines_of_the_env_file() {
    let text = concat!(
        "# a comment\n\n  export A=1\nB = two words # a comment\nC='# ${A} \\n'\n",
        "D=\"a\\n\\\"b\\\" \\$x \\\\ \\q\" # so\nE=\nF=x#y\r\nG=#none\nH==="
    );
    let expected = [
        ("A", "1"),
        ("B", "two words"),
        ("C", "# ${A} \\n"),
        ("D", "a\n\"b\" $x \\ \\q"),
        ("E", ""),
        ("F", "x#y"),
        ("G", ""),
        ("H", "=="),
    ];
    assert_eq!(House::new(PLAIN).env_file(text, 0o600).env(), pairs(&expected));
}

/// Each is told with its place in the env file, and none of its values is shown.
#[test]
fn mistakes_in_the_env_file() {
    let text = "OK=1\n  sEcReT\n1A=sEcReT\nB=\"sEcReT\nC='sEcReT' sEcReT\nD=sEcReT\0\nA-B=sEcReT\n";
    let expected = "\
.env:2:3: this line is not KEY=VALUE; start a comment with `#`
.env:3:1: what stands before `=` is not the name of a variable; a name holds letters, digits and `_`, and does not start with a digit
.env:4:1: a quote is never closed on this line; a value stands on one line; write \\n for a line break
.env:5:1: text follows the closing quote; put the whole value in quotes
.env:6:1: this value holds a NUL byte; no program can be given one; leave it out
.env:7:1: what stands before `=` is not the name of a variable; a name holds letters, digits and `_`, and does not start with a digit";
    assert_eq!(House::new(PLAIN).env_file(text, 0o600).mistakes(), expected);
}

#[test]
fn an_env_file_that_others_can_touch_is_refused() {
    for mode in [0o644, 0o640, 0o606, 0o620, 0o601] {
        let expected = format!(
            "services.toml:2:12: others have access to the env file `.env` (mode {mode:03o}); run: chmod 600 ROOT/.env"
        );
        assert_eq!(House::new(PLAIN).env_file("A=1", mode).mistakes(), expected);
    }
    assert_eq!(House::new(PLAIN).env_file("A=1", 0o400).mistakes(), "valid");
}

#[test]
fn an_env_file_must_be_a_file_of_text() {
    let house = House::new(PLAIN);
    std::fs::create_dir(house.root().join(".env")).expect("a new folder");
    let expected = "services.toml:2:12: the env file `.env` is not a file; name a file of KEY=VALUE lines";
    assert_eq!(house.mistakes(), expected);
    let said = House::new(PLAIN).env_file(b"A=\xff", 0o600).mistakes();
    let expected = "services.toml:2:12: the env file `.env` cannot be read: stream did not contain valid UTF-8; write it as UTF-8";
    assert_eq!(said, expected);
}

/// Mistakes of services.toml come first, then those of the env file; values show in neither.
#[test]
fn no_value_of_a_variable_is_ever_shown() {
    let text = r#"
[sentinel]
env_file = ".env"
[services.a]
command = "x"
env = { A = "${KEY} ${NOPE}" }
health = { ws = "${KEY}" }
ready = { tcp = "${KEY}" }
"#;
    let house = House::new(text).env_file("KEY=sEcReT\nsEcReT", 0o600);
    let said = house.mistakes();
    assert_eq!(said.lines().count(), 4, "{said}");
    assert!(!said.contains("sEcReT"), "{said}");
}
