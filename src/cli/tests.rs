//! What the command line accepts, and what it refuses.

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::parse_args(line.split(' '))
}

fn target(line: &str) -> RestartTarget {
    match parse(line).expect("valid").command {
        Command::Restart(args) => args.target().expect("checked by parse_args"),
        other => panic!("not a restart: {other:?}"),
    }
}

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn restart_knows_its_modes_and_their_other_names() {
    let house = RestartTarget::House;
    for (line, mode) in [
        ("sentinel restart", Mode::Master),
        ("sentinel restart master", Mode::Master),
        ("sentinel restart full", Mode::Master),
        ("sentinel restart quick", Mode::Quick),
        ("sentinel restart emergency", Mode::Emergency),
        ("sentinel restart force", Mode::Emergency),
    ] {
        assert_eq!(target(line), house(mode), "{line}");
    }
    assert_eq!(
        target("sentinel restart a b"),
        RestartTarget::Services(vec!["a".into(), "b".into()])
    );
}

#[test]
fn every_reserved_name_is_a_mode() {
    assert!(ServiceName::RESERVED.iter().all(|word| mode(word).is_some()));
}

#[test]
fn a_mode_beside_services_is_wrong_usage_with_a_way_out() {
    let error = parse("sentinel restart trade_stream quick").expect_err("mixed");
    assert_eq!(error.exit_code(), 2);
    let text = error.to_string();
    assert!(text.contains("sentinel restart quick"), "{text}");
    assert!(text.contains("sentinel restart trade_stream"), "{text}");
}

#[test]
fn flags_stand_before_or_after_the_command() {
    for line in [
        "sentinel --json -c x.toml status",
        "sentinel status --json -c x.toml",
    ] {
        let flags = parse(line).expect("valid").flags;
        assert!(flags.json, "{line}");
        assert_eq!(flags.config, Some("x.toml".into()), "{line}");
    }
}

#[test]
fn the_last_of_two_files_counts() {
    let flags = parse("sentinel -c a.toml status -c b.toml").expect("valid").flags;
    assert_eq!(flags.config, Some("b.toml".into()));
    assert_eq!(
        parse("sentinel -c a.toml -c b.toml status")
            .expect("valid")
            .flags
            .config,
        Some("b.toml".into())
    );
}

#[test]
fn wrong_usage_is_exit_code_2() {
    for line in [
        "sentinel",
        "sentinel dance",
        "sentinel status --bogus",
        "sentinel flush --grace soon",
    ] {
        assert_eq!(parse(line).expect_err("wrong").exit_code(), 2, "{line}");
    }
}

#[test]
fn help_and_version_are_exit_code_0() {
    for line in ["sentinel help", "sentinel --version", "sentinel restart --help"] {
        assert_eq!(parse(line).expect_err("text").exit_code(), 0, "{line}");
    }
}

#[test]
fn durations_have_units() {
    for (text, ms) in [
        ("250ms", 250),
        ("10s", 10_000),
        ("5m", 300_000),
        ("2", 2_000),
        ("1.5s", 1_500),
    ] {
        assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
    }
    for text in ["", "s", "5 parsecs", "-1s", "1e9999s"] {
        assert!(duration(text).is_err(), "{text}");
    }
}
