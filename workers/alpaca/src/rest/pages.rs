//! Past trades, page after page: what a stream missed while it was not connected.
//!
//! <https://docs.alpaca.markets/reference/stocktrades-1>. Pages go symbol after symbol, and within a
//! symbol by time; the rate limit is kept by waiting as long as the server asks.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use hyper::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::target::{Target, symbols};
use super::{Rest, in_words};
use crate::wire::past_trade;
use crate::{Credentials, Trade};

/// The most that Alpaca puts into a page.
const PAGE: usize = 10_000;
/// Symbols per question, so that its address stays short.
const SYMBOLS: usize = 200;
/// Pages that may wait to be taken.
const QUEUE: usize = 4;
/// Trouble without a word about when it is over is tried again this often, after a wait that doubles.
const TRIES: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// What is not there by then is given up: a gap that is told beats one that is still being filled.
const IN_ALL: Duration = Duration::from_secs(60);

/// Past trades being fetched. Its drop gives up.
#[derive(Debug)]
pub struct Backfill(mpsc::Receiver<Page>);

/// What became of a question for past trades.
#[derive(Clone, Debug, PartialEq)]
pub enum Page {
    /// Some of them: symbol after symbol, each in the order in which they were made.
    Trades(Vec<Trade>),
    /// That was all.
    Done,
    /// The rest cannot be had; one sentence.
    Failed(String),
}

impl Backfill {
    /// The next part; after `Done` or `Failed` there is none. Cancel-safe.
    pub async fn next(&mut self) -> Page {
        let ended = || Page::Failed("the connection was closed".into());
        self.0.recv().await.unwrap_or_else(ended)
    }

    /// One that fails for this reason.
    pub(crate) fn failed(why: &str) -> Self {
        let (sender, pages) = mpsc::channel(1);
        // There is room for one.
        let _ = sender.try_send(Page::Failed(why.to_owned()));
        Self(pages)
    }
}

/// Where past trades of a stream's feed can be asked for, and as whom.
#[derive(Clone, Debug)]
pub(crate) struct PastTrades {
    target: Target,
    rest: Rest,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    trades: Option<BTreeMap<String, Vec<&'a RawValue>>>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
}

impl PastTrades {
    /// Beside a data URL; `None` where there is no such endpoint.
    pub(crate) fn beside(url: &str, credentials: &Credentials) -> Option<Self> {
        let target = Target::beside(url)?;
        let rest = Rest::new(target.origin.clone(), credentials);
        Some(Self { target, rest })
    }

    /// Fetches the trades of these symbols between these times, both included, in a task of its own.
    pub(crate) fn fetch(self, symbols: Vec<String>, start: SystemTime, end: SystemTime) -> Backfill {
        let (sender, pages) = mpsc::channel(QUEUE);
        tokio::spawn(async move {
            let last = match self.all(symbols, start, end, &sender).await {
                Ok(()) => Page::Done,
                Err(why) => Page::Failed(why),
            };
            // Who no longer waits need not know.
            let _ = sender.send(last).await;
        });
        Backfill(pages)
    }

    async fn all(
        &self,
        mut all: Vec<String>,
        start: SystemTime,
        end: SystemTime,
        sender: &mpsc::Sender<Page>,
    ) -> Result<(), String> {
        let deadline = Instant::now() + IN_ALL;
        let time = |at| Timestamp::try_from(at).map_err(in_words);
        let span = format!("start={}&end={}", time(start)?, time(end)?);
        all.sort_unstable();
        for some in all.chunks(SYMBOLS) {
            let mut token = String::new();
            loop {
                let fields = [symbols(some), span.clone(), format!("limit={PAGE}"), token];
                let target = self.target.endpoint("trades", &fields);
                let (trades, next) = self.page(&target, deadline).await?;
                if !trades.is_empty() && sender.send(Page::Trades(trades)).await.is_err() {
                    return Err("nobody waits for it any more".into());
                }
                match next {
                    Some(next) => token = format!("page_token={}", escaped(&next)),
                    None => break,
                }
            }
        }
        Ok(())
    }

