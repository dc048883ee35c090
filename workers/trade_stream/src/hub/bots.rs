//! The requests of clients that speak Alpaca's protocol: the answer is always the whole subscription.

use std::time::Instant;

use tracing::info;

use super::{ClientId, Hub};
use crate::client::Ask;

impl Hub {
    pub(super) fn bot_asks(&mut self, id: ClientId, ask: Ask) {
        match ask {
            // Told by `Joined`, as of every client.
            Ask::Join => {}
            Ask::Subscribe(symbols) => self.bot_subscribes(id, symbols),
            Ask::Unsubscribe(symbols) => self.bot_unsubscribes(id, &symbols),
        }
    }

    fn bot_subscribes(&mut self, id: ClientId, symbols: Vec<String>) {
        let connected = self.is_connected();
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let format = client.outbox.format();
        let new = symbols.iter().filter(|symbol| !client.symbols.contains(*symbol));
        if client.symbols.len() + new.count() > self.max_symbols {
            return client
                .outbox
                .push_frame(format.error(405, "symbol limit exceeded"));
        }
        info!("client {}: subscribes {}", client.peer, symbols.join(" "));
        client.symbols.extend(symbols.iter().cloned());
        client
            .outbox
            .push_frame(format.subscription(client.symbols.iter()));
        let mut wanted = Vec::new();
        for symbol in symbols {
            if self.topics.subscribe(&symbol, id, &client.outbox, None).is_new {
                wanted.push(symbol);
            }
        }
        self.want(&wanted, connected);
    }

    fn bot_unsubscribes(&mut self, id: ClientId, symbols: &[String]) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let now = Instant::now();
        for symbol in symbols {
            client.symbols.remove(symbol);
            self.topics.unsubscribe(symbol, id, now);
        }
        let subscription = client.outbox.format().subscription(client.symbols.iter());
        client.outbox.push_frame(subscription);
    }
}
