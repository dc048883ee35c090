//! Whether the feed is alive: what is known of it, and what is done when it is not.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::phase::{Phase, Step};
use super::watch::Finding;
use super::{Action, STEP, Session};
use crate::liveness::short;
use crate::{Event, MarketPhase, Topic, Verdict};

/// How alive the feed is, in the session's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VitalSigns {
    /// Of the present connection, or of the one just given up.
    pub verdict: Option<Verdict>,
    /// What the market is doing.
    pub market: MarketPhase,
    /// The mean time between two arrivals, once known.
    pub expected_every: Option<Duration>,
    /// The silence after which something is done.
    pub alarm_after: Duration,
    /// Of the last answered ping.
    pub round_trip: Option<Duration>,
    /// Connections given up because the feed was mute.
    pub mute_alarms: u64,
    /// Symbols subscribed anew because they were mute.
    pub renewed_symbols: u64,
    /// Until when there will have been more than 3 reconnects within 10 minutes.
    pub flapping_until: Option<Instant>,
}

impl Session {
    /// Counts data of a symbol of the present socket, for the clock of that symbol. Beside
    /// `News::Data`, which is said once for all that came together; this is said for each. Returns the
    /// silence of the symbol before, if chance cannot explain that: something may be missing.
    pub fn count(&mut self, now: Instant, symbol: &str) -> Option<Duration> {
        self.watch.heard_of(now, symbol)
    }

    /// How alive the feed is.
    pub fn vital_signs(&self) -> VitalSigns {
        VitalSigns {
            verdict: self.watch.verdict(),
            market: self.watch.phase(),
            expected_every: self.watch.expected_every(),
            alarm_after: self.watch.limit(),
            round_trip: self.round_trip,
            mute_alarms: self.mute_alarms,
            renewed_symbols: self.renewed_symbols,
            flapping_until: self.reconnects.flapping_until(),
        }
    }

    /// Acts on what the clocks of the feed find.
    pub(super) fn judge(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let finding = self.watch.judge(now);
        self.act_on(now, finding, actions);
    }

    /// The latest trades were looked up.
    pub(super) fn looked(&mut self, now: Instant, newer: bool, actions: &mut Vec<Action>) {
        let finding = self.watch.looked(now, newer);
        self.act_on(now, finding, actions);
    }

    fn act_on(&mut self, now: Instant, finding: Finding, actions: &mut Vec<Action>) {
        match finding {
            Finding::Fine => {}
            Finding::Ask => self.ask_for_life(now, actions),
            Finding::Mute(silence) => {
                let market = self.watch.phase().name();
                let proof = match self.watch.expected_every() {
                    Some(every) => format!("where one came every {} on average", short(every)),
                    None => "and newer ones were made".into(),
                };
                let silence = short(silence);
                let reason = format!("the feed is mute: no data for {silence} in {market}, {proof}");
                self.mute_alarms += 1;
                self.leave(now, &reason, actions);
                self.watch.offline(Some(Verdict::Mute));
            }
            Finding::Renew(symbols) => {
                self.renewed_symbols += symbols.len() as u64;
                let topics = symbols.iter().map(|(symbol, _)| Topic::trades(symbol));
                self.subscriptions.renew(topics.collect());
                actions.push(Action::Emit(Event::Muted { symbols }));
            }
        }
    }

    /// Subscribes to what is subscribed already: it changes nothing, and the server must answer.
    fn ask_for_life(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let request = self.subscriptions.ask_again();
        if let (
            Some(request),
            Phase::Up {
                step: Step::Online { answer_due },
                ..
            },
        ) = (request, &mut self.phase)
        {
            *answer_due = Some(now + STEP);
            actions.push(Action::Send(request));
            let lively = self.subscriptions.confirmed().into_iter();
            let lively = lively
                .filter(|topic| topic.channel.is_lively())
                .map(|topic| topic.symbol);
            let symbols: BTreeSet<String> = lively.collect();
            actions.push(Action::Look(symbols.into_iter().collect()));
        }
    }

    pub(super) fn market(&mut self, now: Instant, phase: MarketPhase) {
        if phase != self.watch.phase() {
            self.watch.market(now, phase);
            self.revision += 1;
        }
    }

    pub(super) fn is_online(&self) -> bool {
        matches!(
            self.phase,
            Phase::Up {
                step: Step::Online { .. },
                ..
            }
        )
    }
}
