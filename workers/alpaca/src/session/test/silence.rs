//! Silence: when it is death, when it is night, and what is done about each.

use super::*;

/// A session that is live with these symbols in this phase, with a trade of each every `every_ms`
/// for a minute.
fn trading(phase: MarketPhase, symbols: &[&str], every_ms: u64) -> Stage {
    let mut stage = Stage::new();
    stage.input(Input::Market(phase));
    stage.want(symbols);
    stage.open_and_authenticate();
    stage.confirm(symbols);
    assert_eq!(stage.go_on(symbols, every_ms, 60), []);
    stage
}

impl Stage {
    /// Trades for so many seconds, or until something is done; pings are answered.
    fn go_on(&mut self, symbols: &[&str], every_ms: u64, seconds: u64) -> Vec<Action> {
        let end = self.now + Duration::from_secs(seconds);
        let mut done = Vec::new();
        while self.now < end && done.is_empty() {
            let next = self.now + Duration::from_millis(every_ms);
            while self
                .session
                .next_deadline()
                .is_some_and(|deadline| deadline < next)
            {
                done.extend(self.answered_tick());
                if !done.is_empty() {
                    return done;
                }
            }
            self.now = next;
            done.extend(self.trade(symbols));
        }
        done
    }

    fn answered_tick(&mut self) -> Vec<Action> {
        let mut actions = self.tick();
        actions.retain(|action| match action {
            Action::Ping(payload) => {
                assert_eq!(self.news(News::Pong(*payload)), []);
                false
            }
            _ => true,
        });
        actions
    }

    /// Lets silence pass for so long, every ping answered: what was done, and after how many seconds.
    fn silence(&mut self, seconds: u64) -> Vec<(u64, Action)> {
        let (start, end) = (self.now, self.now + Duration::from_secs(seconds));
        let mut done = Vec::new();
        while self
            .session
            .next_deadline()
            .is_some_and(|deadline| deadline <= end)
        {
            for action in self.answered_tick() {
                done.push(((self.now - start).as_secs(), action));
            }
            if done.iter().any(|(_, action)| *action == Action::Close) {
                return done;
            }
            if let Some((_, Action::Look(_))) = done.last()
                && !self.session.snapshot().confirmed.is_empty()
            {
                let confirmed = self.session.snapshot().confirmed;
                self.control(Control::Subscription { topics: confirmed });
            }
        }
        self.now = end;
        done
    }
}

#[test]
fn the_seeds_worst_day_ends_after_seconds() {
    // 2025-10-08, 10:29 in New York: the socket stays open, pings are answered, no data comes.
    let mut stage = trading(MarketPhase::Core, &["SPY"], 500);
    assert_eq!(stage.verdict(), Some(Verdict::Live));
    let done = stage.silence(33 * 60);
    let [
        (seconds, Action::Emit(Event::Disconnected { reason })),
        (_, Action::Close),
    ] = &done[..]
    else {
        panic!("not detected: {done:?}");
    };
    assert!((30..33).contains(seconds), "{seconds}");
    assert!(
        reason.starts_with("the feed is mute: no data for 31 s in the core session"),
        "{reason}"
    );
    assert_eq!(stage.verdict(), Some(Verdict::Mute));
    assert_eq!(stage.session.vital_signs().mute_alarms, 1);
    assert_eq!(stage.ended(), [Action::Open { connection: 2 }]);
    stage.open_and_authenticate();
    assert_eq!(stage.verdict(), Some(Verdict::Suspect), "until data comes");
    stage.confirm(&["SPY"]);
    stage.trade(&["SPY"]);
    assert_eq!(stage.verdict(), Some(Verdict::Live));
}

#[test]
fn a_busy_feed_is_found_mute_after_two_seconds() {
    let mut stage = trading(MarketPhase::Core, &["SPY"], 25);
    let done = stage.silence(60);
    assert_eq!(done.last().map(|(seconds, _)| *seconds), Some(2));
}

#[test]
fn a_quiet_night_costs_no_connection() {
    let mut stage = trading(MarketPhase::Post, &["SPY"], 500);
    stage.input(Input::Market(MarketPhase::Closed));
    assert_eq!(stage.silence(8 * 3600), []);
    assert_eq!(stage.verdict(), Some(Verdict::Quiet));
    assert_eq!(stage.session.state(), State::Live);
    // Early trading is thin: the server is asked for a sign of life, and the connection stays.
    stage.input(Input::Market(MarketPhase::Pre));
    let done = stage.silence(3600);
    let signs = [subscribe(&["SPY"]), Action::Look(vec!["SPY".into()])];
    assert!(done.iter().all(|(_, action)| signs.contains(action)), "{done:?}");
    assert_eq!(done.first().map(|(seconds, _)| *seconds), Some(120));
    assert_eq!(done.len(), 60);
    assert_eq!(stage.verdict(), Some(Verdict::Quiet));
}

