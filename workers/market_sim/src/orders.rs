//! Orders and what becomes of them: enough of Alpaca's trading API for its clients to see updates.
//!
//! Market orders are filled at once, in two parts; all others rest until they are cancelled. Positions
//! and money are not kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::broadcast;

/// Updates that a listener may be behind with.
const BEHIND: usize = 4096;
/// Orders that are kept; the oldest go first.
const KEPT: usize = 1000;

/// All orders, and those who listen for updates.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    updates: broadcast::Sender<Arc<str>>,
    book: Arc<Mutex<Book>>,
}

#[derive(Debug, Default)]
struct Book {
    made: u64,
    orders: Vec<Map<String, Value>>,
}

impl Orders {
    pub(crate) fn new() -> Self {
        Self {
            updates: broadcast::Sender::new(BEHIND),
            book: Arc::default(),
        }
    }

    /// Updates from now on, each as the text of `data`.
    pub(crate) fn updates(&self) -> broadcast::Receiver<Arc<str>> {
        self.updates.subscribe()
    }

    /// Takes an order at this price of the market; the error is for the client.
    pub(crate) fn place(&self, asked: &Value, price: f64, now: Timestamp) -> Result<Value, String> {
        let text = |name: &str| asked[name].as_str().map(str::to_owned);
        let symbol = text("symbol").ok_or("symbol is required")?;
        let kind = text("type").unwrap_or_else(|| "market".into());
        let side = text("side").filter(|side| side == "buy" || side == "sell");
        let side = side.ok_or("side must be buy or sell")?;
        let qty: f64 = match &asked["qty"] {
            Value::String(text) => text.parse().map_err(|_| "qty must be a number")?,
            Value::Number(number) => number.as_f64().unwrap_or_default(),
            _ => return Err("qty is required".into()),
        };
        let mut book = self.lock();
        book.made += 1;
        let made = book.made;
        let at = now.to_string();
        let mut order = json!({
            "id": id(made), "client_order_id": text("client_order_id").unwrap_or_else(|| id(made)),
            "created_at": at, "updated_at": at, "submitted_at": at, "filled_at": null, "expired_at": null,
            "canceled_at": null, "failed_at": null, "replaced_at": null, "replaced_by": null, "replaces": null,
            "asset_id": id(u64::from(symbol.len() as u32)), "symbol": symbol, "asset_class": "us_equity", "notional": null,
            "qty": qty.to_string(), "filled_qty": "0", "filled_avg_price": null, "order_class": "",
            "order_type": kind, "type": kind, "side": side,
            "time_in_force": text("time_in_force").unwrap_or_else(|| "day".into()),
            "limit_price": asked["limit_price"], "stop_price": asked["stop_price"], "status": "new",
            "extended_hours": false, "legs": null, "trail_percent": null, "trail_price": null, "hwm": null,
        });
        self.tell("new", &order, &at, None);
        if kind == "market" {
            order["status"] = "partially_filled".into();
            order["filled_qty"] = (qty / 2.0).to_string().into();
            order["filled_avg_price"] = price.to_string().into();
            self.tell("partial_fill", &order, &at, Some((qty / 2.0, price)));
            order["status"] = "filled".into();
            order["filled_qty"] = qty.to_string().into();
            order["filled_at"] = at.as_str().into();
            self.tell("fill", &order, &at, Some((qty / 2.0, price)));
        }
        if let Value::Object(fields) = &order {
            book.orders.push(fields.clone());
        }
        if book.orders.len() > KEPT {
            book.orders.remove(0);
        }
        Ok(order)
    }

    /// Cancels an order that still rests; whether there was one.
    pub(crate) fn cancel(&self, id: &str, now: Timestamp) -> bool {
        let at = now.to_string();
        let mut book = self.lock();
        let resting = |order: &&mut Map<String, Value>| order["id"] == id && order["status"] == "new";
        let Some(order) = book.orders.iter_mut().find(resting) else {
            return false;
        };
        order.insert("status".into(), "canceled".into());
        order.insert("canceled_at".into(), at.as_str().into());
        self.tell("canceled", &Value::Object(order.clone()), &at, None);
        true
    }

    /// All of them, the newest first.
    pub(crate) fn list(&self) -> Vec<Value> {
        let book = self.lock();
        book.orders.iter().rev().cloned().map(Value::Object).collect()
    }

    fn tell(&self, event: &str, order: &Value, at: &str, fill: Option<(f64, f64)>) {
        let mut update = json!({"event": event, "timestamp": at, "order": order});
        if let Some((qty, price)) = fill {
            update["qty"] = qty.to_string().into();
            update["price"] = price.to_string().into();
            update["position_qty"] = order["filled_qty"].clone();
            update["execution_id"] = id(0xe000 + price as u64).into();
        }
        // Nobody may listen.
        let _ = self.updates.send(update.to_string().into());
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An id as Alpaca's look.
fn id(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::Orders;

    #[test]
    fn market_orders_are_filled_and_others_rest_until_cancelled() {
        let orders = Orders::new();
        let mut updates = orders.updates();
        let mut event = || {
            let text = updates.try_recv().expect("an update");
            serde_json::from_str::<Value>(&text).expect("JSON")["event"].clone()
        };
        let asked = json!({"symbol":"AAPL","qty":"10","side":"buy","type":"market"});
        let order = orders.place(&asked, 150.5, Timestamp::UNIX_EPOCH).expect("taken");
        assert_eq!(
            (&order["status"], &order["filled_qty"]),
            (&json!("filled"), &json!("10"))
        );
        assert_eq!([event(), event(), event()], ["new", "partial_fill", "fill"]);
        let asked = json!({"symbol":"AAPL","qty":1,"side":"sell","type":"limit","limit_price":"200"});
        let resting = orders.place(&asked, 150.5, Timestamp::UNIX_EPOCH).expect("taken");
        let id = resting["id"].as_str().expect("an id");
        assert!(orders.cancel(id, Timestamp::UNIX_EPOCH) && !orders.cancel(id, Timestamp::UNIX_EPOCH));
        assert_eq!([event(), event()], ["new", "canceled"]);
        assert_eq!(orders.list().len(), 2);
        assert!(
            orders
                .place(&json!({"symbol":"AAPL","side":"buy"}), 1.0, Timestamp::UNIX_EPOCH)
                .is_err()
        );
    }
}
