//! Each kind of mistake: its line, its column, its words.
//!
//! The cases are in `mistakes/`: lines of a services.toml, then, after `=>`, what is said of them.

use super::mistakes;

/// A valid service, on the two lines before those of a case.
const SERVICE: &str = "[services.a]\ncommand = \"x\"\n";

/// Compares what is said of each case, put after `before`, with what should be.
fn told(cases: &str, before: &str) {
    for case in cases.split("\n\n") {
        let (lines, expected) = case.rsplit_once("=> ").expect("a case has lines and a mistake");
        let text = format!("{before}{lines}");
        assert_eq!(mistakes(&text), expected.trim_end(), "\nsaid of:\n{text}");
    }
}

#[test]
fn of_commands() {
    told(include_str!("mistakes/commands.txt"), "[services.a]\n");
}

#[test]
fn of_names_and_unknown_keys() {
    told(include_str!("mistakes/names_and_unknown_keys.txt"), "");
}

#[test]
fn of_probes() {
    told(include_str!("mistakes/probes.txt"), SERVICE);
}

#[test]
fn of_recovery_health_and_watching() {
    told(include_str!("mistakes/recovery.txt"), SERVICE);
}

#[test]
fn of_syntax_without_its_echoes() {
    told(include_str!("mistakes/syntax_without_its_echoes.txt"), "");
}

#[test]
fn of_the_general_table() {
    told(
        include_str!("mistakes/the_general_table.txt"),
        &format!("{SERVICE}[sentinel]\n"),
    );
}

#[test]
fn of_the_whole_file() {
    told(include_str!("mistakes/the_whole_file.txt"), "");
}

#[test]
fn of_types_and_bounds() {
    told(include_str!("mistakes/types_and_bounds.txt"), SERVICE);
}

#[test]
fn of_what_services_say_of_each_other() {
    told(
        include_str!("mistakes/what_services_say_of_each_other.txt"),
        SERVICE,
    );
}

#[test]
fn of_variables() {
    let names = "write ${NAME} or ${NAME:-default}, or `$${` for a literal `${`";
    let unset = "the variable NOPE is not set; set it in the environment or in env_file, or give a default: ${NOPE:-default}";
    let never = "`${` is never closed; close it with `}`, or write `$${` for a literal `${`";
    let bad = format!("`${{…}}` does not hold the name of a variable; {names}");
    let cases = [
        ("command = \"x ${NOPE}\"", format!("services.toml:2:14: {unset}")),
        (
            "command = ['x', 'é ${NOPE}']",
            format!("services.toml:2:20: {unset}"),
        ),
        (
            "command = 'x'\nenv = { A = \"${NOPE}\" }",
            format!("services.toml:3:14: {unset}"),
        ),
        (
            "command = 'x'\nhealth = { ws = 'ws://${NOPE}/' }",
            format!("services.toml:3:23: {unset}"),
        ),
        (
            "command = 'x'\nready = { exec = ['y', '${NOPE}'] }",
            format!("services.toml:3:25: {unset}"),
        ),
        (
            "command = ['x', '${NOPE']",
            format!("services.toml:2:18: {never}"),
        ),
        ("command = ['x', '${a-b}']", format!("services.toml:2:18: {bad}")),
        ("command = ['x', '${}']", format!("services.toml:2:18: {bad}")),
        (
            "command = ['x', '${A:-${B}}']",
            format!("services.toml:2:18: {bad}"),
        ),
    ];
    for (lines, expected) in cases {
        assert_eq!(mistakes(&format!("[services.a]\n{lines}\n")), expected);
    }
}

/// An error that swallows what follows it does not hide the mistakes there.
#[test]
fn after_a_syntax_error() {
    let unknown = "services.toml:6:1: unknown key `portz`; did you mean `ports`?";
    let cases = [
        (
            "[services.a]\ncommand 'x'\n",
            "services.toml:2:9: key with no value, expected `=`",
        ),
        (
            "[services.a]\nports = [1,\ncommand = 'x'",
            "services.toml:2:9: unclosed array, expected `]`",
        ),
        (
            "[services.a]\nready = { tcp = 'h:1'\ncommand = 'x'",
            "services.toml:2:9: unclosed inline table, expected `}`",
        ),
        (
            "[services.a]\ncommand = '''x\n",
            "services.toml:2:11: invalid multi-line literal string, expected `'`",
        ),
        (
            "[services.a\ncommand = 'x'\n",
            "services.toml:1:12: unclosed table, expected `]`",
        ),
    ];
    for (lines, expected) in cases {
        let text = format!("{lines}\n[services.b]\ncommand = 'y'\nportz = [1]\nafter = ['c']\n");
        assert_eq!(
            mistakes(&text),
            format!("{expected}\n{unknown}"),
            "\nsaid of:\n{text}"
        );
    }
}

#[test]
fn all_at_once_in_the_order_of_the_file() {
    let text = r#"[sentinel]
logdir = "logs"

[services.sim]
command = ["sim", "${SIM_SEED}"]
ports = [8764, 0]
after = ["proxi"]

[services.stream]
comand = "stream"
ports = [8764]
restart = "allways"
health = { ws = "wss://127.0.0.1:8765", every = 10 }
stop = { signal = "TREM" }

[services.proxy
command = "x"

[services.last]
env = { A = 1, B = "${B:-" }
"#;
    let expected = r#"services.toml:2:1: unknown key `logdir`; did you mean `log_dir`?
services.toml:5:20: the variable SIM_SEED is not set; set it in the environment or in env_file, or give a default: ${SIM_SEED:-default}
services.toml:6:16: 0 is not a port; a port is between 1 and 65535
services.toml:10:1: unknown key `comand`; did you mean `command`?
services.toml:11:10: port 8764 is assigned twice, to `sim` and to `stream`; give one of them another port
services.toml:12:11: `restart` wants one of "always", "on-failure", "never", not "allways"; did you mean "always"?
services.toml:13:17: probes ask local services without TLS, not `wss://`; probe the service's own port with `ws://`
services.toml:13:49: `every` wants a duration, like "250ms", "10s", "5m" or "1h", not an integer; write "10s"
services.toml:14:19: "TREM" is not a signal; did you mean "SIGTERM"?
services.toml:16:16: unclosed table, expected `]`
services.toml:19:11: `last` has no command; say what to run, like command = ["program", "--option"]
services.toml:20:13: `A` wants a string, not an integer; put it in quotes
services.toml:20:21: `${` is never closed; close it with `}`, or write `$${` for a literal `${`"#;
    assert_eq!(mistakes(text), expected);
}
