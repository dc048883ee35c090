//! The server's side of the protocol for one connection, in Alpaca's words and codes. Pure but for
//! the table of slots.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;

use crate::Settings;
use crate::channels::{Channels, Refusal, Wants};
use crate::codec::Fields;
use crate::faults::Faults;
use crate::feed::Feed;
use crate::slots::{Slot, Slots};

/// What the server says about the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    Success(Success),
    Error(Failure),
    Subscription(Subscription),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "T", rename = "success")]
pub(crate) struct Success {
    pub(crate) msg: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "T", rename = "error")]
pub(crate) struct Failure {
    pub(crate) code: u16,
    pub(crate) msg: &'static str,
}

/// All lists of the subscription as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscription(pub(crate) Vec<(&'static str, Vec<String>)>);

/// What is to be done for a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Tell the client.
    Say(Answer),
    /// From now on send exactly these.
    Watch(Wants),
    /// Close the connection.
    HangUp,
}

/// One connection's standing.
#[derive(Debug)]
pub(crate) struct Peer {
    feed: Feed,
    settings: Arc<Settings>,
    slots: Slots,
    faults: watch::Receiver<Faults>,
    /// Taken while authenticated.
    slot: Option<Slot>,
    channels: Channels,
}

impl Peer {
    pub(crate) fn new(
        feed: Feed,
        settings: Arc<Settings>,
        slots: Slots,
        faults: watch::Receiver<Faults>,
    ) -> Self {
        Self {
            feed,
            channels: Channels::new(feed),
            settings,
            slots,
            faults,
            slot: None,
        }
    }

    /// Whether the client may subscribe, and the time for authenticating no longer counts.
    pub(crate) fn is_authenticated(&self) -> bool {
        self.slot.is_some()
    }

    /// The server speaks first; credentials in the request's headers count as an auth message.
    pub(crate) fn greet(&mut self, credentials: Option<(String, String)>) -> Vec<Reply> {
        let mut replies = vec![success("connected")];
        if let Some((key, secret)) = credentials {
            replies.extend(self.authenticate(&key, &secret));
        }
        replies
    }

    /// The client's message, or `None` for one that could not be read.
    pub(crate) fn heard(&mut self, fields: Option<&Fields>) -> Vec<Reply> {
        let Some(fields) = fields else {
            return invalid();
        };
        if self.faults.borrow().no_answer {
            return Vec::new();
        }
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        match text("action") {
            Some("auth") => match (text("key"), text("secret")) {
                (Some(key), Some(secret)) => self.authenticate(key, secret),
                _ => invalid(),
            },
            Some("subscribe" | "unsubscribe") if !self.is_authenticated() => {
                vec![failure(401, "not authenticated")]
            }
            Some("subscribe") => self.change(fields, Channels::with),
            Some("unsubscribe") => self.change(fields, Channels::without),
            Some(_) | None => invalid(),
        }
    }

    /// The client did not authenticate in time.
    pub(crate) fn too_late(&self) -> Vec<Reply> {
        vec![failure(404, "auth timeout"), Reply::HangUp]
    }

    /// The client does not take what it subscribed to.
    pub(crate) fn too_slow(&self) -> Vec<Reply> {
        vec![failure(407, "slow client"), Reply::HangUp]
    }

    /// Something is wrong here.
    pub(crate) fn broken(&self) -> Vec<Reply> {
        vec![failure(500, "internal error")]
    }

    /// The client is gone without a Close; its place is free only when that has been noticed.
    pub(crate) fn abandon(&mut self) {
        if let Some(slot) = &mut self.slot {
            slot.linger(self.faults.borrow().linger());
        }
        self.slot = None;
    }

    /// The client is going; its place is free before it knows that it has gone.
    pub(crate) fn free_slot(&mut self) {
        if let Some(slot) = &mut self.slot {
            slot.linger(self.faults.borrow().close_linger());
        }
        self.slot = None;
    }

