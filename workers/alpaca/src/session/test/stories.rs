//! Stories: what a connection does, day by day.

use super::*;

#[test]
fn nothing_is_done_until_a_symbol_is_wanted() {
    let mut stage = Stage::new();
    assert_eq!(stage.session.next_deadline(), None);
    assert_eq!(stage.input(Input::Tick), []);
    assert_eq!(stage.input(Input::Asked(Ask::Reconnect)), []);
    assert_eq!(stage.want(&["aapl"]), [Action::Open { connection: 1 }]);
    assert_eq!(stage.session.state(), State::Connecting);
}

#[test]
fn from_the_first_wish_to_the_first_trade() {
    let mut stage = Stage::new();
    stage.want(&["AAPL"]);
    assert_eq!(stage.news(News::Opened), []);
    assert_eq!(stage.session.state(), State::Connecting);
    assert_eq!(stage.control(Control::Welcome), [Action::Authenticate]);
    assert_eq!(stage.session.state(), State::AuthWait);
    let actions = stage.control(Control::Authenticated);
    assert_eq!(actions, [Action::Emit(Event::Connected), subscribe(&["AAPL"])]);
    assert_eq!(stage.session.state(), State::Subscribing);
    assert_eq!(stage.confirm(&["AAPL"]), [subscribed(&["AAPL"])]);
    assert_eq!(stage.session.state(), State::Live);
    assert_eq!(stage.news(News::Data), []);
    let snapshot = stage.session.snapshot();
    assert_eq!(snapshot.last_data, Some(stage.now));
    assert_eq!(snapshot.connected_at, Some(stage.now));
    assert_eq!(snapshot.reconnects, 0);
}

#[test]
fn authenticated_by_headers_before_any_welcome() {
    let mut stage = Stage::new();
    stage.want(&["AAPL"]);
    stage.news(News::Opened);
    let actions = stage.control(Control::Authenticated);
    assert_eq!(actions, [Action::Emit(Event::Connected), subscribe(&["AAPL"])]);
    assert_eq!(stage.control(Control::Welcome), []);
}

#[test]
fn wishes_made_while_a_request_is_in_flight_go_together_after_it() {
    let mut stage = Stage::new();
    stage.want(&["A"]);
    assert!(stage.open_and_authenticate().contains(&subscribe(&["A"])));
    assert_eq!(stage.want(&["C"]), []);
    assert_eq!(stage.want(&["B", "A"]), []);
    assert_eq!(stage.unwant(&["A"]), []);
    assert_eq!(stage.confirm(&["A"]), [unsubscribe(&["A"])]);
    assert_eq!(stage.confirm(&[]), [subscribe(&["C", "B"])]);
    assert_eq!(stage.confirm(&["B", "C"]), [subscribed(&["B", "C"])]);
    assert_eq!(stage.want(&["B"]), []);
    assert_eq!(stage.session.state(), State::Live);
}

#[test]
fn a_large_wish_is_sent_in_frames_the_server_takes() {
    let symbols: Vec<Topic> = (0..20_000).map(|n| Topic::trades(format!("SYM{n}"))).collect();
    let mut stage = Stage::new();
    stage.input(Input::Asked(Ask::Want(symbols.clone())));
    let mut actions = stage.open_and_authenticate();
    let mut confirmed = Vec::new();
    let mut requests = 0;
    while let Some(Action::Send(request)) = actions.last() {
        assert!(request.encode().len() <= crate::wire::MAX_FRAME);
        requests += 1;
        confirmed.extend(request.topics.clone());
        let trades = confirmed.clone();
        actions = stage.control(Control::Subscription { topics: trades });
    }
    assert_eq!(confirmed, symbols, "in the order they were wanted");
    assert!((6..=10).contains(&requests), "{requests}");
    assert_eq!(stage.session.state(), State::Live);
}

#[test]
fn a_loss_is_answered_at_once_and_everything_is_subscribed_again() {
    let mut stage = Stage::live(&["AAPL", "TSLA"]);
    let actions = stage.ended();
    assert_eq!(actions, [disconnected("lost"), Action::Open { connection: 2 }]);
    let actions = stage.open_and_authenticate();
    assert_eq!(actions.last(), Some(&subscribe(&["AAPL", "TSLA"])));
    assert_eq!(stage.session.snapshot().reconnects, 1);
}

#[test]
fn failing_attempts_are_made_ever_more_slowly_up_to_a_minute() {
    let mut stage = Stage::new();
    stage.want(&["AAPL"]);
    let mut waits = Vec::new();
    for connection in 2..12 {
        let failure = super::super::OpenFailure::Transport("refused".into());
        assert_eq!(stage.news(News::OpenFailed(failure)), []);
        assert_eq!(stage.session.state(), State::BackingOff);
        waits.push(stage.wait_s());
        assert_eq!(stage.tick(), [Action::Open { connection }]);
    }
    for (wait, middle) in waits.iter().zip([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]) {
        let range = middle * 0.75..=60_f64.min(middle * 1.25);
        assert!(range.contains(wait), "{wait} for {middle}");
    }
    assert_eq!(stage.session.snapshot().detail.as_deref(), Some("refused"));
}

