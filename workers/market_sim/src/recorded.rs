//! Alpaca's messages as they stand in a recording, made into what the market tells.
//!
//! <https://docs.alpaca.markets/docs/real-time-stock-pricing-data> names the fields.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::Value;

use crate::trade::{Bar, BarKind, Item, Quote, Status, Trade};

/// Exchanges, tapes and conditions of a whole market are a few hundred.
const MOST_WORDS: usize = 10_000;

/// The item of a message; `None` for what the server says about the session.
pub(crate) fn item(message: &Value) -> Result<Option<Item>, String> {
    let read = Read(message);
    let item = match message["T"].as_str() {
        None => return Err("no T, which says what it is".into()),
        Some("success" | "error" | "subscription") => return Ok(None),
        Some("t") => Item::Trade(read.trade(["i", "p", "s", "c"])?),
        Some("q") => Item::Quote(read.quote()?),
        Some("b") => Item::Bar(BarKind::Minute, read.bar()?),
        Some("u") => Item::Bar(BarKind::Updated, read.bar()?),
        Some("d") => Item::Bar(BarKind::Daily, read.bar()?),
        Some("s") => Item::Status(Status {
            symbol: read.symbol()?,
            is_halted: matches!(read.text("sc")?, "H" | "2" | "P"),
            at: read.at()?,
        }),
        Some("c") => Item::Correction(read.trade(["oi", "op", "os", "oc"])?, read.number("cp")?),
        Some("x") => Item::Cancel(read.trade(["i", "p", "s", "c"])?),
        Some(other) => return Err(format!("{other:?} cannot be played; t q b u d s c x can")),
    };
    Ok(Some(item))
}

struct Read<'a>(&'a Value);

impl<'a> Read<'a> {
    /// A trade whose id, price, size and conditions have these names.
    fn trade(&self, [id, price, size, conditions]: [&str; 4]) -> Result<Trade, String> {
        let size_is = self.0[size].as_u64().and_then(|size| u32::try_from(size).ok());
        let words = self.0[conditions].as_array().into_iter().flatten();
        let words: Vec<&'static str> = words
            .filter_map(Value::as_str)
            .map(word)
            .collect::<Result<_, _>>()?;
        Ok(Trade {
            symbol: self.symbol()?,
            id: self.0[id].as_u64().ok_or_else(|| self.without(id))?,
            exchange: word(self.0["x"].as_str().unwrap_or_default())?,
            price: self.number(price)?,
            size: size_is.ok_or_else(|| self.without(size))?,
            conditions: list(&words)?,
            tape: word(self.0["z"].as_str().unwrap_or_default())?,
            at: self.at()?,
        })
    }

    fn quote(&self) -> Result<Quote, String> {
        let lots = |name| self.0[name].as_u64().and_then(|lots| u32::try_from(lots).ok());
        Ok(Quote {
            symbol: self.symbol()?,
            exchange: word(self.0["bx"].as_str().unwrap_or_default())?,
            bid: self.number("bp")?,
            ask: self.number("ap")?,
            bid_size: lots("bs").unwrap_or_default(),
            ask_size: lots("as").unwrap_or_default(),
            tape: word(self.0["z"].as_str().unwrap_or_default())?,
            at: self.at()?,
        })
    }

    fn bar(&self) -> Result<Bar, String> {
        Ok(Bar {
            symbol: self.symbol()?,
            open: self.number("o")?,
            high: self.number("h")?,
            low: self.number("l")?,
            close: self.number("c")?,
            volume: self.0["v"].as_u64().ok_or_else(|| self.without("v"))?,
            count: self.0["n"].as_u64().unwrap_or_default(),
            mean: self.0["vw"].as_f64().unwrap_or_default(),
            at: self.at()?,
        })
    }

    fn symbol(&self) -> Result<Arc<str>, String> {
        self.text("S").map(Arc::from)
    }

