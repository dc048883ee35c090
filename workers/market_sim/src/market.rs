//! The task that runs the floor: wait for an order or the next trade, and pass trades on.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep_until;

use crate::channels::Wants;
use crate::feed::Feed;
use crate::floor::{Floor, Viewer};
use crate::ledger::{Page, Query};
use crate::replay::Player;
use crate::trade::Item;

/// Messages the market keeps for a connection; a client that lets them fill is too slow.
const BUFFERED: usize = 2048;
/// Of a recording that is behind, so much is told in one go.
const MOST_AT_ONCE: usize = 5000;

/// A way to the market. When the last is dropped the market ends.
#[derive(Clone, Debug)]
pub(crate) struct Market {
    orders: mpsc::UnboundedSender<Order>,
    viewers: Arc<AtomicU64>,
    made: Arc<AtomicU64>,
}

/// A place from which trades can be seen; its drop leaves the market.
#[derive(Debug)]
pub(crate) struct Seat {
    market: Market,
    viewer: Viewer,
    feed: Feed,
}

#[derive(Debug)]
enum Order {
    Enter(Viewer, mpsc::Sender<Vec<Item>>),
    Watch(Viewer, Feed, Wants),
    Leave(Viewer),
    Ask(Query, oneshot::Sender<Page>),
    Halt(Vec<String>, bool),
    Clock(Timestamp),
    Tell(oneshot::Sender<Timestamp>),
}

impl Market {
    /// Opens a market on this floor, whose clock is ahead of the host's by `shift`; what is played
    /// comes on top. It runs as a task of its own.
    pub(crate) fn open(floor: Floor, shift: SignedDuration, player: Option<Player>) -> Self {
        let (orders, inbox) = mpsc::unbounded_channel();
        let made = Arc::new(AtomicU64::new(0));
        let place = Place {
            floor,
            shift,
            player,
            seats: HashMap::new(),
            made: Arc::clone(&made),
        };
        tokio::spawn(place.run(inbox));
        Self {
            orders,
            viewers: Arc::default(),
            made,
        }
    }

    /// How many trades there have been.
    pub(crate) fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// A seat, and the trades that will be seen from it. The trades end when they are not taken.
    pub(crate) fn enter(&self, feed: Feed) -> (Seat, mpsc::Receiver<Vec<Item>>) {
        let viewer = self.viewers.fetch_add(1, Ordering::Relaxed);
        let (sender, trades) = mpsc::channel(BUFFERED);
        self.order(Order::Enter(viewer, sender));
        let seat = Seat {
            market: self.clone(),
            viewer,
            feed,
        };
        (seat, trades)
    }

    /// Trades that were made; `None` when the market has ended.
    pub(crate) async fn ask(&self, query: Query) -> Option<Page> {
        let (sender, page) = oneshot::channel();
        self.order(Order::Ask(query, sender));
        page.await.ok()
    }

    /// Halts these symbols, or lets them be traded again.
    pub(crate) fn halt(&self, symbols: Vec<String>, is_halted: bool) {
        if !symbols.is_empty() {
            self.order(Order::Halt(symbols, is_halted));
        }
    }

    /// From now on the market's clock shows this time, and goes on from there.
    pub(crate) fn set_clock(&self, time: Timestamp) {
        self.order(Order::Clock(time));
    }

    /// What the market's clock shows; `None` when the market has ended.
    pub(crate) async fn time(&self) -> Option<Timestamp> {
        let (sender, time) = oneshot::channel();
        self.order(Order::Tell(sender));
        time.await.ok()
    }

    fn order(&self, order: Order) {
        // The market ends after the last seat; there is nobody to miss it.
        let _ = self.orders.send(order);
    }
}

impl Seat {
    /// From now on exactly these symbols are seen.
    pub(crate) fn watch(&self, wants: Wants) {
        self.market.order(Order::Watch(self.viewer, self.feed, wants));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.market.order(Order::Leave(self.viewer));
    }
}

/// The market at work.
struct Place {
    floor: Floor,
    shift: SignedDuration,
    player: Option<Player>,
    seats: HashMap<Viewer, mpsc::Sender<Vec<Item>>>,
    made: Arc<AtomicU64>,
}

impl Place {
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Order>) {
        loop {
            let played = self.player.as_ref().and_then(Player::next_deadline);
            let deadline = [self.floor.next_deadline(), played].into_iter().flatten().min();
            let is_due = async {
                match deadline {
                    Some(at) => sleep_until(at.into()).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                order = inbox.recv() => match order {
                    Some(order) => self.take(order),
                    None => return,
                },
                () = is_due => {
                    self.trade();
                    // So that what is told goes out before more is made.
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    fn trade(&mut self) {
        let (now, clock) = (Instant::now(), self.clock());
        let told = self.floor.trade(now, clock);
        self.tell(told);
        if let Some(player) = &mut self.player {
            let items = player.take_due(now, MOST_AT_ONCE);
            let told = self.floor.play(items);
            self.tell(told);
        }
        self.made.store(self.floor.made, Ordering::Relaxed);
    }

    fn take(&mut self, order: Order) {
        let now = Instant::now();
        match order {
            Order::Enter(viewer, sender) => {
                self.seats.insert(viewer, sender);
            }
            Order::Watch(viewer, feed, symbols) if self.seats.contains_key(&viewer) => {
                self.floor.watch(now, viewer, feed, &symbols);
                let clock = self.clock();
                if let Some(player) = self.player.as_mut().filter(|_| self.floor.is_watched()) {
                    player.begin(now, clock);
                }
            }
            Order::Watch(..) => {}
            Order::Ask(query, asker) => {
                // Who asked may have gone.
                let _ = asker.send(self.floor.page(&query));
            }
            Order::Halt(symbols, is_halted) => {
                let told = self.floor.halt(&symbols, is_halted, self.clock());
                self.tell(told);
            }
            Order::Clock(time) => self.shift = time.duration_since(Timestamp::now()),
            Order::Tell(asker) => {
                // Who asked may have gone.
                let _ = asker.send(self.clock());
            }
            Order::Leave(viewer) => {
                self.seats.remove(&viewer);
                self.floor.leave(now, viewer);
            }
        }
    }

    fn clock(&self) -> Timestamp {
        Timestamp::now() + self.shift
    }

    fn tell(&mut self, told: HashMap<Viewer, Vec<Item>>) {
        for (viewer, items) in told {
            let seat = self.seats.get(&viewer);
            if seat.is_none_or(|seat| seat.try_send(items).is_err()) {
                self.seats.remove(&viewer);
                self.floor.leave(Instant::now(), viewer);
            }
        }
    }
}
