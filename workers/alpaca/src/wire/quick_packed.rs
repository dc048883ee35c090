//! Reads trades as Alpaca writes them in msgpack, in one pass. What is written in any other way is left
//! to the reader of everything.

use std::fmt::{self, Write};

use super::packed::timestamp;
use super::quick::field;
use crate::Trade;
use crate::trade::{Conditions, Piece, Pieces};

/// Extensions of this type are timestamps.
const TIMESTAMP: u8 = 0xff;

/// The trade that `bytes` begin with, and how long it is. `text` is only kept to be allocated once.
pub(super) fn trade(bytes: &[u8], text: &mut String) -> Option<(Trade, usize)> {
    text.clear();
    let mut reader = Reader { bytes, at: 0, text };
    let (id, pieces) = reader.fields()?;
    let length = reader.at;
    Some((Trade::in_text(text.as_str().into(), id, pieces), length))
}

/// A place in a message, and the texts that were found before it.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    text: &'a mut String,
}

impl Reader<'_> {
    fn fields(&mut self) -> Option<(u64, Pieces)> {
        let (mut seen, mut id, mut pieces) = (0, 0, Pieces::default());
        let count = match self.byte()? {
            small @ 0x80..=0x8f => small & 0x0f,
            _ => return None,
        };
        for _ in 0..count {
            let field = self.field(&mut id, &mut pieces)?;
            if seen & field != 0 {
                return None;
            }
            seen |= field;
        }
        let is_whole = seen & field::NEEDED == field::NEEDED && !pieces.symbol.is_empty();
        is_whole.then_some((id, pieces))
    }

    /// A name and its value; which it was, 0 for one that says nothing of the trade.
    fn field(&mut self, id: &mut u64, pieces: &mut Pieces) -> Option<u16> {
        Some(match self.name()? {
            b"T" => (self.name()? == b"t").then_some(field::KIND)?,
            b"S" => put(&mut pieces.symbol, self.string()?, field::SYMBOL),
            b"x" => put(&mut pieces.exchange, self.string()?, field::EXCHANGE),
            b"p" => put(&mut pieces.price, self.figure()?, field::PRICE),
            b"s" => put(&mut pieces.size, self.figure()?, field::SIZE),
            b"z" => put(&mut pieces.tape, self.string()?, field::TAPE),
            b"tks" => put(&mut pieces.taker, self.string()?, field::TAKER),
            b"t" => put(&mut pieces.timestamp, self.time()?, field::TIME),
            b"i" => {
                *id = self.whole_number()?;
                field::ID
            }
            b"c" => {
                pieces.conditions = self.conditions()?;
                field::CONDITIONS
            }
            // When the server got it.
            b"r" => {
                self.extension()?;
                0
            }
            _ => return None,
        })
    }

    /// A short text.
    fn name(&mut self) -> Option<&[u8]> {
        let length = match self.byte()? {
            short @ 0xa0..=0xbf => short & 0x1f,
            _ => return None,
        };
        self.take(length.into())
    }

    fn string(&mut self) -> Option<Piece> {
        let length = match self.byte()? {
            short @ 0xa0..=0xbf => (short & 0x1f).into(),
            0xd9 => self.byte()?.into(),
            _ => return None,
        };
        let start = self.at;
        self.take(length)?;
        let string = std::str::from_utf8(&self.bytes[start..self.at]).ok()?;
        Some(add(self.text, string))
    }

    /// A number of any size, as a JSON number.
    fn figure(&mut self) -> Option<Piece> {
        if *self.bytes.get(self.at)? == 0xcb {
            self.at += 1;
            let value = f64::from_be_bytes(self.array()?);
            // Infinities and NaN are 0, as everywhere.
            return Some(match serde_json::Number::from_f64(value) {
                Some(number) => self.written(format_args!("{number}")),
                None => self.written(format_args!("0")),
            });
        }
        let whole = self.whole_number()?;
        let mut digits = itoa::Buffer::new();
        Some(add(self.text, digits.format(whole)))
    }

    fn whole_number(&mut self) -> Option<u64> {
        Some(match self.byte()? {
            small @ 0..=0x7f => small.into(),
            0xcc => self.byte()?.into(),
            0xcd => u16::from_be_bytes(self.array()?).into(),
            0xce => u32::from_be_bytes(self.array()?).into(),
            0xcf => u64::from_be_bytes(self.array()?),
            _ => return None,
        })
    }

    /// Stocks carry a list, options a single text.
    fn conditions(&mut self) -> Option<Conditions> {
        let count = match *self.bytes.get(self.at)? {
            small @ 0x90..=0x9f => small & 0x0f,
            _ => return Some([self.string()?].into_iter().collect()),
        };
        self.at += 1;
        (0..count).map(|_| self.string()).collect()
    }

    fn time(&mut self) -> Option<Piece> {
        let stamp = self.extension()?;
        let stamp = timestamp(stamp)?;
        Some(self.written(format_args!("{stamp}")))
    }

    /// The bytes of a timestamp.
    fn extension(&mut self) -> Option<&[u8]> {
        let length = match self.byte()? {
            0xd6 => 4,
            0xd7 => 8,
            0xc7 => self.byte()?.into(),
            _ => return None,
        };
        (self.byte()? == TIMESTAMP).then_some(())?;
        self.take(length)
    }

    fn written(&mut self, figures: fmt::Arguments<'_>) -> Piece {
        let start = self.text.len();
        // Memory takes whatever is written.
        let _ = self.text.write_fmt(figures);
        Piece::new(start, self.text.len())
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }
}

fn put(piece: &mut Piece, found: Piece, field: u16) -> u16 {
    *piece = found;
    field
}

fn add(text: &mut String, part: &str) -> Piece {
    let start = text.len();
    text.push_str(part);
    Piece::new(start, text.len())
}

#[cfg(test)]
#[path = "quick_packed/tests.rs"]
mod tests;
