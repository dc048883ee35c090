//! A market that speaks Alpaca's real market-data wire protocol and makes up the trades.
//!
//! ```text
//!   client --WebSocket--> upgrade --> client (task) --Request--> Peer (PURE) --Reply--> client
//!                                        ^                        |  asks
//!                                        |                        +--> Slots: one connection per key
//!   Market (task): Floor (PURE) --trades-+                             and endpoint
//! ```
//! * `peer` is the protocol of one connection: who may do what when, in Alpaca's words and codes.
//! * `floor` decides which trade happens when. Only symbols that somebody is subscribed to are
//!   traded, and all who are subscribed see the same trades; with no subscriber no timer runs.
//! * `faults` is what goes wrong on request: by flags, or by `POST /control` from this host.
//! * `replay` is what is played from a file in place of made-up trades.
//! * `ledger` keeps the trades made, for Alpaca's REST endpoint: also those that a fault withheld.
//! * `codec` spells messages as JSON or msgpack, as the client asked for.
//!
//! Made up: the trades. Real: everything else, as far as Alpaca documents it
//! (<https://docs.alpaca.markets/docs/streaming-market-data>). Written apart from the `alpaca`
//! client, so that an error in one is not hidden by the same error in the other.

mod bars;
mod channels;
mod client;
mod clock;
mod codec;
mod counts;
mod faults;
mod feed;
mod floor;
mod ledger;
mod market;
mod orders;
mod peer;
mod plain;
mod play;
mod random;
mod recorded;
mod replay;
mod schedule;
mod settings;
mod slots;
mod tape;
mod trade;
mod trading;
mod upgrade;

pub use faults::{Blow, Faults};
pub use replay::Recording;
pub use schedule::{Scheduled, What};
pub use settings::Settings;

use std::sync::Arc;

use tokio::net::TcpListener;
use ws_listener::Stop;

use counts::Counts;
use faults::Trouble;
use floor::Floor;
use market::Market;
use replay::Player;
use slots::Slots;

/// Most connections at a time.
const MAX_CLIENTS: usize = 1000;

/// Serves clients on this listener until `stop`; then every connection is closed with a Close frame.
pub async fn run(listener: TcpListener, settings: Settings, stop: Stop) {
    let mut floor = Floor::new(settings.rate, settings.seed)
        .going_on(settings.goes_on)
        .keeping(settings.keep_trades);
    let player = settings.replay.clone().map(Player::new);
    if player.is_some() {
        floor = floor.quiet();
    }
    let trouble = Trouble::new(settings.faults.clone());
    for scheduled in &settings.schedule {
        tokio::spawn(scheduled.clone().run(trouble.clone(), stop.clone()));
    }
    let house = client::House {
        market: Market::open(floor, settings.shift(), player),
        slots: Slots::default(),
        orders: orders::Orders::new(),
        trouble,
        counts: Counts::default(),
        settings: Arc::new(settings),
        stop: stop.clone(),
    };
    ws_listener::serve(listener, MAX_CLIENTS, stop, move |stream, _| {
        client::serve(house.clone(), stream)
    })
    .await;
}