#[test]
fn too_thin_to_judge_is_asked_and_an_unanswered_question_is_death() {
    let mut stage = trading(MarketPhase::Core, &["THIN"], 15_000);
    assert_eq!(stage.session.vital_signs().expected_every, None);
    let mut asked = Vec::new();
    while asked.is_empty() {
        asked = stage.answered_tick();
    }
    assert_eq!(asked, [subscribe(&["THIN"]), Action::Look(vec!["THIN".into()])]);
    assert_eq!(stage.session.state(), State::Live, "asking is no change");
    assert_eq!(stage.verdict(), Some(Verdict::Suspect));
    let mut refused = stage.clone_of();
    assert_eq!(
        refused.error(400),
        [],
        "a refusal is an answer, and costs nothing"
    );
    assert_eq!(refused.verdict(), Some(Verdict::Quiet));
    assert_eq!(refused.session.snapshot().desired, owned(&["THIN"]));
    let actions = stage.tick_past_pings();
    let why = "no answer to a subscription within 5 s";
    assert_eq!(actions, [disconnected(why), Action::Close]);
    assert_eq!(stage.verdict(), Some(Verdict::Dead));
}

#[test]
fn a_thin_feed_is_mute_when_newer_trades_were_made() {
    let mut stage = trading(MarketPhase::Core, &["THIN"], 15_000);
    while stage.answered_tick().is_empty() {}
    stage.confirm(&["THIN"]);
    assert_eq!(stage.verdict(), Some(Verdict::Quiet), "the server answers");
    let looked = |connection, newer| Input::Looked { connection, newer };
    assert_eq!(stage.input(looked(1, false)), []);
    assert_eq!(stage.input(looked(0, true)), [], "of an earlier connection");
    let mut alive = stage.clone_of();
    alive.trade(&["THIN"]);
    assert_eq!(alive.input(looked(1, true)), [], "they have come meanwhile");
    let actions = stage.input(looked(1, true));
    assert!(
        matches!(&actions[..], [Action::Emit(Event::Disconnected { reason }), Action::Close]
            if reason.contains("newer ones were made")),
        "{actions:?}"
    );
    assert_eq!(stage.verdict(), Some(Verdict::Mute));
}

/// What follows the news that this symbol was mute.
fn renewed<'a>(done: &'a [Action], mute: &str) -> &'a [Action] {
    let [Action::Emit(Event::Muted { symbols }), rest @ ..] = done else {
        panic!("who uses it must know what may be missing: {done:?}");
    };
    assert!(
        symbols[0].0 == mute && symbols[0].1 > Duration::from_secs(1),
        "{symbols:?}"
    );
    rest
}

#[test]
fn only_the_mute_symbol_is_subscribed_anew() {
    let mut stage = trading(MarketPhase::Core, &["AAPL", "TSLA"], 200);
    let done = stage.go_on(&["AAPL"], 200, 20);
    assert_eq!(renewed(&done, "TSLA"), [unsubscribe(&["TSLA"])]);
    assert_eq!(stage.confirm(&["AAPL"]), [subscribe(&["TSLA"])]);
    stage.confirm(&["AAPL", "TSLA"]);
    assert_eq!(stage.session.vital_signs().renewed_symbols, 1);
    // In vain: tried again after twice the time.
    let before = stage.now;
    let done = stage.go_on(&["AAPL"], 200, 20);
    assert_eq!(done, []);
    let done = stage.go_on(&["AAPL"], 200, 20);
    assert_eq!(renewed(&done, "TSLA"), [unsubscribe(&["TSLA"])]);
    assert!(stage.now - before < Duration::from_secs(60));
}

#[test]
fn a_halt_suspends_the_clock_of_its_symbol() {
    let mut stage = trading(MarketPhase::Core, &["AAPL", "TSLA"], 200);
    assert_eq!(stage.halt("TSLA", true), []);
    assert_eq!(stage.go_on(&["AAPL"], 200, 300), []);
    stage.halt("TSLA", false);
    let done = stage.go_on(&["AAPL"], 200, 20);
    assert_eq!(renewed(&done, "TSLA"), [unsubscribe(&["TSLA"])]);
    stage.confirm(&["AAPL"]);
    stage.confirm(&["AAPL", "TSLA"]);
    // All of the market is halted: nobody is to blame.
    stage.halt("TSLA", true);
    stage.halt("AAPL", true);
    assert_eq!(stage.silence(900), []);
    assert_eq!(stage.verdict(), Some(Verdict::Quiet));
}

#[test]
fn a_new_connection_that_does_not_help_is_waited_on_ever_longer() {
    let mut stage = trading(MarketPhase::Core, &["SPY"], 1000);
    let mut waits = Vec::new();
    for _ in 0..6 {
        let done = stage.silence(3600);
        waits.push(done.last().expect("an alarm").0);
        if stage.ended().is_empty() {
            stage.tick();
        }
        stage.open_and_authenticate();
        stage.confirm(&["SPY"]);
    }
    assert!(
        waits.windows(2).all(|pair| pair[1] > pair[0] || pair[0] >= 899),
        "{waits:?}"
    );
    assert_eq!(waits[5], 900);
}

