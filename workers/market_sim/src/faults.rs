//! What is made to go wrong, by flags or by orders to `/control`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, watch};

use crate::random::Random;
use crate::trade::Item;

/// Orders that a connection may be behind with.
const ORDERS: usize = 64;

/// What goes wrong until it is told otherwise. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Symbols whose data is not sent, `*` for all; the connection stays open and answers pings.
    pub silent: Vec<String>,
    /// Connections stay open, but nothing is read and nothing is sent, not even a pong.
    pub black_hole: bool,
    /// Milliseconds that every message is held back.
    pub delay_ms: u64,
    /// The code with which authentication is refused, such as 402 or 409.
    pub refuse_auth: Option<u16>,
    /// Seconds for which the place of a connection that ended without a Close stays taken.
    pub linger_s: u16,
    /// The part of the trades that is sent twice, 0 to 1.
    pub duplicates: f64,
    /// The part of the trades that is corrected afterwards, 0 to 1.
    pub corrections: f64,
    /// The part of the trades that is cancelled afterwards, 0 to 1.
    pub cancels: f64,
    /// The HTTP status with which connection requests are refused, such as 429.
    pub refuse_upgrade: Option<u16>,
    /// The HTTP status with which REST requests are refused, such as 429.
    pub refuse_rest: Option<u16>,
    /// The market's clock says closed, whatever its time.
    pub closed: bool,
    /// The part of the trades that changes places with the one before, 0 to 1.
    pub disorder: f64,
    /// Seconds for which the place of a connection stays taken also after a Close as it should be.
    pub close_linger_s: u16,
    /// The code with which every change of a subscription is refused, such as 405 or 500.
    pub refuse_subscribe: Option<u16>,
    /// Requests are read and never answered, not even the one to authenticate.
    pub no_answer: bool,
}

/// What happens once, to every connection there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blow {
    /// The TCP connection ends without a Close.
    Drop,
    /// The connection is closed as it should be.
    Close,
    /// Messages that nobody can read.
    Garbage,
    /// Error 407, and the connection is closed.
    SlowClient,
    /// Error 500; the connection stays.
    InternalError,
    /// This connection gets no data any more, but stays open and answers pings; a new one is well.
    Mute,
}

/// A message to `/control`: standing faults, which replace those named before, a blow, an outage.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Order {
    faults: Option<Faults>,
    pub(crate) blow: Option<Blow>,
    /// A restart: all connections are closed, and new ones refused for so many milliseconds.
    pub(crate) restart_ms: Option<u64>,
    /// Symbols that are halted from now on.
    #[serde(default)]
    pub(crate) halt: Vec<String>,
    /// Symbols that are traded again.
    #[serde(default)]
    pub(crate) resume: Vec<String>,
    /// What the market's clock shows from now on.
    pub(crate) market_time: Option<String>,
}

/// The faults of one simulator, as its connections and its door see them.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    standing: watch::Sender<Faults>,
    blows: broadcast::Sender<Blow>,
    down_until: Arc<Mutex<Option<Instant>>>,
}

impl Trouble {
    pub(crate) fn new(faults: Faults) -> Self {
        Self {
            standing: watch::Sender::new(faults),
            blows: broadcast::Sender::new(ORDERS),
            down_until: Arc::default(),
        }
    }

    /// Does as ordered, and tells what stands now.
    pub(crate) fn obey(&self, order: Order) -> Faults {
        if let Some(faults) = order.faults {
            self.standing.send_replace(faults);
        }
        if let Some(pause) = order.restart_ms {
            *self.lock() = Some(Instant::now() + Duration::from_millis(pause));
        }
        let closing = order.restart_ms.map(|_| Blow::Close);
        for blow in order.blow.into_iter().chain(closing) {
            // Nobody may be connected.
            let _ = self.blows.send(blow);
        }
        self.standing.borrow().clone()
    }

    /// Whether new connections are refused: the server is being restarted.
    pub(crate) fn is_down(&self) -> bool {
        self.lock().is_some_and(|until| Instant::now() < until)
    }

    pub(crate) fn standing(&self) -> watch::Receiver<Faults> {
        self.standing.subscribe()
    }

