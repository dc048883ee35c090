//! The word to clients that would hear nothing otherwise.

use std::time::Instant;

use stream_protocol::ServerMessage;
use ws_listener::frame;

use super::Hub;

/// Pings without an answer before a client is given up.
const MAX_UNANSWERED: u8 = 3;
/// RFC 6455 §7.4.1, as other servers close for a missing pong.
const INTERNAL_ERROR: u16 = 1011;

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
            }
        }
        self.next_pulse = is_wanted.then(|| Instant::now() + self.pulse);
    }

    /// Pings the clients that said nothing since the last time, and closes those that have not
    /// answered: their connection may be gone without a word, and holds memory and a place.
    pub(super) fn ping_silent(&mut self) {
        let ping = frame::ping();
        for client in self.clients.values_mut() {
            if !client.outbox.was_silent() {
                client.unanswered = 0;
            } else if client.unanswered < MAX_UNANSWERED {
                client.unanswered += 1;
                client.outbox.push_frame(ping.clone());
            } else {
                client.outbox.close(INTERNAL_ERROR, "no answer to ping");
            }
        }
        let someone = !self.clients.is_empty();
        self.next_ping = someone.then(|| Instant::now() + self.ping);
    }

    fn heartbeat(&self) -> ServerMessage<'static> {
        let status = self.status.borrow();
        ServerMessage::Heartbeat {
            alpaca_connected: status.state.is_connected(),
            state: status.word().into(),
            silence_s: super::health::silence(&status, std::time::SystemTime::now()),
        }
    }
}
