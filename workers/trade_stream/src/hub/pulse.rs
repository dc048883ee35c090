//! The word to clients that would hear nothing otherwise.

use std::time::Instant;

use stream_protocol::ServerMessage;
use ws_listener::frame;

use super::Hub;

impl Hub {
    /// The client wants to hear from us even when there is nothing to tell.
    pub(super) fn wants_heartbeats(&mut self, id: super::ClientId) {
        let heartbeat = self.heartbeat();
        if let Some(client) = self.clients.get_mut(&id) {
            client.outbox.reply(&heartbeat.to_json());
            client.wants_heartbeats = true;
            let next = Instant::now() + self.pulse;
            self.next_pulse.get_or_insert(next);
        }
    }

    /// One pulse: a heartbeat for each client that wants it and was told nothing since the last.
    pub(super) fn pulse(&mut self) {
        let text = self.heartbeat().to_json();
        let heartbeat = frame::text(text.as_bytes());
        let mut is_wanted = false;
        for client in self.clients.values().filter(|client| client.wants_heartbeats) {
            is_wanted = true;
            if client.outbox.was_idle() {
                client.outbox.push_frame(heartbeat.clone());
                // Our own word does not count as news.
                client.outbox.was_idle();
            }
        }
        self.next_pulse = is_wanted.then(|| Instant::now() + self.pulse);
    }

    fn heartbeat(&self) -> ServerMessage<'static> {
        let status = self.status.borrow();
        ServerMessage::Heartbeat {
            alpaca_connected: status.state.is_connected(),
            state: status.state.as_str().into(),
            silence_s: super::health::silence(&status, std::time::SystemTime::now()),
        }
    }
}
