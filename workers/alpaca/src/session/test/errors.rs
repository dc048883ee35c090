//! Stories: what each of Alpaca's refusals leads to (streams of the field: codes 400 to 500, 429).

use super::super::OpenFailure;
use super::*;

fn waiting_for_authentication() -> Stage {
    let mut stage = Stage::new();
    stage.want(&["AAPL"]);
    stage.news(News::Opened);
    stage.control(Control::Welcome);
    stage
}

fn http(status: u16, retry_after: Option<u64>) -> News {
    News::OpenFailed(OpenFailure::Http {
        status,
        retry_after: retry_after.map(Duration::from_secs),
    })
}

#[test]
fn a_lease_that_another_process_has_is_waited_for_and_taken_at_once() {
    let mut stage = Stage::new();
    stage.want(&["AAPL"]);
    let holder = "trade-stream (process 7)".into();
    assert_eq!(stage.news(News::OpenFailed(OpenFailure::Leased { holder })), []);
    assert_eq!(stage.session.state(), State::SlotHeld);
    let detail = stage.session.snapshot().detail.expect("a reason");
    assert!(detail.contains("trade-stream (process 7)"), "{detail}");
    assert_eq!(
        stage.input(Input::Asked(Ask::Reconnect)),
        [],
        "not before it is free"
    );
    assert_eq!(stage.input(Input::Leased), [Action::Open { connection: 2 }]);
    assert_eq!(stage.input(Input::Leased), [], "stale news");
}

#[test]
fn who_holds_the_lease_now_is_told_within_two_seconds() {
    let mut stage = Stage::new();
    stage.want(&["AAPL"]);
    for (connection, holder) in [(2, "trade-stream (process 7)"), (3, "trade-stream (process 8)")] {
        let leased = OpenFailure::Leased {
            holder: holder.into(),
        };
        stage.news(News::OpenFailed(leased));
        let detail = stage.session.snapshot().detail.expect("a reason");
        assert!(detail.contains(holder), "{detail}");
        assert!(stage.wait_s() <= 2.0, "{}", stage.wait_s());
        assert_eq!(stage.tick(), [Action::Open { connection }], "looked up anew");
        assert_eq!(stage.session.state(), State::SlotHeld);
    }
}

#[test]
fn the_lease_of_a_process_that_was_killed_leads_to_a_held_slot_that_is_asked_for_quickly() {
    let mut stage = Stage::new();
    stage.want(&["AAPL"]);
    let holder = "trade-stream (process 7)".into();
    stage.news(News::OpenFailed(OpenFailure::Leased { holder }));
    stage.now += Duration::from_secs(1);
    assert_eq!(stage.input(Input::Leased), [Action::Open { connection: 2 }]);
    stage.news(News::Opened);
    stage.control(Control::Welcome);
    assert_eq!(stage.error(406), []);
    assert_eq!(stage.tick(), [Action::Authenticate]);
    assert!(
        stage.seconds() <= Duration::from_millis(1100),
        "{:?}",
        stage.seconds()
    );
}

#[test]
fn what_only_a_person_can_mend_is_final() {
    for code in [402, 408, 409, 411] {
        let mut stage = waiting_for_authentication();
        let actions = stage.error(code);
        assert!(
            matches!(&actions[..], [Action::Close, Action::Emit(Event::Fatal { code: told, .. })] if *told == code),
            "{actions:?}"
        );
        assert_eq!(stage.ended(), []);
        assert_eq!(stage.session.state(), State::Fatal);
        assert_eq!(stage.session.next_deadline(), None);
        assert_eq!(stage.want(&["TSLA"]), []);
        assert_eq!(stage.input(Input::Asked(Ask::Reconnect)), []);
        stage.input(Input::Asked(Ask::Close));
        assert!(stage.session.is_closed());
    }
}

