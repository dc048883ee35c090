//! How far a browser has got with a symbol. Pure.
//!
//! Only the number of the last trade counts, and only when the backend goes away: of most trades nothing
//! is read but the symbol.

use stream_protocol::Position;

/// What the number of a trade stands after, to the letter of stream_protocol.
const SEQ: &[u8] = br#""seq":"#;
/// As long as that, the longest number and a brace can be.
const ENDING: usize = 6 + 20 + 1;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// What is known for sure.
    at: Option<Position>,
    /// How the last trade after that ended; zeros stand before a shorter one.
    ending: Option<[u8; ENDING]>,
}

impl Place {
    /// It is here now.
    pub(crate) fn set(&mut self, at: Option<Position>) {
        self.at = at;
        self.ending = None;
    }

    /// Whether its place in the numbering is known.
    pub(crate) fn is_known(&self) -> bool {
        self.at.is_some()
    }

    /// All up to this number has passed, or is known to be missing.
    pub(crate) fn reach(&mut self, seq: u64) {
        if let Some(at) = &mut self.at {
            at.seq = seq;
            self.ending = None;
        }
    }

    /// A trade has passed.
    pub(crate) fn pass(&mut self, trade: &[u8]) {
        if self.at.is_none() {
            return;
        }
        let ending = self.ending.insert([0; ENDING]);
        match trade.last_chunk() {
            Some(end) => *ending = *end,
            None => ending[ENDING - trade.len()..].copy_from_slice(trade),
        }
    }

    /// Where it is.
    pub(crate) fn position(&self) -> Option<Position> {
        let at = self.at.clone()?;
        let last = self.ending.as_ref().and_then(|ending| seq_at_end(ending));
        Some(Position {
            seq: last.unwrap_or(at.seq),
            ..at
        })
    }
}

/// The 42 of `…,"seq":42}`
fn seq_at_end(text: &[u8]) -> Option<u64> {
    let text = text.strip_suffix(b"}")?;
    let digits = text.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (rest, digits) = text.split_at(text.len() - digits);
    rest.ends_with(SEQ).then_some(())?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use stream_protocol::Position;

    use super::Place;

    #[test]
    fn the_last_trade_counts_however_long_its_number_is() {
        let mut place = Place::default();
        place.pass(br#"{"seq":7}"#);
        assert_eq!(place.position(), None, "no numbering was told");
        let epoch = || "e".to_owned();
        place.set(Some(Position {
            epoch: epoch(),
            seq: 3,
        }));
        for seq in [4, 5, u64::MAX] {
            place.pass(format!(r#"{{"data":{{"price":1}},"seq":{seq}}}"#).as_bytes());
            assert_eq!(place.position(), Some(Position { epoch: epoch(), seq }));
        }
        place.pass(br#"{"seq":7}"#);
        assert_eq!(place.position().map(|at| at.seq), Some(7));
        place.reach(9);
        assert_eq!(place.position().map(|at| at.seq), Some(9));
        place.pass(br#"{"type":"trade","symbol":"A"}"#);
        assert_eq!(place.position().map(|at| at.seq), Some(9), "without a number");
    }
}
