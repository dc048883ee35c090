//! Templates, instances and groups: what they mean, and what is said of wrong ones.

use super::{mistakes, valid};
use crate::config::Config;
use crate::service::{Probe, Spec};

fn spec<'c>(config: &'c Config, name: &str) -> &'c Spec {
    let found = config.services.iter().find(|spec| spec.name.as_str() == name);
    found.unwrap_or_else(|| panic!("{name} is declared"))
}

fn names(config: &Config) -> Vec<&str> {
    config.services.iter().map(|spec| spec.name.as_str()).collect()
}

fn after<'c>(config: &'c Config, name: &str) -> Vec<&'c str> {
    spec(config, name)
        .after
        .iter()
        .map(crate::service::ServiceName::as_str)
        .collect()
}

const WATCHDOG: &str = r#"
[templates.watchdog]
command = ["python3", "watch.py", "--symbol", "{instance}", "--port={port}", '{"a": 1}']
ports = ["8100+{index}"]
env = { SYMBOL = "{instance}", NAME = "{name}", MODE = "live" }
cwd = "/srv/{instance}"
health = { http = "http://127.0.0.1:{port}/health" }
"#;

#[test]
fn a_name_before_the_at_sign_takes_the_template() {
    let config = valid(&format!(
        "{WATCHDOG}[services.'watchdog@BTC']\nports = [9001]\nenv = {{ MODE = 'paper', MORE = '1' }}\n"
    ));
    let btc = spec(&config, "watchdog@BTC");
    assert_eq!(
        btc.command,
        [
            "python3",
            "watch.py",
            "--symbol",
            "BTC",
            "--port=9001",
            "{\"a\": 1}"
        ]
    );
    assert_eq!(btc.ports, [9001]);
    let env: Vec<(&str, &str)> = btc.env.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(
        env,
        [
            ("MODE", "paper"),
            ("MORE", "1"),
            ("NAME", "watchdog@BTC"),
            ("SYMBOL", "BTC")
        ]
    );
    assert_eq!(btc.cwd, std::path::Path::new("/srv/BTC"));
    assert_eq!(btc.group.as_deref(), Some("watchdog"));
    let url = "http://127.0.0.1:9001/health".to_owned();
    assert!(
        matches!(&btc.health, Some(health) if health.probe == Probe::Http { url, status: None, expect: None })
    );
}

#[test]
fn a_template_lists_its_instances() {
    let config = valid(&format!(
        "{WATCHDOG}instances = ['BTC', 'ETH', 'SOL']\ngroup = 'watchdogs'\n[services.'watchdog@ETH']\ncwd = '/eth'\n"
    ));
    let mut found = names(&config);
    found.sort_unstable();
    assert_eq!(found, ["watchdog@BTC", "watchdog@ETH", "watchdog@SOL"]);
    let ports: Vec<u16> = found.iter().map(|name| spec(&config, name).ports[0]).collect();
    assert_eq!(ports, [8100, 8101, 8102]);
    assert_eq!(spec(&config, "watchdog@ETH").cwd, std::path::Path::new("/eth"));
    assert!(
        config
            .services
            .iter()
            .all(|spec| spec.group.as_deref() == Some("watchdogs"))
    );
}

#[test]
fn a_service_runs_once_for_each_instance() {
    let config = valid(
        "[services.w]\ncommand = ['x', '{instance}']\ninstances = ['b', 'a', 3]\n[services.plain]\ncommand = ['y', '{instance}']",
    );
    assert_eq!(names(&config), ["w@b", "w@a", "w@3", "plain"]);
    assert_eq!(spec(&config, "w@3").command, ["x", "3"]);
    assert_eq!(
        spec(&config, "plain").command,
        ["y", "{instance}"],
        "only instances are filled in"
    );
}

#[test]
fn instances_by_table_say_what_differs() {
    let config = valid(
        "[services.w]\ncommand = 'x --port {port}'\n[services.w.instances.BTC]\nports = [8201]\n[services.w.instances.ETH]\nports = [8303]\n",
    );
    assert_eq!(spec(&config, "w@BTC").command, ["x", "--port", "8201"]);
    assert_eq!(spec(&config, "w@ETH").ports, [8303]);
}

