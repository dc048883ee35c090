//! Which requests may act.

use axum::http::{HeaderMap, HeaderName, StatusCode};

use super::{Actions, Said, WeakToken, Web, equal};

const TOKEN: &str = "0123456789abcdef";

const ON: Web = Web {
    actions: true,
    allow_remote: false,
};

const ANYWHERE: Web = Web {
    actions: true,
    allow_remote: true,
};

fn with_token(open: bool) -> Actions {
    Actions::new(Some(TOKEN.into()), open).expect("a good token")
}

fn headers(changes: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let bearer = format!("Bearer {TOKEN}");
    let usual = [
        ("host", "localhost:3000"),
        ("origin", "http://localhost:3000"),
        ("sec-fetch-site", "same-origin"),
        ("content-type", "application/json"),
        ("authorization", bearer.as_str()),
    ];
    for (name, value) in usual.iter().chain(changes) {
        let name = HeaderName::from_static(name);
        if value.is_empty() {
            headers.remove(name);
        } else {
            headers.insert(name, value.parse().expect("a value"));
        }
    }
    headers
}

fn answer(web: Web, changes: &[(&'static str, &str)], peer: &str) -> Result<(), StatusCode> {
    let peer = peer.parse().expect("an address");
    with_token(web.allow_remote)
        .permit(web, &headers(changes), peer)
        .map_err(|(status, _)| status)
}

#[test]
fn they_are_off_unless_the_file_and_a_token_turn_them_on() {
    let off = |actions: &Actions, web, words: &str| match actions.say(web) {
        Said::Off(why) => assert!(why.contains(words), "{why}"),
        Said::On => panic!("on"),
    };
    off(&with_token(false), Web::default(), "actions = true under [web]");
    off(&Actions::default(), ON, "no MAIN_APP_TOKEN");
    assert_eq!(with_token(false).say(ON), Said::On);
    assert_eq!(Actions::new(Some("short".into()), false).err(), Some(WeakToken));
    let none = Actions::new(Some(String::new()), false).expect("an empty variable is none");
    off(&none, ON, "no MAIN_APP_TOKEN");
    let empty = none.permit(
        ON,
        &headers(&[("authorization", "Bearer ")]),
        "127.0.0.1:1".parse().expect("one"),
    );
    assert_eq!(empty.map_err(|(status, _)| status), Err(StatusCode::FORBIDDEN));
    assert_eq!(
        answer(Web::default(), &[], "127.0.0.1:1"),
        Err(StatusCode::FORBIDDEN)
    );
}

#[test]
fn an_address_that_others_reach_needs_a_setting_of_its_own() {
    let Said::Off(why) = with_token(true).say(ON) else {
        panic!("on");
    };
    assert!(why.contains("allow_remote = true"), "{why}");
    assert_eq!(with_token(true).say(ANYWHERE), Said::On);
    assert_eq!(with_token(true).listening(false).say(ON), Said::On);
}

#[test]
fn our_own_page_with_the_token_may() {
    assert_eq!(answer(ON, &[], "127.0.0.1:1"), Ok(()));
    assert_eq!(answer(ON, &[], "[::1]:1"), Ok(()));
    let program = [("origin", ""), ("sec-fetch-site", "")];
    assert_eq!(answer(ON, &program, "127.0.0.1:1"), Ok(()));
    assert_eq!(answer(ANYWHERE, &[], "10.0.0.1:1"), Ok(()));
}

#[test]
fn anything_less_may_not() {
    let forbidden = StatusCode::FORBIDDEN;
    assert_eq!(answer(ON, &[], "10.0.0.1:1"), Err(forbidden));
    for change in [
        ("origin", "http://evil.example"),
        ("origin", "http://localhost:4000"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        assert_eq!(answer(ON, &[change], "127.0.0.1:1"), Err(forbidden), "{change:?}");
    }
    for token in [
        "",
        "Bearer",
        "Bearer 0123456789abcdeX",
        "Bearer 0123456789abcdef0",
        "0123456789abcdef",
    ] {
        let change = ("authorization", token);
        assert_eq!(
            answer(ON, &[change], "127.0.0.1:1"),
            Err(StatusCode::UNAUTHORIZED),
            "{token}"
        );
    }
    let form = ("content-type", "text/plain");
    assert_eq!(
        answer(ON, &[form], "127.0.0.1:1"),
        Err(StatusCode::UNSUPPORTED_MEDIA_TYPE)
    );
}

#[test]
fn tokens_are_compared_whole() {
    assert!(equal(b"abc", b"abc"));
    assert!(!equal(b"abc", b"abd") && !equal(b"ab", b"abc") && !equal(b"", b"abc"));
}

#[test]
fn a_token_is_not_shown() {
    assert_eq!(
        format!("{:?}", with_token(false)),
        "Actions(a token, open: false)"
    );
}