    pub(crate) fn blows(&self) -> broadcast::Receiver<Blow> {
        self.blows.subscribe()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.down_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Faults {
    /// What is left of these for a connection, and in what order.
    pub(crate) fn spoil(&self, items: &mut Vec<Item>, random: &mut Random) {
        if !self.silent.is_empty() {
            items.retain(|item| !self.is_silent(item.symbol()));
        }
        if self.duplicates > 0.0 {
            let twice = |item: Item, random: &mut Random| {
                let again = (random.fraction() < self.duplicates).then(|| item.clone());
                [Some(item), again].into_iter().flatten()
            };
            *items = items.drain(..).flat_map(|item| twice(item, random)).collect();
        }
        if self.corrections > 0.0 || self.cancels > 0.0 {
            let wrong = |item: Item, random: &mut Random| {
                let later = self.taken_back(&item, random);
                [Some(item), later].into_iter().flatten()
            };
            *items = items.drain(..).flat_map(|item| wrong(item, random)).collect();
        }
        if self.disorder > 0.0 {
            for index in 1..items.len() {
                if random.fraction() < self.disorder {
                    items.swap(index - 1, index);
                }
            }
        }
    }

    /// What takes a trade back, if anything does.
    fn taken_back(&self, item: &Item, random: &mut Random) -> Option<Item> {
        let Item::Trade(trade) = item else {
            return None;
        };
        if random.fraction() < self.corrections {
            let price = ((trade.price + 0.01) * 100.0).round() / 100.0;
            return Some(Item::Correction(trade.clone(), price));
        }
        (random.fraction() < self.cancels).then(|| Item::Cancel(trade.clone()))
    }

    /// How long the place of a connection stays taken after an unclean end.
    pub(crate) fn linger(&self) -> Duration {
        Duration::from_secs(self.linger_s.max(self.close_linger_s).into())
    }

    /// How long it stays taken after a clean one.
    pub(crate) fn close_linger(&self) -> Duration {
        Duration::from_secs(self.close_linger_s.into())
    }

    fn is_silent(&self, symbol: &str) -> bool {
        self.silent.iter().any(|silent| silent == "*" || silent == symbol)
    }
}

#[cfg(test)]
mod tests {
    use super::{Blow, Faults, Order, Trouble};
    use crate::feed::Feed;
    use crate::random::Random;
    use crate::tape::Tape;
    use crate::trade::Item;

    fn trades(symbol: &str) -> Vec<Item> {
        let mut tape = Tape::new(symbol.into(), Feed::Sip, 1);
        let trade = |_| Item::Trade(tape.trade(jiff::Timestamp::UNIX_EPOCH));
        (0..1000).map(trade).collect()
    }

    fn spoilt(faults: &Faults, symbol: &str) -> Vec<u64> {
        let mut trades = trades(symbol);
        faults.spoil(&mut trades, &mut Random::new(1));
        let id = |item: &Item| match item {
            Item::Trade(trade) => trade.id,
            Item::Quote(_) | Item::Bar(..) | Item::Status(_) | Item::Correction(..) | Item::Cancel(_) => 0,
        };
        trades.iter().map(id).collect()
    }

    #[test]
    fn trades_are_silenced_doubled_and_disordered_as_told() {
        let one = Faults {
            silent: vec!["AAPL".into()],
            ..Faults::default()
        };
        assert_eq!(
            (spoilt(&one, "AAPL").len(), spoilt(&one, "TSLA").len()),
            (0, 1000)
        );
        let all = Faults {
            silent: vec!["*".into()],
            ..Faults::default()
        };
        assert_eq!(spoilt(&all, "TSLA"), [0; 0]);
        let doubled = Faults {
            duplicates: 0.1,
            ..Faults::default()
        };
        assert!((1050..1150).contains(&spoilt(&doubled, "AAPL").len()));
        let disordered = Faults {
            disorder: 0.1,
            ..Faults::default()
        };
        let ids = spoilt(&disordered, "AAPL");
        assert_eq!(ids.len(), 1000);
        assert!(!ids.is_sorted());
        assert!(spoilt(&Faults::default(), "AAPL").is_sorted());
    }

    #[test]
    fn an_order_replaces_what_stood_and_a_blow_reaches_who_is_there() {
        let trouble = Trouble::new(Faults::default());
        let mut blows = trouble.blows();
        let order = |text: &str| serde_json::from_str::<Order>(text);
        let faults = order(r#"{"faults":{"silent":["*"],"linger_s":90}}"#).expect("an order");
        assert_eq!(trouble.obey(faults).linger_s, 90);
        let blow = trouble.obey(order(r#"{"blow":"drop"}"#).expect("an order"));
        assert_eq!(blow.silent, ["*"], "it stands");
        assert_eq!(blows.try_recv(), Ok(Blow::Drop));
        trouble.obey(order(r#"{"faults":{},"restart_ms":60000}"#).expect("an order"));
        assert!(trouble.is_down());
        assert_eq!(blows.try_recv(), Ok(Blow::Close));
        assert!(order(r#"{"silence":true}"#).is_err());
    }
}