    fn authenticate(&mut self, key: &str, secret: &str) -> Vec<Reply> {
        if self.is_authenticated() {
            return vec![failure(403, "already authenticated")];
        }
        let refused = self.faults.borrow().refuse_auth;
        let wrong = (!self.settings.accept(key, secret)).then_some(402);
        match refused.or(wrong) {
            // The place may come free while the client tries again.
            Some(406) => return vec![failure(406, refusal(406))],
            Some(code) => return vec![failure(code, refusal(code)), Reply::HangUp],
            None => {}
        }
        self.slot = self.slots.take(Instant::now(), key, Some(self.feed));
        // The client may try again on this connection, as long as its time lasts.
        vec![match self.slot {
            Some(_) => success("authenticated"),
            None => failure(406, "connection limit exceeded"),
        }]
    }

    /// Applies a change whole, or not at all.
    fn change(
        &mut self,
        fields: &Fields,
        change: fn(&Channels, &Fields) -> Result<Channels, Refusal>,
    ) -> Vec<Reply> {
        if let Some(code) = self.faults.borrow().refuse_subscribe {
            return vec![failure(code, refusal(code))];
        }
        let limit = match self.feed {
            Feed::Iex => self.settings.symbol_limit,
            Feed::Sip | Feed::Test | Feed::Crypto => None,
        };
        match change(&self.channels, fields) {
            Err(Refusal::InvalidSyntax) => invalid(),
            Err(Refusal::NotOfThisFeed) => {
                vec![failure(410, "invalid subscribe action for this feed")]
            }
            Ok(channels) if limit.is_some_and(|limit| channels.exceed(limit)) => {
                vec![failure(405, "symbol limit exceeded")]
            }
            Ok(channels) => {
                self.channels = channels;
                // Whoever hears of it misses nothing that is made from then on.
                vec![
                    Reply::Watch(self.channels.wants()),
                    Reply::Say(Answer::Subscription(self.channels.told())),
                ]
            }
        }
    }
}

fn success(msg: &'static str) -> Reply {
    Reply::Say(Answer::Success(Success { msg }))
}

fn failure(code: u16, msg: &'static str) -> Reply {
    Reply::Say(Answer::Error(Failure { code, msg }))
}

/// Alpaca's words for a code.
fn refusal(code: u16) -> &'static str {
    match code {
        400 => "invalid syntax",
        405 => "symbol limit exceeded",
        406 => "connection limit exceeded",
        407 => "slow client",
        410 => "invalid subscribe action for this feed",
        412 => "option messages are only available in MsgPack format",
        402 => "auth failed",
        404 => "auth timeout",
        409 => "insufficient subscription",
        411 => "insufficient scope",
        500 => "internal error",
        _ => "refused",
    }
}