#[test]
fn data_after_a_mute_connection_leave_a_doubt_about_the_one_that_follows() {
    let mut stage = trading(MarketPhase::Core, &["SPY", "QQQ"], 20);
    let doubts = |actions: &[Action]| {
        let doubted = actions.iter().filter_map(|action| match action {
            Action::Emit(Event::Doubted { silence }) => Some(silence.as_millis()),
            _ => None,
        });
        doubted.collect::<Vec<_>>()
    };
    assert_eq!(doubts(&stage.trade(&["SPY"])), [0; 0]);
    stage.silence(10);
    stage.ended();
    stage.open_and_authenticate();
    stage.confirm(&["SPY", "QQQ"]);
    stage.now += Duration::from_millis(900);
    assert_eq!(
        doubts(&stage.trade(&["SPY"])),
        [900],
        "it may have been mute, too"
    );
    assert_eq!(doubts(&stage.trade(&["SPY"])), [0; 0]);
}

#[test]
fn a_symbol_that_was_subscribed_anew_is_looked_into_however_soon_it_comes_back() {
    let mut stage = trading(MarketPhase::Core, &["AAPL", "TSLA"], 200);
    let done = stage.go_on(&["AAPL"], 200, 20);
    assert_eq!(renewed(&done, "TSLA"), [unsubscribe(&["TSLA"])]);
    let short = Duration::from_millis(5);
    stage.now += short;
    assert_eq!(stage.session.count(stage.now, "TSLA"), Some(short));
    assert_eq!(stage.session.count(stage.now, "TSLA"), None);
}

#[test]
fn a_silence_soon_after_the_first_trades_is_looked_into_when_it_is_over() {
    let mut stage = Stage::new();
    stage.input(Input::Market(MarketPhase::Core));
    stage.want(&["AAPL", "TSLA"]);
    stage.open_and_authenticate();
    stage.confirm(&["AAPL", "TSLA"]);
    stage.go_on(&["AAPL", "TSLA"], 40, 2);
    assert_eq!(stage.go_on(&["TSLA"], 40, 3), [], "too soon for an alarm");
    assert!(stage.session.count(stage.now, "AAPL").is_some());
}

#[test]
fn pongs_prove_the_transport_and_never_the_feed() {
    let mut stage = trading(MarketPhase::Core, &["SPY"], 500);
    let silent_since = stage.now;
    let mut actions = Vec::new();
    while actions.is_empty() {
        stage.now += Duration::from_millis(100);
        stage.news(News::Heard);
        actions = stage.input(Input::Tick);
        actions.retain(|action| !matches!(action, Action::Ping(_)));
    }
    assert_eq!(actions.last(), Some(&Action::Close));
    assert!((stage.now - silent_since) < Duration::from_secs(33));
}

#[test]
fn the_round_trip_is_that_of_the_latest_ping() {
    let mut stage = Stage::live(&["SPY"]);
    assert_eq!(stage.tick(), [Action::Ping(1)]);
    stage.now += Duration::from_millis(30);
    stage.news(News::Pong(1));
    assert_eq!(
        stage.session.vital_signs().round_trip,
        Some(Duration::from_millis(30))
    );
    stage.news(News::Pong(9));
    assert_eq!(
        stage.session.vital_signs().round_trip,
        Some(Duration::from_millis(30))
    );
}

#[test]
fn flapping_is_seen_at_the_fourth_reconnect() {
    let mut stage = Stage::live(&["SPY"]);
    for _ in 0..4 {
        assert_eq!(stage.session.vital_signs().flapping_until, None);
        stage.now += Duration::from_secs(30);
        stage.ended();
        stage.open_and_authenticate();
        stage.confirm(&["SPY"]);
        stage.news(News::Data);
    }
    let until = stage.session.vital_signs().flapping_until.expect("flapping");
    assert_eq!(until - stage.now, Duration::from_secs(600 - 90));
}

#[test]
fn giving_up_every_symbol_after_much_was_learned_is_no_trouble() {
    let mut stage = Stage::live(&["SPY"]);
    stage.input(Input::Market(MarketPhase::Core));
    for _ in 0..200 {
        stage.now += Duration::from_millis(100);
        stage.trade(&["SPY"]);
    }
    stage.unwant(&["SPY"]);
    stage.confirm(&[]);
    stage.trade(&[]);
    stage.want(&["SPY"]);
    stage.confirm(&["SPY"]);
    assert_eq!(stage.trade(&["SPY"]), []);
}

#[test]
fn a_silence_that_ends_by_itself_is_told_when_chance_cannot_explain_it() {
    let mut stage = trading(MarketPhase::Core, &["AAPL", "TSLA"], 200);
    stage.now += Duration::from_millis(400);
    let usual = stage.session.count(stage.now, "AAPL");
    assert_eq!(usual, None);
    stage.now += Duration::from_secs(60);
    let silence = stage.session.count(stage.now, "AAPL").expect("told");
    assert_eq!(silence, Duration::from_secs(60));
    assert_eq!(stage.session.count(stage.now, "AAPL"), None, "once");
    stage.halt("TSLA", true);
    assert_eq!(stage.session.count(stage.now, "TSLA"), None, "a halt explains it");
}
