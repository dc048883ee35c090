//! Which requests may act.

use axum::http::{HeaderMap, HeaderName, StatusCode};

use super::{Actions, BadActions, equal};

const TOKEN: &str = "0123456789abcdef";

fn on(remote: bool) -> Actions {
    Actions::new(Some("1"), Some(TOKEN.into()), remote).expect("a good token")
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

fn answer(actions: &Actions, changes: &[(&'static str, &str)], peer: &str) -> Result<(), StatusCode> {
    let peer = peer.parse().expect("an address");
    actions
        .permit(&headers(changes), peer)
        .map_err(|(status, _)| status)
}

#[test]
fn they_are_off_unless_asked_for_with_a_token() {
    assert!(
        !Actions::new(None, Some(TOKEN.into()), false)
            .expect("off")
            .are_on()
    );
    assert!(!Actions::new(Some("0"), None, false).expect("off").are_on());
    for token in [None, Some("short".to_owned())] {
        assert_eq!(
            Actions::new(Some("1"), token, false).err(),
            Some(BadActions::NoToken)
        );
    }
    let off = Actions::default();
    assert_eq!(answer(&off, &[], "127.0.0.1:1"), Err(StatusCode::FORBIDDEN));
}

#[test]
fn an_address_that_others_reach_needs_a_setting_of_its_own() {
    assert_eq!(on(false).check_address(true), Ok(()));
    assert_eq!(on(false).check_address(false), Err(BadActions::Remote));
    assert_eq!(on(true).check_address(false), Ok(()));
    assert_eq!(Actions::default().check_address(false), Ok(()));
}

#[test]
fn our_own_page_with_the_token_may() {
    assert_eq!(answer(&on(false), &[], "127.0.0.1:1"), Ok(()));
    assert_eq!(answer(&on(false), &[], "[::1]:1"), Ok(()));
    let program = [("origin", ""), ("sec-fetch-site", "")];
    assert_eq!(answer(&on(false), &program, "127.0.0.1:1"), Ok(()));
    assert_eq!(answer(&on(true), &[], "10.0.0.1:1"), Ok(()));
}

#[test]
fn anything_less_may_not() {
    let forbidden = StatusCode::FORBIDDEN;
    assert_eq!(answer(&on(false), &[], "10.0.0.1:1"), Err(forbidden));
    for change in [
        ("origin", "http://evil.example"),
        ("origin", "http://localhost:4000"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        assert_eq!(
            answer(&on(false), &[change], "127.0.0.1:1"),
            Err(forbidden),
            "{change:?}"
        );
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
            answer(&on(false), &[change], "127.0.0.1:1"),
            Err(StatusCode::UNAUTHORIZED),
            "{token}"
        );
    }
    let form = ("content-type", "text/plain");
    assert_eq!(
        answer(&on(false), &[form], "127.0.0.1:1"),
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
    assert_eq!(format!("{:?}", on(false)), "Actions(on, remote: false)");
}
