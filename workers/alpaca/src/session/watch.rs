//! The feed's clocks: is data missing, of the feed or of one symbol, that chance cannot explain?

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::rate::{LONGEST, Rate};
use crate::{MarketPhase, Topic, Verdict};

/// Stands for every symbol, so it has no clock of its own.
const EVERYTHING: &str = "*";
/// Symbols are looked at no more often than this, and at least so often.
const SYMBOLS_AT_MOST_EVERY: Duration = Duration::from_secs(1);
const SYMBOLS_AT_LEAST_EVERY: Duration = Duration::from_secs(10);
/// A silence so short is no silence.
const OFTEN: Duration = Duration::from_millis(100);
/// What did not help is tried again after twice the time, up to this.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// The feed clock and the clocks of its symbols. They run only while data can come, and only data
/// sets them back.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    phase: MarketPhase,
    rate: Rate,
    symbols: HashMap<String, SymbolClock>,
    subscribed: usize,
    silent_since: Instant,
    judge_at: Option<Instant>,
    /// New connections in a row that did not end the silence.
    in_vain: u32,
    verdict: Option<Verdict>,
}

#[derive(Clone, Debug)]
struct SymbolClock {
    rate: Rate,
    silent_since: Instant,
    /// Subscribed anew so often without any data since.
    in_vain: u32,
    halted: bool,
}

/// What a judgement asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Finding {
    /// Nothing.
    Fine,
    /// Ask the server whether it is still there for us: too little is known to judge.
    Ask,
    /// The feed is mute for so long: connect anew.
    Mute(Duration),
    /// These symbols are mute while others are not, each for so long: subscribe them anew.
    Renew(Vec<(String, Duration)>),
}

