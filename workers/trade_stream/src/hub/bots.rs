//! The requests of clients that speak Alpaca's protocol: the answer is always the whole subscription.

use std::sync::Arc;

use stream_protocol::Channel;
use tracing::info;

use super::subscribing::{Pair, names};
use super::{ClientId, Hub};
use crate::client::Ask;

impl Hub {
    pub(super) fn bot_asks(&mut self, id: ClientId, ask: Ask) {
        match ask {
            // Told by `Joined`, as of every client.
            Ask::Join => {}
            Ask::Orders(is_on) => self.listen(id, is_on, true),
            Ask::Subscribe(pairs) => self.bot_subscribes(id, &pairs),
            Ask::Unsubscribe(pairs) => {
                let pairs = with_corrections(pairs);
                self.leave(id, &pairs);
                self.tell_subscription(id);
            }
        }
    }

    fn bot_subscribes(&mut self, id: ClientId, pairs: &[Pair]) {
        let connected = self.is_connected();
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let new = pairs.iter().filter(|pair| !client.pairs.contains(*pair));
        let had = client
            .pairs
            .iter()
            .filter(|(channel, _)| *channel != Channel::Corrections);
        if had.count() + new.count() > self.max_symbols {
            let refusal = client.outbox.format().error(405, "symbol limit exceeded");
            return client.outbox.push_frame(refusal);
        }
        info!("client {}: subscribes {}", client.peer, names(pairs));
        let outbox = Arc::clone(&client.outbox);
        client.pairs.extend(with_corrections(pairs.to_vec()));
        self.tell_subscription(id);
        for pair in with_corrections(pairs.to_vec()) {
            // Alpaca's protocol tells no places.
            let _ = self.join(id, &pair, &outbox, None);
        }
        self.want(pairs, connected);
    }

    fn tell_subscription(&self, id: ClientId) {
        if let Some(client) = self.clients.get(&id) {
            let subscription = client.outbox.format().subscription(&self.feed, &client.pairs);
            client.outbox.push_frame(subscription);
        }
    }
}

/// Corrections and cancels follow the trades by themselves.
fn with_corrections(mut pairs: Vec<Pair>) -> Vec<Pair> {
    let trades = pairs.iter().filter(|(channel, _)| *channel == Channel::Trades);
    let follow: Vec<Pair> = trades
        .map(|(_, symbol)| (Channel::Corrections, symbol.clone()))
        .collect();
    pairs.extend(follow);
    pairs
}
