//! A trade as each spelling has it. JSON is written by hand: of all messages this is the one that is
//! written for every trade.

use alpaca::{Stamp, Trade};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// Appends a trade in the stream's own words, to the letter of `stream_protocol`.
pub(super) fn write_stream(out: &mut Vec<u8>, trade: &Trade, seq: u64, backfill: bool) {
    out.extend_from_slice(br#"{"type":"trade","symbol":"#);
    put_text(out, trade.symbol());
    out.extend_from_slice(br#","data":{"timestamp":"#);
    put_text(out, trade.timestamp());
    out.extend_from_slice(br#","price":"#);
    out.extend_from_slice(trade.price().as_bytes());
    out.extend_from_slice(br#","size":"#);
    out.extend_from_slice(trade.size().as_bytes());
    out.extend_from_slice(br#","exchange":"#);
    put_text(out, trade.exchange().name());
    out.extend_from_slice(br#","conditions":"#);
    put_list(out, trade.conditions());
    out.push(b'}');
    if backfill {
        out.extend_from_slice(br#","backfill":true"#);
    }
    out.extend_from_slice(br#","seq":"#);
    put_whole(out, seq);
    out.push(b'}');
}

/// Appends a trade as Alpaca sent it; crypto has no exchange, conditions or tape, but tells the taker.
pub(super) fn write_alpaca(out: &mut Vec<u8>, trade: &Trade) {
    let is_of_stocks = trade.taker().is_empty();
    out.extend_from_slice(br#"[{"T":"t","S":"#);
    put_text(out, trade.symbol());
    out.extend_from_slice(br#","i":"#);
    put_whole(out, trade.id());
    if is_of_stocks {
        out.extend_from_slice(br#","x":"#);
        put_text(out, trade.exchange().code());
    }
    out.extend_from_slice(br#","p":"#);
    out.extend_from_slice(trade.price().as_bytes());
    out.extend_from_slice(br#","s":"#);
    out.extend_from_slice(trade.size().as_bytes());
    if is_of_stocks {
        out.extend_from_slice(br#","c":"#);
        put_list(out, trade.conditions());
        out.extend_from_slice(br#","z":"#);
        put_text(out, trade.tape());
    } else {
        out.extend_from_slice(br#","tks":"#);
        put_text(out, trade.taker());
    }
    out.extend_from_slice(br#","t":"#);
    put_text(out, trade.timestamp());
    out.extend_from_slice(b"}]");
}

/// The same for a serializer, such as that of msgpack.
pub(super) struct WireTrade<'a>(pub(super) &'a Trade);

impl Serialize for WireTrade<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let trade = self.0;
        let is_of_stocks = trade.taker().is_empty();
        let mut map = serializer.serialize_map(Some(if is_of_stocks { 9 } else { 7 }))?;
        map.serialize_entry("T", "t")?;
        map.serialize_entry("S", trade.symbol())?;
        map.serialize_entry("i", &trade.id())?;
        if is_of_stocks {
            map.serialize_entry("x", trade.exchange().code())?;
        }
        map.serialize_entry("p", &Figure(trade.price()))?;
        map.serialize_entry("s", &Figure(trade.size()))?;
        if is_of_stocks {
            map.serialize_entry("c", &Conditions(trade))?;
            map.serialize_entry("z", trade.tape())?;
        } else {
            map.serialize_entry("tks", trade.taker())?;
        }
        map.serialize_entry("t", &Stamp(trade.timestamp()))?;
        map.end()
    }
}

struct Conditions<'a>(&'a Trade);

impl Serialize for Conditions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.conditions())
    }
}

/// The value of a JSON number.
struct Figure<'a>(&'a str);

impl Serialize for Figure<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.parse() {
            Ok(whole) => serializer.serialize_u64(whole),
            // Every JSON number is the text of a float.
            Err(_) => serializer.serialize_f64(self.0.parse().unwrap_or_default()),
        }
    }
}

fn put_list<'a>(out: &mut Vec<u8>, texts: impl Iterator<Item = &'a str>) {
    out.push(b'[');
    for (place, text) in texts.enumerate() {
        if place > 0 {
            out.push(b',');
        }
        put_text(out, text);
    }
    out.push(b']');
}

/// A text in quotes. Hardly any needs escapes.
fn put_text(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let must_escape = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    // Without a way out in the middle this is a few instructions for many bytes.
    if bytes.iter().fold(false, |any, byte| any | must_escape(byte)) {
        serde_json::to_writer(out, text).expect("a text, into memory");
        return;
    }
    out.push(b'"');
    out.extend_from_slice(bytes);
    out.push(b'"');
}

fn put_whole(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use alpaca::{Number, Trade, wire};
    use serde_json::json;
    use stream_protocol::{ServerMessage, TradeData};

    use super::{WireTrade, write_alpaca, write_stream};

    const TEXTS: [&str; 8] = [
        "",
        "AAPL",
        "\"",
        "a\\b",
        "\u{1}\n\t\u{7f}",
        "ü€😀",
        "</script>",
        "K",
    ];

    /// Trades of stocks and of crypto, with whatever texts.
    fn trades() -> Vec<Trade> {
        let mut trades = Vec::new();
        for (place, text) in TEXTS.into_iter().enumerate() {
            let other = TEXTS[(place + 3) % TEXTS.len()];
            for price in ["162.90", "1e-7", "-0", "29.205707815", "18446744073709551616"] {
                let mut told = json!([{"T": "t", "S": format!("S{text}"), "i": u64::MAX - place as u64, "t": other,
                    "x": other, "c": TEXTS[..place].to_vec(), "z": text, "p": 0, "s": 0}]);
                if place % 2 == 1 {
                    told[0]["tks"] = text.into();
                }
                let told = told.to_string();
                let told = told.replace(r#""p":0"#, &format!(r#""p":{price}"#));
                trades.append(&mut wire::decode(told.as_bytes()).trades);
            }
        }
        assert_eq!(trades.len(), TEXTS.len() * 5);
        trades
    }

    #[test]
    fn the_stream_has_a_trade_to_the_letter_of_its_protocol() {
        let number = |text: &str| Cow::Owned(Number::parse(text).expect("a number"));
        for (trade, backfill) in trades()
            .into_iter()
            .flat_map(|trade| [(trade.clone(), true), (trade, false)])
        {
            let message = ServerMessage::Trade {
                symbol: trade.symbol().into(),
                data: TradeData {
                    timestamp: trade.timestamp().into(),
                    price: number(trade.price()),
                    size: number(trade.size()),
                    exchange: trade.exchange().name().into(),
                    conditions: trade.conditions().map(str::to_owned).collect::<Vec<_>>().into(),
                },
                backfill,
                seq: Some(trade.id()),
            };
            let mut out = Vec::new();
            write_stream(&mut out, &trade, trade.id(), backfill);
            assert_eq!(String::from_utf8_lossy(&out), message.to_json());
        }
    }

    #[test]
    fn alpaca_has_it_as_it_came_and_as_a_serializer_would_have_it() {
        for trade in trades() {
            let mut out = Vec::new();
            write_alpaca(&mut out, &trade);
            let back = wire::decode(&out).trades.remove(0);
            assert_eq!(
                (back.price(), back.size()),
                (trade.price(), trade.size()),
                "digit for digit"
            );
            assert_eq!(
                back == trade,
                trade.taker().is_empty(),
                "crypto has no conditions"
            );
            let same = serde_json::to_string(&[WireTrade(&trade)]).expect("JSON");
            let around_price = |text: &str| {
                let (before, rest) = text.split_once(r#""p":"#).expect("a price");
                let (_, after) = rest.split_once(',').expect("a size");
                format!("{before}{after}")
            };
            assert_eq!(around_price(&String::from_utf8_lossy(&out)), around_price(&same));
        }
    }
}