#[test]
fn a_held_slot_is_asked_for_on_the_same_socket_mostly_when_it_may_come_free() {
    let mut stage = waiting_for_authentication();
    let mut asked = 0;
    while stage.seconds() < Duration::from_secs(200) {
        assert_eq!(stage.error(406), []);
        assert_eq!(stage.session.state(), State::SlotHeld);
        let before = stage.now;
        assert_eq!(stage.tick_past_pings(), [Action::Authenticate]);
        let (held, waited) = (stage.seconds().as_secs(), (stage.now - before).as_secs_f64());
        let expected = match held {
            0..=3 | 86..=99 => 0.08..=0.08,
            4..=85 => 0.04..=1.75,
            100..=104 => 0.08..=6.25,
            105.. => 3.75..=6.25,
        };
        assert!(expected.contains(&waited), "{waited} s after {held} s");
        assert_eq!(stage.session.state(), State::SlotHeld);
        asked += 1;
    }
    assert!(asked < 500, "{asked}");
    let actions = stage.control(Control::Authenticated);
    assert_eq!(actions, [Action::Emit(Event::Connected), subscribe(&["AAPL"])]);
    assert_eq!(stage.session.snapshot().detail, None);
}

#[test]
fn a_held_slot_whose_socket_is_closed_is_asked_for_on_a_new_one() {
    for timeout_first in [true, false] {
        let mut stage = waiting_for_authentication();
        stage.error(406);
        if timeout_first {
            assert_eq!(stage.error(404), [Action::Close]);
        }
        assert_eq!(stage.ended(), []);
        assert_eq!(stage.session.state(), State::SlotHeld);
        assert!(stage.wait_s() <= 6.25);
        assert_eq!(stage.tick(), [Action::Open { connection: 2 }]);
        assert_eq!(stage.session.state(), State::SlotHeld);
    }
}

#[test]
fn too_many_requests_at_the_door_are_a_held_slot_too() {
    let mut stage = Stage::new();
    stage.want(&["AAPL"]);
    for (asked, least, most) in [
        (None, 3.75, 6.25),
        (Some(30), 30.0, 30.0),
        (Some(999), 60.0, 60.0),
    ] {
        assert_eq!(stage.news(http(429, asked)), []);
        assert_eq!(stage.session.state(), State::SlotHeld);
        let wait = stage.wait_s();
        assert!((least..=most).contains(&wait), "{wait}");
        stage.now += Duration::from_secs(2);
        assert_eq!(stage.input(Input::Asked(Ask::Reconnect)), []);
        assert!((stage.wait_s() - (wait - 2.0)).abs() < 0.001, "no sooner");
        stage.tick();
    }
    stage.news(News::OpenFailed(OpenFailure::Transport("no route".into())));
    assert_eq!(stage.session.state(), State::BackingOff);
}

#[test]
fn a_door_that_stays_shut_is_final_and_a_sick_one_is_not() {
    for status in [400, 401, 403, 404] {
        let mut stage = Stage::new();
        stage.want(&["AAPL"]);
        for _ in 0..2 {
            assert_eq!(stage.news(http(status, None)), []);
            stage.tick();
        }
        let actions = stage.news(http(status, None));
        assert!(matches!(&actions[..], [Action::Emit(Event::Fatal { .. })]));
        assert_eq!(stage.session.state(), State::Fatal);
    }
    let mut stage = Stage::new();
    stage.want(&["AAPL"]);
    for _ in 0..4 {
        stage.news(http(403, None));
        stage.tick();
        stage.news(News::Opened);
        stage.ended();
        assert!(matches!(stage.tick()[..], [Action::Open { .. }]), "not in a row");
    }
    for _ in 0..9 {
        assert_eq!(stage.news(http(503, None)), []);
        assert!(matches!(stage.tick()[..], [Action::Open { .. }]));
    }
}

