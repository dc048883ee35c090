//! A client of Alpaca's stream of orders, at `/stream`: a program with an official SDK shares the one
//! connection for orders by changing its URL. As Alpaca does for paper accounts, JSON in binary frames.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use ws_listener::{Tokens, frame};

use super::{Ask, Outbox};

/// RFC 6455 §7.4.1.
const POLICY: u16 = 1008;
const UPDATES: &str = "trade_updates";

/// One such client.
pub(super) struct Trader {
    outbox: Arc<Outbox>,
    tokens: Tokens,
    is_authorized: bool,
}

impl Trader {
    pub(super) fn new(outbox: Arc<Outbox>, tokens: Tokens) -> Self {
        Self {
            outbox,
            tokens,
            is_authorized: false,
        }
    }

    pub(super) fn is_stranger(&self) -> bool {
        !self.is_authorized
    }

    /// It has not told who it is in time.
    pub(super) fn time_out(&self) {
        self.outbox.close(POLICY, "no authentication within 10 s");
    }

    /// Reads one message, and answers it. Several things may be to do for the hub.
    pub(super) fn hear(&mut self, message: &[u8]) -> Option<Ask> {
        let asked: Value = serde_json::from_slice(message).unwrap_or_default();
        match asked["action"].as_str() {
            Some("authenticate" | "auth") => {
                let secret = asked["data"]["secret_key"].as_str().or(asked["secret"].as_str());
                let secret = secret.unwrap_or_default();
                let was_authorized = self.is_authorized;
                self.is_authorized =
                    !secret.is_empty() && (self.tokens.is_open() || self.tokens.accept(secret));
                self.authorization(self.is_authorized, "authenticate");
                if !self.is_authorized {
                    self.outbox.close(POLICY, "not authorized");
                }
                (self.is_authorized && !was_authorized).then_some(Ask::Join)
            }
            Some("listen") if self.is_authorized => {
                let streams = asked["data"]["streams"].as_array().into_iter().flatten();
                let known: Vec<&Value> = streams.filter(|stream| *stream == UPDATES).collect();
                self.say(&json!({"stream": "listening", "data": {"streams": known}}));
                Some(Ask::Orders(!known.is_empty()))
            }
            Some("listen") => {
                self.authorization(false, "listen");
                None
            }
            _ => {
                self.say(&json!({"action": "error", "data": {"error_message": "invalid syntax"}}));
                None
            }
        }
    }

    fn authorization(&self, is_authorized: bool, action: &str) {
        let status = if is_authorized {
            "authorized"
        } else {
            "unauthorized"
        };
        self.say(&json!({"stream": "authorization", "data": {"status": status, "action": action}}));
    }

    fn say(&self, answer: &Value) {
        self.outbox.push_frame(binary(answer.to_string().as_bytes()));
    }
}

/// An update as this protocol has it.
pub fn update(data: &str) -> Bytes {
    binary(format!("{{\"stream\":\"{UPDATES}\",\"data\":{data}}}").as_bytes())
}

fn binary(payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(payload.len() + 10);
    frame::put_binary(&mut out, payload);
    out.freeze()
}