impl Watch {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            phase: MarketPhase::default(),
            rate: Rate::new(now),
            symbols: HashMap::new(),
            subscribed: 0,
            silent_since: now,
            judge_at: None,
            in_vain: 0,
            verdict: None,
        }
    }

    pub(super) fn phase(&self) -> MarketPhase {
        self.phase
    }

    pub(super) fn verdict(&self) -> Option<Verdict> {
        self.verdict
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.judge_at
    }

    /// The mean time between two arrivals, when enough is known.
    pub(super) fn expected_every(&self) -> Option<Duration> {
        let per_second = self.rate.per_second().filter(|rate| *rate > 0.0)?;
        Duration::try_from_secs_f64(1.0 / per_second).ok()
    }

    /// The silence after which something is done.
    pub(super) fn limit(&self) -> Duration {
        patient(self.rate.limit().unwrap_or(LONGEST), self.in_vain)
    }

    /// The market has come to another phase, with another rate. Only the opening keeps what early
    /// trading taught, since it can but add to it.
    pub(super) fn market(&mut self, now: Instant, phase: MarketPhase) {
        let opening = (self.phase, phase) == (MarketPhase::Pre, MarketPhase::Core);
        self.phase = phase;
        if !opening {
            self.rate = Rate::new(now);
            for clock in self.symbols.values_mut() {
                clock.rate = Rate::new(now);
                clock.silent_since = now;
            }
        }
        self.in_vain = 0;
        self.start(now);
    }

    /// Data can come from now on.
    pub(super) fn online(&mut self, now: Instant) {
        self.rate.skip_to(now);
        for clock in self.symbols.values_mut() {
            clock.rate.skip_to(now);
            clock.silent_since = now;
        }
        self.judge_at = Some(now);
        self.verdict = Some(if self.in_vain == 0 {
            Verdict::Live
        } else {
            Verdict::Suspect
        });
        self.start(now);
    }

    /// No data can come. What was learned is kept for the next connection.
    pub(super) fn offline(&mut self, verdict: Option<Verdict>) {
        self.verdict = verdict;
        self.judge_at = None;
        self.subscribed = 0;
    }

    /// This is the whole subscription now. Symbols have clocks of their own for their trades; one that is wanted keeps what was learned of it,
    /// also while it is subscribed anew.
    pub(super) fn subscribed(&mut self, now: Instant, topics: &[Topic], wanted: impl Fn(&str) -> bool) {
        let before = self.total();
        self.symbols.retain(|symbol, _| wanted(symbol));
        if before > 0.0 {
            self.rate.scale((self.total() / before).clamp(0.0, 1.0));
        }
        let trades = topics.iter().filter(|topic| topic.is_trades());
        for symbol in trades
            .map(|topic| &topic.symbol)
            .filter(|symbol| *symbol != EVERYTHING)
        {
            if !self.symbols.contains_key(symbol) && wanted(symbol) {
                self.symbols.insert(symbol.clone(), SymbolClock::new(now));
            }
        }
        if self.subscribed == 0 {
            self.start(now);
        }
        self.subscribed = topics.iter().filter(|topic| topic.channel.is_lively()).count();
    }

    /// Data came. Returns how long the feed was mute, if this connection was made because it was: the one
    /// before and this one may both have left something out.
    pub(super) fn heard(&mut self, now: Instant) -> Option<Duration> {
        let silence = now.saturating_duration_since(self.silent_since);
        let doubted = (self.in_vain > 0).then_some(silence);
        self.rate.add(now);
        self.silent_since = now;
        self.in_vain = 0;
        if self.verdict.is_some() {
            self.verdict = Some(Verdict::Live);
        }
        let due = now + self.limit();
        if self.judge_at.is_some_and(|at| due < at) {
            self.judge_at = Some(due);
        }
        doubted
    }

    /// Data of this symbol came. Returns the silence before it, if chance cannot explain that, or if it
    /// was subscribed anew for being mute.
    pub(super) fn heard_of(&mut self, now: Instant, symbol: &str) -> Option<Duration> {
        let clock = self.symbols.get_mut(symbol)?;
        let silence = now.saturating_duration_since(clock.silent_since);
        // Trades that come together are the rule, and cost no arithmetic.
        let is_judged = silence >= OFTEN && !clock.halted && self.phase.is_open();
        let limit = is_judged.then(|| clock.rate.improbable()).flatten();
        let was_mute = std::mem::take(&mut clock.in_vain) > 0;
        clock.rate.add(now);
        clock.silent_since = now;
        let is_long = limit.is_some_and(|limit| silence > limit);
        (was_mute || is_long).then_some(silence)
    }

    /// Trading of this symbol is halted, or goes on.
    pub(super) fn halted(&mut self, now: Instant, symbol: &str, halted: bool) {
        if let Some(clock) = self.symbols.get_mut(symbol) {
            clock.halted = halted;
            clock.silent_since = now;
        }
    }

    /// The server answered: it is there, and the silence may be the market's.
    pub(super) fn answered(&mut self) {
        if self.verdict == Some(Verdict::Suspect) && self.in_vain == 0 {
            self.verdict = Some(Verdict::Quiet);
        }
    }

    /// It is certain that data was missed, or that none was.
    pub(super) fn looked(&mut self, now: Instant, newer: bool) -> Finding {
        let silence = now.saturating_duration_since(self.silent_since);
        let silent = matches!(self.verdict, Some(Verdict::Suspect | Verdict::Quiet));
        if !newer || !silent {
            return Finding::Fine;
        }
        self.in_vain += 1;
        Finding::Mute(silence)
    }

    /// Judges what is due.
    pub(super) fn judge(&mut self, now: Instant) -> Finding {
        if self.judge_at.is_none_or(|at| at > now) {
            return Finding::Fine;
        }
        let silence = now.saturating_duration_since(self.silent_since);
        let limit = self.limit();
        if silence < limit && self.subscribed > 0 {
            return self.judge_symbols(now, limit);
        }
        self.judge_at = Some(now + LONGEST);
        if self.subscribed == 0 || !self.phase.is_open() || self.is_halted() {
            self.verdict = Some(Verdict::Quiet);
            Finding::Fine
        } else if self.rate.limit().is_some() {
            self.in_vain += 1;
            Finding::Mute(silence)
        } else {
            self.verdict = Some(Verdict::Suspect);
            Finding::Ask
        }
    }

    fn judge_symbols(&mut self, now: Instant, limit: Duration) -> Finding {
        let feed_due = self.silent_since + limit;
        self.judge_at = Some(feed_due);
        // The only symbol is the feed itself.
        if self.symbols.len() < 2 || !self.phase.is_open() {
            return Finding::Fine;
        }
        let mut next = now + SYMBOLS_AT_LEAST_EVERY;
        let mut mute = Vec::new();
        for (symbol, clock) in &mut self.symbols {
            match clock.due() {
                Some(due) if due <= now => {
                    let silence = now.saturating_duration_since(clock.silent_since);
                    clock.in_vain += 1;
                    clock.silent_since = now;
                    mute.push((symbol.clone(), silence));
                }
                Some(due) => next = next.min(due),
                None => {}
            }
        }
        self.judge_at = Some(feed_due.min(next.max(now + SYMBOLS_AT_MOST_EVERY)));
        mute.sort_unstable();
        if mute.is_empty() {
            Finding::Fine
        } else {
            Finding::Renew(mute)
        }
    }

    fn start(&mut self, now: Instant) {
        self.silent_since = now;
        if self.judge_at.is_some() {
            self.judge_at = Some(now + self.limit());
        }
    }

    /// Whether nothing that is subscribed is traded.
    fn is_halted(&self) -> bool {
        !self.symbols.is_empty() && self.symbols.values().all(|clock| clock.halted)
    }

    fn total(&self) -> f64 {
        let rates = self.symbols.values().filter_map(|clock| clock.rate.per_second());
        rates.sum()
    }
}

impl SymbolClock {
    fn new(now: Instant) -> Self {
        Self {
            rate: Rate::new(now),
            silent_since: now,
            in_vain: 0,
            halted: false,
        }
    }

    fn due(&self) -> Option<Instant> {
        let limit = self.rate.limit().filter(|_| !self.halted)?;
        Some(self.silent_since + patient(limit, self.in_vain))
    }
}

fn patient(limit: Duration, in_vain: u32) -> Duration {
    let patience = PATIENCE.max(limit);
    limit.saturating_mul(1 << in_vain.min(10)).min(patience)
}