#[test]
fn over_the_limit_the_newest_are_refused_and_the_rest_stay() {
    let mut stage = Stage::live(&["A", "B"]);
    assert_eq!(stage.want(&["E", "D", "C"]), [subscribe(&["E", "D", "C"])]);
    assert_eq!(stage.error(405), [subscribe(&["E"])]);
    assert_eq!(
        stage.confirm(&["A", "B", "E"]),
        [subscribed(&["E"]), subscribe(&["D", "C"])]
    );
    assert_eq!(stage.error(405), [subscribe(&["D"])]);
    assert_eq!(stage.error(405), [refused(&["C", "D"], 405)]);
    assert_eq!(stage.session.state(), State::Live);
    let actions = stage.ended();
    assert!(actions.contains(&Action::Open { connection: 2 }));
    let actions = stage.open_and_authenticate();
    assert_eq!(
        actions.last(),
        Some(&subscribe(&["A", "B", "E"])),
        "the refused ones stay out"
    );
    stage.confirm(&["A", "B", "E"]);
    stage.unwant(&["A"]);
    assert_eq!(stage.confirm(&["B", "E"]), []);
    assert_eq!(stage.want(&["D"]), [subscribe(&["D"])], "there is room again");
}

#[test]
fn a_bad_symbol_is_found_and_costs_no_other() {
    let mut stage = Stage::new();
    stage.want(&["A", "B", "BAD", "D"]);
    assert!(
        stage
            .open_and_authenticate()
            .contains(&subscribe(&["A", "B", "BAD", "D"]))
    );
    assert_eq!(stage.error(400), [subscribe(&["A", "B"])]);
    assert_eq!(
        stage.confirm(&["A", "B"]),
        [subscribed(&["A", "B"]), subscribe(&["BAD", "D"])]
    );
    assert_eq!(stage.error(400), [subscribe(&["BAD"])]);
    assert_eq!(stage.error(400), [refused(&["BAD"], 400), subscribe(&["D"])]);
    assert_eq!(stage.confirm(&["A", "B", "D"]), [subscribed(&["D"])]);
    assert_eq!(stage.session.snapshot().desired, owned(&["A", "B", "D"]));
}

#[test]
fn a_symbol_that_is_passed_over_in_silence_is_refused() {
    let mut stage = Stage::new();
    stage.want(&["A", "B"]);
    stage.open_and_authenticate();
    let actions = stage.confirm(&["A"]);
    assert!(matches!(
        &actions[..],
        [Action::Emit(Event::Subscribed { .. }), Action::Emit(Event::Refused { topics, code: 400, .. })]
            if topics == &owned(&["B"])
    ));
    assert_eq!(stage.session.state(), State::Live);
}

#[test]
fn a_feed_without_trades_refuses_all() {
    let mut stage = Stage::new();
    stage.want(&["A", "B"]);
    stage.open_and_authenticate();
    assert_eq!(stage.error(410), [refused(&["A", "B"], 410)]);
}

#[test]
fn a_symbol_given_up_while_it_is_refused_is_nobodys_loss() {
    let mut stage = Stage::live(&["A"]);
    stage.want(&["BAD"]);
    stage.unwant(&["BAD"]);
    assert_eq!(stage.error(400), []);
}

#[test]
fn symbols_that_the_server_keeps_are_not_asked_for_again_and_again() {
    let mut stage = Stage::live(&["A", "B"]);
    assert_eq!(stage.unwant(&["A"]), [unsubscribe(&["A"])]);
    assert_eq!(stage.confirm(&["A", "B"]), []);
    assert_eq!(stage.unwant(&["B"]), [unsubscribe(&["B"])]);
    assert_eq!(stage.error(400), []);
    assert_eq!(stage.session.state(), State::Live);
}

#[test]
fn errors_that_end_a_connection_lead_to_another() {
    for code in [401, 404, 500] {
        let mut stage = Stage::live(&["AAPL"]);
        let actions = stage.error(code);
        let why = format!("error {code} (code {code})");
        assert_eq!(actions, [disconnected(&why), Action::Close]);
        assert_eq!(stage.ended(), [Action::Open { connection: 2 }], "at once");
    }
}

#[test]
fn being_authenticated_already_is_being_authenticated() {
    let mut stage = waiting_for_authentication();
    let actions = stage.error(403);
    assert_eq!(actions, [Action::Emit(Event::Connected), subscribe(&["AAPL"])]);
    assert_eq!(stage.error(403), []);
}

#[test]
fn an_undocumented_error_is_left_to_the_deadline() {
    let mut stage = waiting_for_authentication();
    assert_eq!(stage.error(999), []);
    assert_eq!(stage.session.state(), State::AuthWait);
}