#[test]
fn a_template_that_is_named() {
    let config = valid(
        "[templates.web]\ncommand = ['serve', '{name}']\n[services.api]\ntemplate = 'web'\n[services.b]\ntemplate = 'web'\ninstances = ['1']\n",
    );
    assert_eq!(names(&config), ["api", "b@1"]);
    assert_eq!(spec(&config, "api").command, ["serve", "api"]);
    assert_eq!(spec(&config, "api").group, None);
}

#[test]
fn after_takes_groups_and_patterns() {
    let config = valid(
        r#"
        [services.w]
        command = "x"
        group = "watchdogs"
        instances = ["a", "b"]
        [services.one]
        command = "x"
        after = ["w@a"]
        [services.all]
        command = "x"
        after = ["@watchdogs", "one"]
        [services.last]
        command = "x"
        after = ["*"]
        "#,
    );
    assert_eq!(after(&config, "one"), ["w@a"]);
    assert_eq!(after(&config, "all"), ["w@a", "w@b", "one"]);
    assert_eq!(
        after(&config, "last"),
        ["w@a", "w@b", "one", "all"],
        "a pattern never means the service itself"
    );
}

#[test]
fn instances_start_after_their_own_counterpart() {
    let config = valid(
        "[services.feed]\ncommand='x'\ninstances=['a','b']\n[services.w]\ncommand='x'\ninstances=['a','b']\nafter=['feed@{instance}']",
    );
    assert_eq!(after(&config, "w@b"), ["feed@b"]);
}

#[test]
fn what_is_said_of_wrong_ones() {
    for (text, expected) in [
        (
            "[templates.watchdog]\ncommand='x'\n[services.a]\ntemplate='wathdog'",
            "services.toml:4:10: no template is called `wathdog`; did you mean `watchdog`?\nservices.toml:3:11: `a` has no command",
        ),
        (
            "[templates.w]\ncommand=['x','{instnace}']\ninstances=['a','b']",
            "services.toml:2:15: {instnace} stands for nothing; did you mean {instance}?",
        ),
        (
            "[templates.w]\ncommand=['x','{instance}']\n[services.a]\ntemplate='w'",
            "services.toml:2:15: `a` has no instance for {instance}; name it like `a@BTC`, or give it `instances`",
        ),
        (
            "[services.w]\ncommand='x'\nports=['80x{index}']\ninstances=['a']",
            "services.toml:3:8: \"80x0\" is not a port; write a number or a sum between 1 and 65535, like \"8100+{index}\"",
        ),
        (
            "[services.w]\ncommand='x'\nports=[8100]\ninstances=['a', 'b']",
            "services.toml:3:8: port 8100 is assigned twice, to `w@a` and to `w@b`; give one of them another port",
        ),
        (
            "[services.w]\ncommand='x'\ninstances=['a', 'a']",
            "services.toml:3:17: `w@a` is declared twice; it is also at services.toml:3:12; keep one of them",
        ),
        (
            "[services.w]\ncommand='x'\ninstances=3",
            "services.toml:3:11: `instances` wants an array of strings, or a table of tables; write [\"BTC\", \"ETH\"], or a table for each, like [services.NAME.instances.BTC]",
        ),
        (
            "[templates.w]\ncommand='x'\nprots=[1]\ninstances=['a','b']",
            "services.toml:3:1: unknown key `prots`; did you mean `ports`?",
        ),
        (
            "[templates.w]\ncmd='x'\n[services.a]\ncommand='x'",
            "services.toml:2:1: unknown key `cmd`; did you mean `command`?",
        ),
        (
            "[services.w]\ncommand='x'\ninstances=['a b']",
            "services.toml:3:12: `w@a b` is not a service name: it starts with a letter or digit and holds letters, digits and _ - . @",
        ),
        (
            "[services.w]\ncommand='x'\ngroup='w'\ninstances=['a']\n[services.b]\ncommand='x'\nafter=['w', '@x', 'z@*']",
            "services.toml:7:8: no service is called `w`; did you mean `w@*`?\nservices.toml:7:13: there is no group `x`; did you mean `@w`?\nservices.toml:7:19: no service matches `z@*`; services: w@a, b",
        ),
    ] {
        let said = mistakes(text);
        // The help of a missing command is told elsewhere.
        let said = said.replace(
            "; say what to run, like command = [\"program\", \"--option\"]",
            "",
        );
        let mut said: Vec<&str> = said.lines().collect();
        let mut expected: Vec<&str> = expected.lines().collect();
        said.sort_unstable();
        expected.sort_unstable();
        assert_eq!(said, expected, "\nsaid of:\n{text}");
    }
}
