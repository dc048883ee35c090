//! The requests of a browser that its backend has not answered yet, in their order. Pure.
//!
//! A backend answers one request after the other, so an answer belongs to the first request that waits
//! for one of its kind. When the backend goes away, what is left is asked of the next one.

use std::collections::VecDeque;

use stream_protocol::{ClientMessage, Position};

/// Bytes of requests that are remembered; who has more under way is beyond what anyone waits for.
const MOST_BYTES: usize = 256 * 1024;

/// What a request is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaits {
    Pong,
    Health,
    Heartbeat,
    Reconnecting,
    OrdersOn,
    OrdersOff,
    /// So many `subscribed`.
    Subscribed(usize),
    /// So many `unsubscribed`.
    Unsubscribed(usize),
    /// It cannot be used: an error.
    Error,
}

/// Requests of one kind in a row.
#[derive(Debug)]
struct Asked {
    awaits: Awaits,
    /// The frame as it came; empty for what the proxy itself has asked.
    frame: Box<[u8]>,
    /// Where the subscription is to go on from.
    since: Option<Position>,
    times: usize,
    /// Answers to the first of them that are still to come.
    left: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Unanswered {
    asked: VecDeque<Asked>,
    bytes: usize,
}

impl Awaits {
    /// What a message of a browser is answered with.
    pub(crate) fn of(message: &ClientMessage) -> Self {
        match message {
            ClientMessage::Ping => Self::Pong,
            ClientMessage::Health => Self::Health,
            ClientMessage::Heartbeat => Self::Heartbeat,
            ClientMessage::Reconnect => Self::Reconnecting,
            ClientMessage::SubscribeOrders => Self::OrdersOn,
            ClientMessage::UnsubscribeOrders => Self::OrdersOff,
            ClientMessage::Subscribe {
                symbols, channels, ..
            } => Self::Subscribed(symbols.len() * channels.len()),
            ClientMessage::Unsubscribe { symbols, channels } => {
                Self::Unsubscribed(symbols.len() * channels.len())
            }
        }
    }

    /// Whether requests of this kind are all alike.
    fn is_plain(self) -> bool {
        match self {
            Self::Pong
            | Self::Health
            | Self::Heartbeat
            | Self::Reconnecting
            | Self::OrdersOn
            | Self::OrdersOff => true,
            Self::Subscribed(_) | Self::Unsubscribed(_) | Self::Error => false,
        }
    }

    fn is_like(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }

    /// How many answers there are to one request.
    fn answers(self) -> usize {
        match self {
            Self::Subscribed(count) | Self::Unsubscribed(count) => count,
            Self::Pong
            | Self::Health
            | Self::Heartbeat
            | Self::Reconnecting
            | Self::OrdersOn
            | Self::OrdersOff
            | Self::Error => 1,
        }
    }
}

impl Unanswered {
    /// The browser asks for something, in this frame.
    pub(crate) fn ask(&mut self, awaits: Awaits, frame: &[u8], since: Option<Position>) {
        if let Some(last) = self.asked.back_mut()
            && last.awaits == awaits
            && awaits.is_plain()
            && !last.frame.is_empty()
        {
            last.times += 1;
            return;
        }
        self.bytes += frame.len();
        self.asked.push_back(Asked {
            awaits,
            frame: frame.into(),
            since,
            times: 1,
            left: awaits.answers(),
        });
        while self.bytes > MOST_BYTES {
            self.forget(0);
        }
    }

    /// An answer has come. Returns where the subscription that it answers was to go on from.
    pub(crate) fn answered(&mut self, answer: Awaits) -> Option<Position> {
        let place = self.asked.iter().position(|one| one.awaits.is_like(answer))?;
        let asked = self.asked.get_mut(place)?;
        asked.left = asked.left.saturating_sub(1);
        if asked.left > 0 {
            return asked.since.clone();
        }
        asked.times -= 1;
        if asked.times > 0 {
            asked.left = asked.awaits.answers();
            return None;
        }
        self.forget(place)?.since
    }

    /// An error has come for something that cannot be used, or is too much.
    pub(crate) fn refused(&mut self) {
        let place = self.asked.iter().position(|one| match one.awaits {
            Awaits::Error => true,
            Awaits::Subscribed(count) => one.left == count,
            Awaits::Pong
            | Awaits::Health
            | Awaits::Heartbeat
            | Awaits::Reconnecting
            | Awaits::OrdersOn
            | Awaits::OrdersOff
            | Awaits::Unsubscribed(_) => false,
        });
        if let Some(place) = place {
            self.forget(place);
        }
    }

