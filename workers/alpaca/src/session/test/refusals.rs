//! Refusals and the channels: what one costs, and what it must not cost.

use super::*;
use crate::Channel;

fn topic(channel: Channel, symbol: &str) -> Topic {
    Topic::new(channel, symbol)
}

fn send(verb: Verb, topics: &[Topic]) -> Action {
    let topics = topics.to_vec();
    Action::Send(Request { verb, topics })
}

#[test]
fn channels_are_asked_for_in_one_request_and_confirmed_each() {
    let mut stage = Stage::new();
    let both = [topic(Channel::Trades, "SPY"), topic(Channel::Bars, "SPY")];
    stage.input(Input::Asked(Ask::Want(both.to_vec())));
    let actions = stage.open_and_authenticate();
    assert_eq!(actions[1], send(Verb::Subscribe, &both));
    let topics = both.to_vec();
    stage.control(Control::Subscription { topics });
    assert_eq!(stage.session.state(), State::Live);
    assert_eq!(stage.session.snapshot().confirmed, both);
}

#[test]
fn a_channel_that_the_feed_does_not_have_costs_only_itself() {
    let mut stage = Stage::new();
    let wanted = [
        topic(Channel::Trades, "A"),
        topic(Channel::Lulds, "A"),
        topic(Channel::Trades, "B"),
        topic(Channel::Lulds, "B"),
    ];
    stage.input(Input::Asked(Ask::Want(wanted.to_vec())));
    stage.open_and_authenticate();
    assert_eq!(stage.error(410), [send(Verb::Subscribe, &wanted[..2])], "halved");
    assert_eq!(stage.error(410), [send(Verb::Subscribe, &wanted[..1])]);
    assert_eq!(
        stage.confirm(&["A"]),
        [subscribed(&["A"]), send(Verb::Subscribe, &wanted[1..3])]
    );
    assert_eq!(stage.error(410), [send(Verb::Subscribe, &wanted[1..2])]);
    let both = vec![wanted[1].clone(), wanted[3].clone()];
    let refused = Action::Emit(Event::Refused {
        topics: both,
        code: 410,
        message: "error 410".into(),
    });
    assert_eq!(stage.error(410), [refused, send(Verb::Subscribe, &wanted[2..3])]);
    assert_eq!(stage.confirm(&["A", "B"]), [subscribed(&["B"])]);
}

#[test]
fn what_was_refused_is_told_again_without_asking_also_after_a_reconnect() {
    let mut stage = Stage::live(&["A"]);
    assert_eq!(stage.want(&["BAD"]), [subscribe(&["BAD"])]);
    assert_eq!(stage.error(400), [refused(&["BAD"], 400)]);
    assert_eq!(stage.session.snapshot().quarantined.len(), 1);
    assert_eq!(stage.want(&["BAD"]), [refused(&["BAD"], 400)], "no request");
    stage.ended();
    let actions = stage.open_and_authenticate();
    assert_eq!(actions[1], subscribe(&["A"]), "the others have theirs");
    stage.confirm(&["A"]);
    stage.now += Duration::from_secs(601);
    assert_eq!(stage.want(&["BAD"]), [subscribe(&["BAD"])], "it may exist by now");
}

#[test]
fn a_full_plan_has_room_again_when_something_is_given_up() {
    let mut stage = Stage::live(&["A"]);
    stage.want(&["B"]);
    assert_eq!(stage.error(405), [refused(&["B"], 405)]);
    assert_eq!(stage.want(&["B"]), [refused(&["B"], 405)]);
    assert_eq!(stage.unwant(&["A"]), [unsubscribe(&["A"])]);
    stage.confirm(&[]);
    assert_eq!(stage.want(&["B"]), [subscribe(&["B"])]);
}

#[test]
fn a_feed_that_speaks_msgpack_only_is_spoken_to_so() {
    let mut stage = Stage::new();
    stage.want(&["A"]);
    stage.news(News::Opened);
    stage.control(Control::Welcome);
    assert_eq!(stage.error(412), [Action::SpeakMsgpack, Action::Close]);
}

#[test]
fn being_too_slow_is_counted_and_answered_by_another_connection() {
    let mut stage = Stage::live(&["A"]);
    let why = "error 407 (code 407): this process read too slowly";
    assert_eq!(stage.error(407), [disconnected(why), Action::Close]);
    assert_eq!(stage.ended(), [Action::Open { connection: 2 }]);
    assert_eq!(stage.session.snapshot().slow_client, 1);
}

#[test]
fn bars_alone_are_watched_and_daily_bars_are_not() {
    let confirm = |channel| {
        let mut stage = Stage::new();
        let topics = vec![topic(channel, "SPY")];
        stage.input(Input::Asked(Ask::Want(topics.clone())));
        stage.input(Input::Market(MarketPhase::Core));
        stage.open_and_authenticate();
        stage.control(Control::Subscription { topics });
        stage
    };
    let bars = confirm(Channel::Bars).tick_past_pings();
    assert!(bars.contains(&Action::Look(vec!["SPY".into()])), "{bars:?}");
    let mut daily = confirm(Channel::DailyBars);
    for _ in 0..100 {
        match daily.tick()[..] {
            [Action::Ping(payload)] => assert_eq!(daily.news(News::Pong(payload)), []),
            [] => {}
            ref other => panic!("{other:?}"),
        }
    }
    assert_eq!(daily.verdict(), Some(Verdict::Quiet));
}

#[test]
fn an_old_connection_is_replaced_by_a_fresh_one_before_trading_begins() {
    let mut stage = Stage::live(&["A"]);
    let actions = stage.input(Input::Asked(Ask::Freshen));
    assert_eq!(
        actions,
        [
            disconnected("a fresh connection before trading begins"),
            Action::Close
        ]
    );
    assert_eq!(stage.ended(), [Action::Open { connection: 2 }]);
    assert_eq!(stage.input(Input::Asked(Ask::Freshen)), [], "it is not up");
}
