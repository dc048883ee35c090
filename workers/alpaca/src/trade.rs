//! One trade, whose texts lie in the message that brought it: taking it apart copies none of them.

use std::fmt;
use std::sync::Arc;

use crate::Exchange;

/// Conditions that need no memory of their own; the tapes know four.
const FEW: usize = 4;

/// One trade. Trades of one message share its text, and keep it for as long as any of them is kept.
#[derive(Clone)]
pub struct Trade {
    text: Arc<str>,
    id: u64,
    pieces: Pieces,
}

/// Where in the text of its message each text of a trade lies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pieces {
    pub(crate) symbol: Piece,
    pub(crate) exchange: Piece,
    /// A JSON number.
    pub(crate) price: Piece,
    /// A JSON number.
    pub(crate) size: Piece,
    pub(crate) conditions: Conditions,
    pub(crate) timestamp: Piece,
    pub(crate) tape: Piece,
    pub(crate) taker: Piece,
}

/// A part of a text, which is shorter than 4 GB.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Piece {
    start: u32,
    length: u32,
}

/// The conditions' places.
#[derive(Clone, Debug)]
pub(crate) enum Conditions {
    Few { pieces: [Piece; FEW], count: usize },
    Many(Vec<Piece>),
}

/// A trade that comes in texts of its own.
#[derive(Clone, Debug)]
pub(crate) struct Written<'a> {
    pub(crate) symbol: &'a str,
    pub(crate) id: u64,
    pub(crate) exchange: &'a str,
    /// A JSON number.
    pub(crate) price: &'a str,
    /// A JSON number.
    pub(crate) size: &'a str,
    pub(crate) conditions: &'a [String],
    pub(crate) timestamp: &'a str,
    pub(crate) tape: &'a str,
    pub(crate) taker: &'a str,
}

impl Trade {
    /// A trade whose texts lie in `text`.
    pub(crate) fn in_text(text: Arc<str>, id: u64, pieces: Pieces) -> Self {
        Self { text, id, pieces }
    }

    /// The symbol, upper-case.
    pub fn symbol(&self) -> &str {
        self.piece(self.pieces.symbol)
    }

    /// The exchange's id of this trade; unique together with symbol and exchange, 0 if not sent.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Where it happened.
    pub fn exchange(&self) -> Exchange<'_> {
        Exchange::from_code(self.piece(self.pieces.exchange))
    }

    /// Price in dollars: a JSON number, as written.
    pub fn price(&self) -> &str {
        self.piece(self.pieces.price)
    }

    /// Shares, whole for stocks: a JSON number, as written.
    pub fn size(&self) -> &str {
        self.piece(self.pieces.size)
    }

    /// Sale condition codes, such as `@` and `I`.
    pub fn conditions(&self) -> impl ExactSizeIterator<Item = &str> {
        let pieces = self.pieces.conditions.as_slice();
        pieces.iter().map(|piece| self.piece(*piece))
    }

    /// When it happened: RFC 3339 as sent, up to nine digits of a second.
    pub fn timestamp(&self) -> &str {
        self.piece(self.pieces.timestamp)
    }

    /// The tape: `A`, `B` or `C`; empty for crypto.
    pub fn tape(&self) -> &str {
        self.piece(self.pieces.tape)
    }

    /// Who took the offer, `B` or `S`, where that is told: of crypto only.
    pub fn taker(&self) -> &str {
        self.piece(self.pieces.taker)
    }

    fn piece(&self, piece: Piece) -> &str {
        let start = piece.start as usize;
        &self.text[start..start + piece.length as usize]
    }
}

impl From<Written<'_>> for Trade {
    fn from(written: Written<'_>) -> Self {
        let mut text = String::with_capacity(128);
        let mut add = |part: &str| {
            text.push_str(part);
            // A message is at most some megabytes long.
            Piece::new(text.len() - part.len(), text.len())
        };
        let pieces = Pieces {
            symbol: add(written.symbol),
            exchange: add(written.exchange),
            price: add(written.price),
            size: add(written.size),
            timestamp: add(written.timestamp),
            tape: add(written.tape),
            taker: add(written.taker),
            conditions: written.conditions.iter().map(|one| add(one)).collect(),
        };
        Self::in_text(text.into(), written.id, pieces)
    }
}

impl PartialEq for Trade {
    fn eq(&self, other: &Self) -> bool {
        let texts = |trade: &Self| {
            let pieces = &trade.pieces;
            let all = [
                pieces.symbol,
                pieces.exchange,
                pieces.price,
                pieces.size,
                pieces.timestamp,
            ];
            [&all[..], &[pieces.tape, pieces.taker]].concat()
        };
        let same = |(one, two): (&Piece, &Piece)| self.piece(*one) == other.piece(*two);
        self.id == other.id
            && texts(self).iter().zip(&texts(other)).all(same)
            && self.conditions().eq(other.conditions())
    }
}

impl fmt::Debug for Trade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut trade = f.debug_struct("Trade");
        trade.field("symbol", &self.symbol()).field("id", &self.id);
        trade.field("exchange", &self.exchange().code());
        trade.field("price", &self.price()).field("size", &self.size());
        trade.field("conditions", &self.conditions().collect::<Vec<_>>());
        trade.field("timestamp", &self.timestamp());
        trade.field("tape", &self.tape()).field("taker", &self.taker());
        trade.finish()
    }
}

impl Piece {
    /// From `start` up to `end`.
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self {
            start: start as u32,
            length: (end - start) as u32,
        }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.length == 0
    }
}

impl Conditions {
    pub(crate) fn push(&mut self, piece: Piece) {
        match self {
            Self::Few { pieces, count } if *count < FEW => {
                pieces[*count] = piece;
                *count += 1;
            }
            Self::Few { pieces, .. } => {
                let mut many = pieces.to_vec();
                many.push(piece);
                *self = Self::Many(many);
            }
            Self::Many(many) => many.push(piece),
        }
    }

    fn as_slice(&self) -> &[Piece] {
        match self {
            Self::Few { pieces, count } => &pieces[..*count],
            Self::Many(many) => many,
        }
    }
}

impl Default for Conditions {
    fn default() -> Self {
        Self::Few {
            pieces: [Piece::default(); FEW],
            count: 0,
        }
    }
}

impl FromIterator<Piece> for Conditions {
    fn from_iter<I: IntoIterator<Item = Piece>>(pieces: I) -> Self {
        let mut conditions = Self::default();
        pieces.into_iter().for_each(|piece| conditions.push(piece));
        conditions
    }
}
