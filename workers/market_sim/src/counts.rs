//! What the simulator counts, for `GET /metrics`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ws_listener::Metrics;

use crate::feed::Feed;
use crate::peer::{Answer, Reply};

/// Counts of one simulator; a clone counts the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts(Arc<All>);

#[derive(Debug, Default)]
struct All {
    opened: AtomicU64,
    logins: AtomicU64,
    sent: AtomicU64,
    messages: AtomicU64,
    open: Mutex<BTreeMap<&'static str, (u64, u64)>>,
    errors: Mutex<BTreeMap<u16, u64>>,
    refused: Mutex<BTreeMap<u16, u64>>,
}

/// A connection that is open; its drop is the end of it.
#[derive(Debug)]
pub(crate) struct Open {
    counts: Counts,
    endpoint: &'static str,
}

impl Counts {
    /// A connection to this feed, or to the orders.
    pub(crate) fn open(&self, feed: Option<Feed>) -> Open {
        self.0.opened.fetch_add(1, Ordering::Relaxed);
        let endpoint = feed.map_or("orders", Feed::name);
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, most) = open.entry(endpoint).or_default();
        *now += 1;
        *most = (*most).max(*now);
        drop(open);
        Open {
            counts: self.clone(),
            endpoint,
        }
    }

    /// What is about to be said.
    pub(crate) fn reply(&self, reply: &Reply) {
        match reply {
            Reply::Say(Answer::Error(failure)) => {
                let mut errors = self.0.errors.lock().unwrap_or_else(PoisonError::into_inner);
                *errors.entry(failure.code).or_default() += 1;
            }
            Reply::Say(Answer::Success(success)) if success.msg == "authenticated" => {
                self.0.logins.fetch_add(1, Ordering::Relaxed);
            }
            Reply::Say(Answer::Success(_) | Answer::Subscription(_)) | Reply::Watch(_) | Reply::HangUp => {}
        }
    }

    /// A request that was refused before it became a connection.
    pub(crate) fn refused(&self, status: u16) {
        let mut refused = self.0.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *refused.entry(status).or_default() += 1;
    }

    /// A message with so many trades and other data has been sent.
    pub(crate) fn sent(&self, items: usize) {
        self.0.messages.fetch_add(1, Ordering::Relaxed);
        self.0.sent.fetch_add(items as u64, Ordering::Relaxed);
    }

    /// Prometheus' text; `made`: trades so far.
    pub(crate) fn text(&self, made: u64) -> String {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let All {
            opened,
            logins,
            sent,
            messages,
            open,
            errors: _,
            refused: _,
        } = &*self.0;
        let mut all = Metrics::default();
        for (name, help, count) in [
            ("market_sim_connections_total", "Connections opened.", of(opened)),
            (
                "market_sim_logins_total",
                "Connections authenticated.",
                of(logins),
            ),
            ("market_sim_trades_made_total", "Trades made or played.", made),
            (
                "market_sim_messages_out_total",
                "Messages of data sent.",
                of(messages),
            ),
            (
                "market_sim_items_out_total",
                "Trades and other data sent.",
                of(sent),
            ),
        ] {
            all.counter(name, help, count);
        }
        let open = open.lock().unwrap_or_else(PoisonError::into_inner);
        let now: Vec<_> = open.iter().map(|(feed, (now, _))| (*feed, *now)).collect();
        let most: Vec<_> = open.iter().map(|(feed, (_, most))| (*feed, *most)).collect();
        drop(open);
        all.gauges("market_sim_open", "Connections open now.", "endpoint", &now);
        let help = "The most connections that were open at a time.";
        all.gauges("market_sim_most_open", help, "endpoint", &most);
        self.failures(&mut all);
        all.text().to_owned()
    }

    /// What was told as an error or refused, by its code.
    fn failures(&self, all: &mut Metrics) {
        let All { errors, refused, .. } = &*self.0;
        for (name, help, label, counts) in [
            (
                "market_sim_errors_total",
                "Errors told, by Alpaca's code.",
                "code",
                errors,
            ),
            (
                "market_sim_refused_total",
                "Connection requests refused.",
                "status",
                refused,
            ),
        ] {
            let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
            let named: Vec<_> = counts
                .iter()
                .map(|(code, count)| (code.to_string(), *count))
                .collect();
            let named: Vec<_> = named
                .iter()
                .map(|(code, count)| (code.as_str(), *count))
                .collect();
            all.counters(name, help, label, &named);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut open = self.counts.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((now, _)) = open.get_mut(self.endpoint) {
            *now -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;
    use crate::feed::Feed;

    #[test]
    fn the_most_at_a_time_is_remembered() {
        let counts = Counts::default();
        let (one, two) = (counts.open(Some(Feed::Iex)), counts.open(Some(Feed::Iex)));
        drop((one, two));
        drop(counts.open(Some(Feed::Iex)));
        counts.refused(429);
        let text = counts.text(7);
        for line in [
            "market_sim_connections_total 3",
            "market_sim_open{endpoint=\"iex\"} 0",
            "market_sim_most_open{endpoint=\"iex\"} 2",
            "market_sim_refused_total{status=\"429\"} 1",
            "market_sim_trades_made_total 7",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}: {text}");
        }
    }
}