fn invalid() -> Vec<Reply> {
    vec![failure(400, "invalid syntax")]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::watch;

    use super::{Answer, Faults, Peer, Reply, Subscription, Wants, failure, success};
    use crate::Settings;
    use crate::codec::Codec;
    use crate::feed::Feed;
    use crate::slots::Slots;

    fn peer(feed: Feed, slots: &Slots) -> Peer {
        let faults = watch::Sender::new(Faults::default()).subscribe();
        Peer::new(feed, Arc::new(Settings::default()), slots.clone(), faults)
    }

    fn say(peer: &mut Peer, text: &str) -> Vec<Reply> {
        peer.heard(Codec::Json.read(text.as_bytes()).as_ref())
    }

    fn authenticated(feed: Feed) -> Peer {
        let mut peer = peer(feed, &Slots::default());
        say(&mut peer, AUTH);
        assert!(peer.is_authenticated());
        peer
    }

    fn lists(replies: &[Reply]) -> Vec<(&str, Vec<&str>)> {
        match replies {
            [
                Reply::Watch(_),
                Reply::Say(Answer::Subscription(Subscription(lists))),
            ] => lists
                .iter()
                .map(|(name, symbols)| (*name, symbols.iter().map(String::as_str).collect()))
                .collect(),
            other => panic!("no subscription: {other:?}"),
        }
    }

    const AUTH: &str = r#"{"action":"auth","key":"K","secret":"S"}"#;

    #[test]
    fn authentication_by_message_and_its_refusals() {
        let slots = Slots::default();
        let mut first = peer(Feed::Iex, &slots);
        assert_eq!(first.greet(None), [success("connected")]);
        assert_eq!(
            say(&mut first, r#"{"action":"subscribe","trades":["AAPL"]}"#),
            [failure(401, "not authenticated")]
        );
        assert_eq!(say(&mut first, AUTH), [success("authenticated")]);
        assert_eq!(say(&mut first, AUTH), [failure(403, "already authenticated")]);
        let mut second = peer(Feed::Iex, &slots);
        let taken = [failure(406, "connection limit exceeded")];
        assert_eq!(say(&mut second, AUTH), taken);
        first.free_slot();
        assert_eq!(say(&mut second, AUTH), [success("authenticated")]);
        let nobody = r#"{"action":"auth","key":"","secret":""}"#;
        assert_eq!(
            say(&mut first, nobody),
            [failure(402, "auth failed"), Reply::HangUp]
        );
    }

    #[test]
    fn authentication_by_headers() {
        let mut peer = peer(Feed::Sip, &Slots::default());
        assert_eq!(
            peer.greet(Some(("K".into(), "S".into()))),
            [success("connected"), success("authenticated")]
        );
    }

    #[test]
    fn every_change_is_answered_with_every_list() {
        let mut peer = authenticated(Feed::Sip);
        let replies = say(
            &mut peer,
            r#"{"action":"subscribe","trades":["AAPL"],"quotes":["AMD","CLDR"],"bars":["*"]}"#,
        );
        assert_eq!(
            lists(&replies),
            [
                ("trades", vec!["AAPL"]),
                ("quotes", vec!["AMD", "CLDR"]),
                ("bars", vec!["*"]),
                ("updatedBars", vec![]),
                ("dailyBars", vec![]),
                ("statuses", vec![]),
                ("lulds", vec![]),
                ("corrections", vec!["AAPL"]),
                ("cancelErrors", vec!["AAPL"]),
            ]
        );
        let replies = say(&mut peer, r#"{"action":"unsubscribe","trades":["AAPL","X"]}"#);
        assert_eq!(lists(&replies)[0], ("trades", vec![]));
        let quotes_and_bars = [&[][..], &["AMD", "CLDR"], &["*"], &[], &[], &[]];
        let wants = quotes_and_bars.map(|symbols| symbols.iter().map(ToString::to_string).collect());
        assert_eq!(replies[0], Reply::Watch(Wants(wants)));
    }

    #[test]
    fn a_refused_change_changes_nothing() {
        let mut peer = authenticated(Feed::Iex);
        let symbols: Vec<String> = (0..30).map(|n| format!("\"S{n}\"")).collect();
        let full = format!(r#"{{"action":"subscribe","trades":[{}]}}"#, symbols.join(","));
        assert_eq!(lists(&say(&mut peer, &full))[0].1.len(), 30);
        for (text, code, msg) in [
            (
                r#"{"action":"subscribe","trades":["X"]}"#,
                405,
                "symbol limit exceeded",
            ),
            (
                r#"{"action":"subscribe","quotes":["S1"]}"#,
                405,
                "symbol limit exceeded",
            ),
            (
                r#"{"action":"subscribe","trades":["a b"]}"#,
                400,
                "invalid syntax",
            ),
            (r#"{"action":"subscribe","trades":"X"}"#, 400, "invalid syntax"),
            (r#"{"action":"subscribe"}"#, 400, "invalid syntax"),
            (r#"{"action":"dance"}"#, 400, "invalid syntax"),
            (r#"{"action":"auth","key":"K"}"#, 400, "invalid syntax"),
            ("hello", 400, "invalid syntax"),
            (
                r#"{"action":"subscribe","orderbooks":["X"]}"#,
                410,
                "invalid subscribe action for this feed",
            ),
        ] {
            assert_eq!(say(&mut peer, text), [failure(code, msg)], "{text}");
        }
        let same = say(&mut peer, r#"{"action":"subscribe","trades":["S1"]}"#);
        assert_eq!(lists(&same)[0].1.len(), 30);
    }

    #[test]
    fn the_test_feed_has_three_channels() {
        let mut peer = authenticated(Feed::Test);
        let replies = say(&mut peer, r#"{"action":"subscribe","trades":["FAKEPACA"]}"#);
        let names: Vec<&str> = lists(&replies).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["trades", "quotes", "bars"]);
    }
}
