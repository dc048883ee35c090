//! Random faults, one after the other.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::account::Account;
use crate::clients::http;

/// The name, the order, and for how many seconds it lasts; zero for a moment.
const FAULTS: [(&str, &str, u64); 23] = [
    ("dropped without a Close", r#"{"blow":"drop"}"#, 0),
    ("closed", r#"{"blow":"close"}"#, 0),
    ("407 slow client", r#"{"blow":"slow_client"}"#, 0),
    ("500 internal error", r#"{"blow":"internal_error"}"#, 0),
    ("unreadable messages", r#"{"blow":"garbage"}"#, 0),
    ("restart, 0.5 s", r#"{"restart_ms":500}"#, 0),
    ("restart, 3 s", r#"{"restart_ms":3000}"#, 0),
    ("silent with TCP open", r#"{"faults":{"silent":["*"]}}"#, 4),
    ("this connection mute", r#"{"blow":"mute"}"#, 4),
    ("one symbol silent", r#"{"faults":{"silent":["AAPL"]}}"#, 5),
    ("two symbols silent", r#"{"faults":{"silent":["SPY","TSLA"]}}"#, 5),
    ("black hole", r#"{"faults":{"black_hole":true}}"#, 6),
    ("slow, 20 ms a message", r#"{"faults":{"delay_ms":20}}"#, 4),
    ("duplicates", r#"{"faults":{"duplicates":0.2}}"#, 4),
    ("out of order", r#"{"faults":{"disorder":0.2}}"#, 4),
    (
        "duplicates out of order, and a drop",
        r#"{"blow":"drop","faults":{"duplicates":0.2,"disorder":0.2}}"#,
        4,
    ),
    (
        "corrections and cancels",
        r#"{"faults":{"corrections":0.1,"cancels":0.1}}"#,
        3,
    ),
    (
        "drop, place lingers: 406",
        r#"{"blow":"drop","faults":{"linger_s":4}}"#,
        2,
    ),
    (
        "drop, 429 at the upgrade",
        r#"{"blow":"drop","faults":{"refuse_upgrade":429}}"#,
        3,
    ),
    (
        "drop, no answer to requests",
        r#"{"blow":"drop","faults":{"no_answer":true}}"#,
        3,
    ),
    (
        "drop, REST refuses with 429",
        r#"{"blow":"drop","faults":{"refuse_rest":429}}"#,
        3,
    ),
    (
        "drop, REST refuses with 403",
        r#"{"blow":"drop","faults":{"refuse_rest":403}}"#,
        3,
    ),
    (
        "drop, REST refuses with 500",
        r#"{"blow":"drop","faults":{"refuse_rest":500}}"#,
        5,
    ),
];

/// Strikes, unless it is calm, until it is told to stop; how often each was struck.
pub async fn strike(
    sim: u16,
    is_calm: bool,
    account: Arc<Account>,
    mut stopped: watch::Receiver<bool>,
) -> BTreeMap<&'static str, u64> {
    let mut struck = BTreeMap::new();
    let mut left: Vec<usize> = Vec::new();
    if is_calm {
        let _ = stopped.wait_for(|stopped| *stopped).await;
        return struck;
    }
    loop {
        if left.is_empty() {
            left = (0..FAULTS.len()).collect();
        }
        let (name, order, seconds) = FAULTS[left.swap_remove(random(left.len() as u64) as usize)];
        *struck.entry(name).or_default() += 1;
        account.struck(name);
        http(sim, "POST", "/control", order).await;
        // Also at the end: half a fault would be a shorter one than any that can be told from chance.
        sleep(Duration::from_secs(seconds)).await;
        http(sim, "POST", "/control", r#"{"faults":{}}"#).await;
        let pause = Duration::from_millis(4000 + random(8000));
        if over(&mut stopped, pause).await {
            return struck;
        }
    }
}

async fn over(stopped: &mut watch::Receiver<bool>, pause: Duration) -> bool {
    tokio::select! {
        _ = stopped.wait_for(|stopped| *stopped) => true,
        () = sleep(pause) => false,
    }
}

fn random(bound: u64) -> u64 {
    RandomState::new().hash_one(()) % bound
}