    /// The backend is gone, and the next one is asked for `own` first: then for all that is left, from
    /// the beginning.
    pub(crate) fn begin_anew(&mut self, own: &[ClientMessage]) {
        self.asked.retain(|one| !one.frame.is_empty());
        for asked in &mut self.asked {
            asked.left = asked.awaits.answers();
        }
        for message in own.iter().rev() {
            let awaits = Awaits::of(message);
            self.asked.push_front(Asked {
                awaits,
                frame: Box::default(),
                since: None,
                times: 1,
                left: awaits.answers(),
            });
        }
    }

    /// How many frames that is.
    pub(crate) fn count(&self) -> usize {
        self.frames().count()
    }

    /// The frames that are to be sent again, in order.
    pub(crate) fn frames(&self) -> impl Iterator<Item = &[u8]> {
        let asked = self.asked.iter().filter(|one| !one.frame.is_empty());
        asked.flat_map(|one| std::iter::repeat_n(&*one.frame, one.times))
    }

    fn forget(&mut self, place: usize) -> Option<Asked> {
        let asked = self.asked.remove(place)?;
        self.bytes -= asked.frame.len();
        if self.asked.is_empty() {
            // A browser that asked much once shall not hold memory for ever.
            self.asked = VecDeque::new();
        }
        Some(asked)
    }
}

#[cfg(test)]
mod tests {
    use stream_protocol::ClientMessage;

    use super::{Awaits, MOST_BYTES, Unanswered};

    fn left(unanswered: &Unanswered) -> Vec<&str> {
        let frames = unanswered.frames();
        frames
            .map(|frame| std::str::from_utf8(frame).expect("text"))
            .collect()
    }

    #[test]
    fn an_answer_is_for_the_first_of_its_kind() {
        let mut unanswered = Unanswered::default();
        for (awaits, frame) in [
            (Awaits::Pong, "ping"),
            (Awaits::Pong, "ping"),
            (Awaits::Health, "health"),
            (Awaits::Subscribed(2), "A and B"),
            (Awaits::Error, "what?"),
            (Awaits::Pong, "ping"),
        ] {
            unanswered.ask(awaits, frame.as_bytes(), None);
        }
        unanswered.answered(Awaits::Pong);
        unanswered.answered(Awaits::Subscribed(1));
        assert_eq!(left(&unanswered), ["ping", "health", "A and B", "what?", "ping"]);
        for answer in [Awaits::Pong, Awaits::Health, Awaits::Subscribed(1)] {
            unanswered.answered(answer);
        }
        unanswered.refused();
        unanswered.answered(Awaits::Health);
        assert_eq!(left(&unanswered), ["ping"]);
        unanswered.answered(Awaits::Pong);
        assert_eq!((left(&unanswered), unanswered.bytes), (vec![], 0));
    }

    #[test]
    fn what_the_proxy_asks_itself_is_answered_first_and_never_asked_again() {
        let mut unanswered = Unanswered::default();
        unanswered.ask(Awaits::Subscribed(2), b"A and B", None);
        unanswered.answered(Awaits::Subscribed(1));
        let own = ClientMessage::parse(r#"{"action":"subscribe","symbol":"A"}"#).expect("a request");
        for _ in 0..2 {
            unanswered.begin_anew(std::slice::from_ref(&own));
            assert_eq!(left(&unanswered), ["A and B"]);
        }
        unanswered.answered(Awaits::Subscribed(1));
        unanswered.answered(Awaits::Subscribed(1));
        assert_eq!(left(&unanswered), ["A and B"], "one of three is still to come");
        unanswered.answered(Awaits::Subscribed(1));
        assert!(left(&unanswered).is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut unanswered = Unanswered::default();
        let long = vec![b'x'; MOST_BYTES / 3];
        for _ in 0..10 {
            unanswered.ask(Awaits::Error, &long, None);
            unanswered.ask(Awaits::Pong, b"ping", None);
        }
        assert!(unanswered.bytes <= MOST_BYTES, "{}", unanswered.bytes);
        for _ in 0..100_000 {
            unanswered.ask(Awaits::Pong, b"ping", None);
        }
        assert!(unanswered.asked.len() < 10, "equal ones in a row are counted");
    }
}
