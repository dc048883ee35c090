//! Alpaca's own protocol downstream: a program with an official SDK shares the one connection.

mod common;

use common::alpaca::{Alpaca, trade};
use common::{Client, Stream, code};
use serde_json::{Value, json};
use ws_listener::Tokens;

const AUTH: &str = r#"{"action":"auth","key":"any","secret":"open-sesame"}"#;

fn error(code: u16, msg: &str) -> Value {
    json!([{"T":"error","code":code,"msg":msg}])
}

fn subscription(trades: &[&str]) -> Value {
    json!([{"T":"subscription","trades":trades,"quotes":[],"bars":[],"updatedBars":[],"dailyBars":[],
        "statuses":[],"lulds":[],"corrections":trades,"cancelErrors":trades}])
}

async fn authenticated(stream: &Stream) -> Client {
    let mut bot = stream.bot("iex").await;
    assert_eq!(bot.hear().await, json!([{"T":"success","msg":"connected"}]));
    assert_eq!(
        bot.ask(AUTH).await,
        json!([{"T":"success","msg":"authenticated"}])
    );
    bot
}

#[tokio::test]
async fn a_bot_and_a_browser_share_one_upstream_and_each_is_spoken_to_in_its_own_way() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::start(alpaca.address).await;
    let mut browser = stream.client().await;
    browser.subscribe(&alpaca, "AAPL").await;
    let mut bot = authenticated(&stream).await;
    assert_eq!(
        bot.ask(r#"{"action":"subscribe","trades":["AAPL","TSLA"],"quotes":[]}"#)
            .await,
        subscription(&["AAPL", "TSLA"])
    );
    alpaca.subscribed(&["AAPL", "TSLA"]).await;
    alpaca.send(json!([trade("AAPL", 7)]));
    assert_eq!(bot.hear().await, json!([trade("AAPL", 7)]), "as Alpaca sent it");
    assert_eq!(browser.hear().await["type"], "trade");
    assert_eq!(
        bot.ask(r#"{"action":"unsubscribe","trades":["AAPL"]}"#).await,
        subscription(&["TSLA"])
    );
    assert_eq!(alpaca.seen().connections, 1);
}

#[tokio::test]
async fn requests_are_refused_with_alpacas_codes() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::with(alpaca.address, |settings| settings.max_symbols = 1).await;
    let mut bot = stream.bot("iex").await;
    bot.hear().await;
    let subscribe = r#"{"action":"subscribe","trades":["AAPL"]}"#;
    assert_eq!(bot.ask(subscribe).await, error(401, "not authenticated"));
    bot.ask(AUTH).await;
    for (request, refusal) in [
        (AUTH, error(403, "already authenticated")),
        ("hello", error(400, "invalid syntax")),
        (
            r#"{"action":"subscribe","trades":["*"]}"#,
            error(400, "invalid syntax"),
        ),
        (
            r#"{"action":"subscribe","trades":"AAPL"}"#,
            error(400, "invalid syntax"),
        ),
        (
            r#"{"action":"subscribe","imbalances":["AAPL"]}"#,
            error(410, "invalid subscribe action for this feed"),
        ),
        (
            r#"{"action":"subscribe","trades":["A","B"]}"#,
            error(405, "symbol limit exceeded"),
        ),
    ] {
        assert_eq!(bot.ask(request).await, refusal, "{request}");
    }
    assert_eq!(bot.ask(subscribe).await, subscription(&["AAPL"]), "still usable");
}

#[tokio::test]
async fn strangers_and_those_who_want_another_feed_are_told_and_closed() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::with(alpaca.address, |settings| {
        settings.door.tokens = Tokens::parse("open-sesame");
    })
    .await;
    let mut stranger = stream.bot("iex").await;
    stranger.hear().await;
    let refusal = stranger
        .ask(r#"{"action":"auth","key":"any","secret":"guessed"}"#)
        .await;
    assert_eq!(refusal, error(402, "auth failed"));
    assert_eq!(code(&stranger.expect_close().await), 1008);
    let mut elsewhere = stream.bot("sip").await;
    elsewhere.hear().await;
    assert_eq!(elsewhere.ask(AUTH).await, error(409, "insufficient subscription"));
    authenticated(&stream).await;
}

#[tokio::test]
async fn a_symbol_that_alpaca_refuses_is_refused_in_alpacas_words() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::start(alpaca.address).await;
    let mut bot = authenticated(&stream).await;
    bot.ask(r#"{"action":"subscribe","trades":["REFUSED"]}"#).await;
    assert_eq!(bot.hear().await, error(400, "invalid syntax"));
}

#[tokio::test]
async fn channels_reach_bots_as_alpaca_sent_them_and_browsers_in_words() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::start(alpaca.address).await;
    let mut bot = authenticated(&stream).await;
    let subscribed = bot
        .ask(r#"{"action":"subscribe","trades":["AAPL"],"quotes":["AAPL"],"bars":["SPY"]}"#)
        .await;
    assert_eq!(
        (
            &subscribed[0]["quotes"],
            &subscribed[0]["bars"],
            &subscribed[0]["cancelErrors"]
        ),
        (&json!(["AAPL"]), &json!(["SPY"]), &json!(["AAPL"]))
    );
    let mut browser = stream.client().await;
    browser
        .say(r#"{"action":"subscribe","symbol":"AAPL","channels":["quotes","corrections"]}"#)
        .await;
    let told = browser.hear_all().await;
    let channels: Vec<&Value> = told
        .iter()
        .filter(|m| m["type"] == "subscribed")
        .map(|m| &m["channel"])
        .collect();
    assert_eq!(channels, [&json!("quotes"), &json!("corrections")], "{told:?}");
    alpaca
        .saw("all channels", |seen| seen.trades.contains("AAPL"))
        .await;
    let quote = json!({"T":"q","S":"AAPL","bx":"U","bp":87.66,"bs":1,"ax":"Q","ap":87.68,"as":4,
        "c":["R"],"z":"C","t":"2021-02-22T15:51:45.335689322Z"});
    let cancel = json!({"T":"x","S":"AAPL","i":9007199254740993_u64,"x":"D","p":105.31,"s":300,"a":"C",
        "z":"C","t":"2023-04-06T13:15:42.83540958Z"});
    alpaca.send(json!([quote, cancel]));
    assert_eq!(bot.hear().await, json!([quote]));
    assert_eq!(bot.hear().await, json!([cancel]));
    assert_eq!(
        browser.hear().await,
        json!({"type":"quote","symbol":"AAPL","data":{"bid_exchange":"MEMX","bid_price":87.66,"bid_size":1,
            "ask_exchange":"NASDAQ","ask_price":87.68,"ask_size":4,"conditions":["R"],"tape":"C",
            "timestamp":"2021-02-22T15:51:45.335689322Z"},"seq":1})
    );
    let cancelled = browser.hear().await;
    assert_eq!(
        (
            &cancelled["type"],
            &cancelled["data"]["id"],
            &cancelled["data"]["exchange"]
        ),
        (&json!("cancel"), &json!("9007199254740993"), &json!("FINRA ADF"))
    );
    alpaca.cut();
    let gaps = [browser.hear().await, browser.hear().await];
    for (gap, channel) in gaps.iter().zip(["corrections", "quotes"]) {
        assert_eq!((&gap["type"], &gap["channel"]), (&json!("gap"), &json!(channel)));
    }
}