    /// One page, asked for again when the rate limit or a moment's trouble says so.
    async fn page(&self, target: &str, deadline: Instant) -> Result<(Vec<Trade>, Option<String>), String> {
        let mut tries = 0;
        loop {
            tries += 1;
            let (why, wait) = match self.rest.get(target).await {
                Ok(answer) if answer.status == StatusCode::OK => {
                    let page = read(&answer.body)?;
                    if let (Some(wait), Some(_)) = (answer.wait, &page.1) {
                        pause(wait, deadline, "the rate limit is reached").await?;
                    }
                    return Ok(page);
                }
                Ok(answer) if answer.status.is_client_error() && answer.wait.is_none() => {
                    let said = serde_json::from_slice::<Refusal>(&answer.body);
                    let said = said.map_or_else(|_| String::new(), |said| format!(": {}", said.message));
                    return Err(format!("HTTP {}{said}", answer.status));
                }
                Ok(answer) => (format!("HTTP {}", answer.status), answer.wait),
                Err(why) => (why, None),
            };
            if wait.is_none() && tries >= TRIES {
                return Err(why);
            }
            let patience = FIRST_WAIT * 2_u32.pow(tries.min(TRIES) - 1);
            pause(wait.unwrap_or(patience), deadline, &why).await?;
        }
    }
}

async fn pause(wait: Duration, deadline: Instant, why: &str) -> Result<(), String> {
    if Instant::now() + wait >= deadline {
        return Err(format!(
            "{why}, and no answer within {} s in all",
            IN_ALL.as_secs()
        ));
    }
    sleep(wait).await;
    Ok(())
}

/// The trades of a page, in its order, and the way to the next.
fn read(body: &[u8]) -> Result<(Vec<Trade>, Option<String>), String> {
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(in_words)?;
    let mut trades = Vec::new();
    for (symbol, told) in answer.trades.unwrap_or_default() {
        for one in told {
            let trade = past_trade(&symbol, one.get());
            trades.push(trade.ok_or_else(|| format!("not a trade: {}", one.get()))?);
        }
    }
    let next = answer.next_page_token.filter(|token| !token.is_empty());
    Ok((trades, next))
}

/// Tokens are Base64 at Alpaca.
fn escaped(token: &str) -> String {
    let mut text = String::new();
    for byte in token.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => text.push(byte.into()),
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{escaped, read};

    #[test]
    fn a_page_is_read_in_its_order() {
        let body = br#"{"trades":{"AAPL":[{"t":"2025-10-08T14:29:00Z","x":"V","p":162.920,"s":3,"c":["@"],"i":7,"z":"C"}],
            "BTC/USD":[{"t":"2025-10-08T14:29:00Z","p":1.5,"s":0.25,"i":8,"tks":"S"}]},"next_page_token":"QUFQTHw="}"#;
        let (trades, next) = read(body).expect("a page");
        assert_eq!(next.as_deref(), Some("QUFQTHw="));
        let told: Vec<_> = trades
            .iter()
            .map(|t| (t.symbol.as_str(), t.id, t.price.as_str()))
            .collect();
        assert_eq!(told, [("AAPL", 7, "162.920"), ("BTC/USD", 8, "1.5")]);
        assert_eq!(trades[1].taker, "S");
    }

    #[test]
    fn an_empty_answer_is_the_end_and_nonsense_is_an_error() {
        assert_eq!(
            read(br#"{"trades":null,"next_page_token":null}"#),
            Ok((vec![], None))
        );
        assert!(read(b"hello").is_err());
        assert!(read(br#"{"trades":{"A":[{"t":1}]}}"#).is_err());
    }

    #[test]
    fn tokens_are_escaped() {
        assert_eq!(escaped("QUFQ+/w=:1"), "QUFQ%2B%2Fw%3D%3A1");
    }
}