#[test]
fn a_connection_that_proved_nothing_does_not_reset_the_wait() {
    let mut stage = Stage::new();
    stage.want(&["AAPL"]);
    for _ in 0..5 {
        stage.open_and_authenticate();
        stage.ended();
        stage.tick();
    }
    stage.open_and_authenticate();
    stage.confirm(&["AAPL"]);
    stage.news(News::Pong(1));
    stage.ended();
    assert!(stage.wait_s() > 20.0, "{}", stage.wait_s());
    stage.tick();
    stage.open_and_authenticate();
    stage.news(News::Data);
    assert!(stage.ended().contains(&Action::Open { connection: 8 }));
}

#[test]
fn every_step_has_five_seconds() {
    let late = |stage: &mut Stage, reason: &str| {
        let before = stage.now;
        let actions = stage.tick_past_pings();
        assert_eq!(stage.now - before, Duration::from_secs(5), "{reason}");
        assert!(actions.contains(&Action::Close) || actions.contains(&Action::Drop));
        assert_eq!(stage.session.snapshot().detail.as_deref(), Some(reason));
    };
    let mut stage = Stage::new();
    stage.want(&["AAPL"]);
    late(&mut stage.clone_of(), "no connection within 5 s");
    stage.news(News::Opened);
    late(&mut stage.clone_of(), "no welcome within 5 s");
    stage.control(Control::Welcome);
    late(&mut stage.clone_of(), "no answer to the credentials within 5 s");
    stage.control(Control::Authenticated);
    late(&mut stage, "no answer to a subscription within 5 s");
}

#[test]
fn a_peer_that_answers_no_ping_is_left_after_ten_seconds() {
    let mut stage = Stage::live(&["AAPL"]);
    assert_eq!(stage.tick(), [Action::Ping(1)]);
    assert_eq!(stage.seconds(), Duration::from_secs(10));
    stage.news(News::Heard);
    assert_eq!(stage.tick(), [Action::Ping(2)]);
    let actions = stage.tick();
    assert_eq!(stage.seconds(), Duration::from_secs(30));
    let why = "no answer to a ping within 10 s";
    assert_eq!(actions, [disconnected(why), Action::Close]);
}

#[test]
fn a_close_is_waited_for_three_seconds_at_most() {
    let mut stage = Stage::live(&["AAPL"]);
    let actions = stage.input(Input::Asked(Ask::Close));
    assert_eq!(actions, [disconnected("asked to close"), Action::Close]);
    assert_eq!(stage.session.state(), State::Closing);
    let mut stuck = stage.clone_of();
    assert_eq!(stage.ended(), []);
    assert!(stage.session.is_closed());
    assert!((stuck.wait_s() - 3.0).abs() < 0.001);
    assert_eq!(stuck.tick(), [Action::Drop]);
    assert!(stuck.session.is_closed());
    assert_eq!(stuck.want(&["TSLA"]), [], "closed is final");
}

#[test]
fn a_reconnect_closes_first_and_opens_at_once() {
    let mut stage = Stage::live(&["AAPL"]);
    stage.now += Duration::from_secs(60);
    let actions = stage.input(Input::Asked(Ask::Reconnect));
    assert_eq!(actions, [disconnected("asked to reconnect"), Action::Close]);
    assert_eq!(stage.input(Input::Asked(Ask::Reconnect)), []);
    assert_eq!(stage.ended(), [Action::Open { connection: 2 }]);
}

#[test]
fn reconnects_are_made_once_a_second_at_most() {
    let mut stage = Stage::live(&["AAPL"]);
    stage.input(Input::Asked(Ask::Reconnect));
    assert_eq!(stage.ended(), []);
    assert!((stage.wait_s() - 1.0).abs() < 0.001);
    assert_eq!(stage.input(Input::Asked(Ask::Reconnect)), []);
    assert_eq!(stage.tick(), [Action::Open { connection: 2 }]);
}

#[test]
fn a_reconnect_cuts_a_long_wait_short() {
    let mut stage = Stage::new();
    stage.want(&["AAPL"]);
    for _ in 0..7 {
        stage.ended();
        stage.tick();
    }
    stage.ended();
    stage.now += Duration::from_secs(2);
    let actions = stage.input(Input::Asked(Ask::Reconnect));
    assert_eq!(actions, [Action::Open { connection: 9 }]);
}

#[test]
fn nobody_reconnects_for_nothing() {
    let mut stage = Stage::live(&["AAPL"]);
    assert_eq!(stage.unwant(&["AAPL"]), [unsubscribe(&["AAPL"])]);
    assert_eq!(stage.confirm(&[]), []);
    assert_eq!(stage.session.state(), State::Live, "the connection stays");
    assert_eq!(stage.ended(), [disconnected("lost")]);
    assert_eq!(stage.session.state(), State::Idle);
    assert_eq!(stage.session.next_deadline(), None);
}

#[test]
fn news_of_an_earlier_socket_changes_nothing() {
    let mut stage = Stage::live(&["AAPL"]);
    stage.ended();
    let before = stage.session.snapshot();
    for news in [
        News::Opened,
        News::Data,
        News::Control(Control::Authenticated),
        News::Ended { reason: "x".into() },
    ] {
        let stale = Input::Socket { connection: 1, news };
        assert_eq!(stage.input(stale), []);
    }
    assert_eq!(stage.session.snapshot(), before);
}
