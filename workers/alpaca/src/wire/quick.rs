//! Reads trades as Alpaca writes them in JSON, in one pass. What is written in any other way, such as
//! with an escape, a blank or a field that is not known, is left to the reader of everything.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::incoming::{Frame, Text};
use crate::Trade;
use crate::trade::{Conditions, Piece, Pieces};

/// The shortest trade is about so long, so that a list of them seldom grows.
const SHORT: usize = 100;

/// A message of which no element is torn; `None` when it is, or is no array, or has blanks between its
/// elements.
pub(super) fn decode(text: &str) -> Option<Frame> {
    let mut frame = Frame::default();
    // Made when the first trade is found. A longer text than places can tell is not for here.
    let mut shared: Option<Arc<str>> = None;
    u32::try_from(text.len()).ok()?;
    let mut cursor = Cursor { text, at: 0 };
    cursor.expect(b'[')?;
    loop {
        match cursor.trade() {
            Some((id, pieces)) => {
                let shared = shared.get_or_insert_with(|| {
                    frame.trades.reserve(text.len() / SHORT);
                    text.into()
                });
                frame.trades.push(Trade::in_text(Arc::clone(shared), id, pieces));
            }
            None => frame.take(Text(cursor.element()?)),
        }
        match cursor.next()? {
            b',' => {}
            b']' => return (cursor.at == text.len()).then_some(frame),
            _ => return None,
        }
    }
}

/// A place in a text.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

/// The fields of a trade, each a bit, so that one that comes twice is noticed.
pub(super) mod field {
    pub const KIND: u16 = 1;
    pub const SYMBOL: u16 = 2;
    pub const ID: u16 = 4;
    pub const EXCHANGE: u16 = 8;
    pub const PRICE: u16 = 16;
    pub const SIZE: u16 = 32;
    pub const CONDITIONS: u16 = 64;
    pub const TAPE: u16 = 128;
    pub const TIME: u16 = 256;
    pub const TAKER: u16 = 512;
    /// What no trade is without.
    pub const NEEDED: u16 = KIND | SYMBOL | PRICE | SIZE | TIME;
}

impl<'a> Cursor<'a> {
    /// A trade; without one nothing is passed over.
    fn trade(&mut self) -> Option<(u64, Pieces)> {
        let start = self.at;
        let trade = self.fields();
        if trade.is_none() {
            self.at = start;
        }
        trade
    }

    fn fields(&mut self) -> Option<(u64, Pieces)> {
        let (mut seen, mut id, mut pieces) = (0, 0, Pieces::default());
        self.expect(b'{')?;
        loop {
            let field = self.field(&mut id, &mut pieces)?;
            if seen & field != 0 {
                return None;
            }
            seen |= field;
            match self.next()? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
        let is_whole = seen & field::NEEDED == field::NEEDED && !pieces.symbol.is_empty();
        is_whole.then_some((id, pieces))
    }

    /// A name and its value; which it was.
    fn field(&mut self, id: &mut u64, pieces: &mut Pieces) -> Option<u16> {
        let bytes = self.text.as_bytes().get(self.at..)?;
        let [b'"', name, rest @ ..] = bytes else {
            return None;
        };
        if *name == b't' && rest.starts_with(br#"ks":"#) {
            self.at += 6;
            pieces.taker = self.string()?;
            return Some(field::TAKER);
        }
        if !rest.starts_with(br#"":"#) {
            return None;
        }
        self.at += 4;
        Some(match name {
            b'T' => {
                let kind = self.text.as_bytes().get(self.at..self.at + 3)?;
                self.at += 3;
                (kind == br#""t""#).then_some(field::KIND)?
            }
            b'S' => self.put(&mut pieces.symbol, field::SYMBOL)?,
            b'x' => self.put(&mut pieces.exchange, field::EXCHANGE)?,
            b'z' => self.put(&mut pieces.tape, field::TAPE)?,
            b't' => self.put(&mut pieces.timestamp, field::TIME)?,
            b'i' => {
                *id = self.whole_number()?;
                field::ID
            }
            b'p' => {
                pieces.price = self.number()?;
                field::PRICE
            }
            b's' => {
                pieces.size = self.number()?;
                field::SIZE
            }
            b'c' => {
                pieces.conditions = self.conditions()?;
                field::CONDITIONS
            }
            _ => return None,
        })
    }

    fn put(&mut self, piece: &mut Piece, field: u16) -> Option<u16> {
        *piece = self.string()?;
        Some(field)
    }

    /// Stocks carry a list, options a single text.
    fn conditions(&mut self) -> Option<Conditions> {
        let mut conditions = Conditions::default();
        if self.peek()? == b'"' {
            conditions.push(self.string()?);
            return Some(conditions);
        }
        self.expect(b'[')?;
        if self.peek()? == b']' {
            self.at += 1;
            return Some(conditions);
        }
        loop {
            conditions.push(self.string()?);
            match self.next()? {
                b',' => {}
                b']' => return Some(conditions),
                _ => return None,
            }
        }
    }

    /// A text without escapes, and without what must be escaped.
    fn string(&mut self) -> Option<Piece> {
        self.expect(b'"')?;
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))?;
        let piece = Piece::new(self.at, self.at + length);
        self.at += length + 1;
        (rest[length] == b'"').then_some(piece)
    }

    /// A number of RFC 8259 §6.
    fn number(&mut self) -> Option<Piece> {
        let start = self.at;
        if self.peek()? == b'-' {
            self.at += 1;
        }
        let first = self.peek()?;
        let digits = self.digits();
        if digits == 0 || (first == b'0' && digits > 1) {
            return None;
        }
        if self.peek()? == b'.' {
            self.at += 1;
            (self.digits() > 0).then_some(())?;
        }
        if matches!(self.peek()?, b'e' | b'E') {
            self.at += 1;
            if matches!(self.peek()?, b'+' | b'-') {
                self.at += 1;
            }
            (self.digits() > 0).then_some(())?;
        }
        Some(Piece::new(start, self.at))
    }

    /// A number of digits only that fits; what stands behind it tells whether there was more of it.
    fn whole_number(&mut self) -> Option<u64> {
        let start = self.at;
        let digits = self.digits();
        let text = &self.text.as_bytes()[start..self.at];
        if digits == 0 || (text[0] == b'0' && digits > 1) {
            return None;
        }
        let add = |sum: u64, digit: &u8| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
        text.iter().try_fold(0, add)
    }

    fn digits(&mut self) -> usize {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }

    /// Any value, as it is written.
    fn element(&mut self) -> Option<&'a str> {
        let rest = &self.text[self.at..];
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
        let value = values.next()?.ok()?;
        self.at += values.byte_offset();
        Some(value.get())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }
}

#[cfg(test)]
#[path = "quick/tests.rs"]
mod tests;
