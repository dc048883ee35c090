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
use crate::trade::Item;

/// Messages the market keeps for a connection; a client that lets them fill is too slow.
const BUFFERED: usize = 1024;

/// A way to the market. When the last is dropped the market ends.
#[derive(Clone, Debug)]
pub(crate) struct Market {
    orders: mpsc::UnboundedSender<Order>,
    viewers: Arc<AtomicU64>,
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
    /// Opens a market on this floor, whose clock is ahead of the host's by `shift`. It runs as a task of its own.
    pub(crate) fn open(floor: Floor, shift: SignedDuration) -> Self {
        let (orders, inbox) = mpsc::unbounded_channel();
        tokio::spawn(run(floor, shift, inbox));
        Self {
            orders,
            viewers: Arc::default(),
        }
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

async fn run(mut floor: Floor, mut shift: SignedDuration, mut inbox: mpsc::UnboundedReceiver<Order>) {
    let mut seats: HashMap<Viewer, mpsc::Sender<Vec<Item>>> = HashMap::new();
    loop {
        let deadline = floor.next_deadline();
        let trade_is_due = async {
            match deadline {
                Some(at) => sleep_until(at.into()).await,
                None => pending().await,
            }
        };
        tokio::select! {
            order = inbox.recv() => match order {
                Some(Order::Clock(time)) => shift = time.duration_since(Timestamp::now()),
                Some(Order::Tell(asker)) => {
                    // Who asked may have gone.
                    let _ = asker.send(Timestamp::now() + shift);
                }
                Some(Order::Halt(symbols, is_halted)) => {
                    for (viewer, told) in floor.halt(&symbols, is_halted, Timestamp::now() + shift) {
                        pass(viewer, told, &mut floor, &mut seats);
                    }
                }
                Some(order) => take(order, &mut floor, &mut seats),
                None => return,
            },
            () = trade_is_due => {
                let clock = Timestamp::now() + shift;
                for (viewer, trades) in floor.trade(Instant::now(), clock) {
                    pass(viewer, trades, &mut floor, &mut seats);
                }
            }
        }
    }
}

fn take(order: Order, floor: &mut Floor, seats: &mut HashMap<Viewer, mpsc::Sender<Vec<Item>>>) {
    let now = Instant::now();
    match order {
        Order::Enter(viewer, sender) => {
            seats.insert(viewer, sender);
        }
        Order::Watch(viewer, feed, symbols) if seats.contains_key(&viewer) => {
            floor.watch(now, viewer, feed, &symbols);
        }
        Order::Watch(..) => {}
        Order::Ask(query, asker) => {
            // Who asked may have gone.
            let _ = asker.send(floor.page(&query));
        }
        // Taken before.
        Order::Halt(..) | Order::Clock(_) | Order::Tell(_) => {}
        Order::Leave(viewer) => {
            seats.remove(&viewer);
            floor.leave(now, viewer);
        }
    }
}

fn pass(
    viewer: Viewer,
    trades: Vec<Item>,
    floor: &mut Floor,
    seats: &mut HashMap<Viewer, mpsc::Sender<Vec<Item>>>,
) {
    let taken = seats
        .get(&viewer)
        .is_some_and(|seat| seat.try_send(trades).is_ok());
    if !taken {
        seats.remove(&viewer);
        floor.leave(Instant::now(), viewer);
    }
}