    fn at(&self) -> Result<Timestamp, String> {
        let text = self.text("t")?;
        text.parse().map_err(|error| format!("t is {text:?}: {error}"))
    }

    fn number(&self, name: &str) -> Result<f64, String> {
        self.0[name].as_f64().ok_or_else(|| self.without(name))
    }

    fn text(&self, name: &str) -> Result<&'a str, String> {
        self.0[name].as_str().ok_or_else(|| self.without(name))
    }

    fn without(&self, name: &str) -> String {
        format!(
            "{} without a usable {name}",
            self.0["T"].as_str().unwrap_or_default()
        )
    }
}

/// The same text for as long as the process lives: there are few different ones, and what is made up
/// has such texts too.
fn word(text: &str) -> Result<&'static str, String> {
    static WORDS: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut words = WORDS.lock().unwrap_or_else(PoisonError::into_inner);
    let words = words.get_or_insert_default();
    if let Some(known) = words.get(text) {
        return Ok(known);
    }
    if words.len() >= MOST_WORDS {
        return Err(format!(
            "more than {MOST_WORDS} different exchanges, tapes and conditions"
        ));
    }
    let leaked: &'static str = Box::leak(text.to_owned().into_boxed_str());
    words.insert(leaked);
    Ok(leaked)
}

fn list(words: &[&'static str]) -> Result<&'static [&'static str], String> {
    static LISTS: Mutex<Option<HashSet<&'static [&'static str]>>> = Mutex::new(None);
    let mut lists = LISTS.lock().unwrap_or_else(PoisonError::into_inner);
    let lists = lists.get_or_insert_default();
    if let Some(known) = lists.get(words) {
        return Ok(known);
    }
    if lists.len() >= MOST_WORDS {
        return Err(format!("more than {MOST_WORDS} different lists of conditions"));
    }
    let leaked: &'static [&'static str] = Box::leak(words.to_vec().into_boxed_slice());
    lists.insert(leaked);
    Ok(leaked)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::item;
    use crate::codec::Codec;

    #[test]
    fn what_is_read_is_told_as_it_was() {
        for message in [
            json!({"T":"t","S":"AAPL","i":628,"x":"K","p":162.92,"s":3,"c":["@","F","T","I"],"z":"C","t":"2023-04-06T11:54:26.838232225Z"}),
            json!({"T":"b","S":"SPY","o":388.985,"h":389.13,"l":388.975,"c":389.12,"v":49378,"t":"2021-02-22T19:15:00Z","n":461,"vw":389.062639}),
        ] {
            let read = item(&message).expect("well formed").expect("data");
            let told = Codec::Json.items(&[read]).into_text().expect("text");
            let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
            assert_eq!(told[0], message);
        }
        let control = json!({"T":"subscription","trades":["A"]});
        assert!(item(&control).expect("known").is_none());
        assert!(
            item(&json!({"T":"zz"}))
                .expect_err("unknown")
                .contains("cannot be played")
        );
    }

    #[test]
    fn halts_corrections_and_cancels_are_read() {
        for message in [
            json!({"T":"s","S":"A","sc":"H","sm":"Trading Halt","rc":"T12","rm":"x","t":"2021-02-22T19:15:00Z","z":"C"}),
            json!({"T":"c","S":"A","x":"M","oi":5,"op":39.1,"os":44,"oc":[" "],"ci":6,"cp":39.2,"cs":44,"cc":[" "],"z":"B","t":"2023-04-06T14:25:06.5Z"}),
            json!({"T":"x","S":"A","i":465,"x":"D","p":105.31,"s":300,"a":"C","z":"C","t":"2023-04-06T13:15:42.8Z"}),
        ] {
            let read = item(&message).expect("well formed").expect("data");
            let told = Codec::Json.items(&[read]).into_text().expect("text");
            let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
            assert_eq!(told[0]["T"], message["T"]);
        }
    }
}
