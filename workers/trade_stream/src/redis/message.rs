//! What publisher and followers say to each other. Data is spelled as Alpaca spells it. Pure.

use alpaca::wire::{self, Frame};
use alpaca::{Channel, Topic};
use serde::{Deserialize, Serialize};

/// A message of a publisher: `BOOT NUMBER KIND`, a line feed, and the body.
#[derive(Debug, PartialEq)]
pub(super) struct Told {
    /// Tells one publisher's life from another's.
    pub(super) boot: u64,
    /// From 1 on, without a hole.
    pub(super) number: u64,
    pub(super) body: Body,
}

/// What a publisher tells.
#[derive(Debug, PartialEq)]
pub(super) enum Body {
    /// An array of Alpaca's: trades and other data.
    Data(Frame),
    /// Its connection is gone, for this reason.
    Lost(String),
    /// How it is; every second, and at every change.
    State(Present),
    /// Alpaca refused these.
    Refused(Refusal),
    /// These symbols were silent for so many milliseconds, against all chance: trades may be missing.
    Silent(Vec<(String, u64)>),
}

/// How a publisher is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Present {
    pub(super) connected: bool,
    pub(super) detail: Option<String>,
    /// Channel and symbol of all that comes.
    pub(super) confirmed: Vec<(String, String)>,
}

/// What Alpaca will not send.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Refusal {
    pub(super) topics: Vec<(String, String)>,
    pub(super) code: u16,
    pub(super) message: String,
}

/// What a follower wants, all of it; nothing when it leaves.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Wants {
    /// Which follower.
    pub(super) id: u64,
    pub(super) topics: Vec<(String, String)>,
}

pub(super) const DATA: &str = "data";
pub(super) const LOST: &str = "lost";
pub(super) const STATE: &str = "state";
pub(super) const REFUSED: &str = "refused";
pub(super) const SILENT: &str = "silent";

/// A message, ready to be published.
pub(super) fn write(boot: u64, number: u64, kind: &str, body: &[u8]) -> Vec<u8> {
    let mut message = format!("{boot:x} {number} {kind}\n").into_bytes();
    message.extend_from_slice(body);
    message
}

/// A publisher's message; `None` for what is none of this version's.
pub(super) fn read(message: &[u8]) -> Option<Told> {
    let end = message.iter().position(|byte| *byte == b'\n')?;
    let mut words = std::str::from_utf8(&message[..end]).ok()?.split(' ');
    let boot = u64::from_str_radix(words.next()?, 16).ok()?;
    let number = words.next()?.parse().ok()?;
    let body = &message[end + 1..];
    let body = match words.next()? {
        DATA => Body::Data(wire::decode(body)),
        LOST => Body::Lost(String::from_utf8_lossy(body).into_owned()),
        STATE => Body::State(serde_json::from_slice(body).ok()?),
        REFUSED => Body::Refused(serde_json::from_slice(body).ok()?),
        SILENT => Body::Silent(serde_json::from_slice(body).ok()?),
        _ => return None,
    };
    Some(Told { boot, number, body })
}

pub(super) fn pairs<'a>(topics: impl IntoIterator<Item = &'a Topic>) -> Vec<(String, String)> {
    let pair = |topic: &Topic| (topic.channel.name().to_owned(), topic.symbol.clone());
    topics.into_iter().map(pair).collect()
}

/// The topics of a list, without those of channels that this version does not know.
pub(super) fn topics(pairs: &[(String, String)]) -> Vec<Topic> {
    let topic = |(channel, symbol): &(String, String)| Some(Topic::new(Channel::named(channel)?, &**symbol));
    pairs.iter().filter_map(topic).collect()
}

#[cfg(test)]
mod tests {
    use super::{Body, Told, read, write};

    #[test]
    fn messages_are_read_back_and_others_are_not() {
        let told = read(&write(0xab, 7, super::LOST, b"gone")).expect("a message");
        let body = Body::Lost("gone".into());
        assert_eq!(
            told,
            Told {
                boot: 0xab,
                number: 7,
                body
            }
        );
        let trade = br#"[{"T":"t","S":"A","p":1,"s":1,"t":"x"}]"#;
        let Some(Told {
            body: Body::Data(frame),
            ..
        }) = read(&write(1, 1, super::DATA, trade))
        else {
            panic!("no data");
        };
        assert_eq!(frame.trades[0].symbol(), "A");
        for other in [
            &b""[..],
            b"\n",
            b"x 1 data\n",
            b"1 x data\n",
            b"1 1 news\n[]",
            b"1 1 state\n{",
        ] {
            assert_eq!(read(other), None, "{other:?}");
        }
    }
}
