//! Passes events on to those who listen, none of whom can hold up the connection.

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::Event;

/// Places in each queue that trades leave free, so that a change of state still fits when a
/// receiver is too slow for the trades.
const RESERVED: usize = 256;

/// Every receiver of a connection's events.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    senders: Vec<mpsc::Sender<Event>>,
    dropped_trades: u64,
}

impl Listeners {
    pub(crate) fn add(&mut self, sender: mpsc::Sender<Event>) {
        self.senders.push(sender);
    }

    /// Trades dropped so far because a receiver was too slow.
    pub(crate) fn dropped_trades(&self) -> u64 {
        self.dropped_trades
    }

    /// Passes an event on. A receiver without room loses trades; one without room even for the
    /// rest is cut off.
    pub(crate) fn tell(&mut self, event: Event) {
        let Self {
            senders,
            dropped_trades,
        } = self;
        let mut event = Some(event);
        let mut left = senders.len();
        senders.retain(|sender| {
            left -= 1;
            // The last one gets the event itself, so that one receiver costs no copy.
            let copy = if left == 0 { event.take() } else { event.clone() };
            copy.is_none_or(|event| pass(sender, event, dropped_trades))
        });
    }
}

/// Whether the receiver is still to be told.
fn pass(sender: &mpsc::Sender<Event>, event: Event, dropped: &mut u64) -> bool {
    match &event {
        Event::Trades(trades) if sender.capacity() <= RESERVED => {
            *dropped += trades.len() as u64;
            !sender.is_closed()
        }
        Event::Trades(_)
        | Event::Data(_)
        | Event::Connected
        | Event::Disconnected { .. }
        | Event::Subscribed { .. }
        | Event::Muted { .. }
        | Event::Paused { .. }
        | Event::Doubted { .. }
        | Event::Refused { .. }
        | Event::Fatal { .. } => match sender.try_send(event) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::sync::mpsc;

    use super::{Listeners, RESERVED};
    use crate::{Batch, Event, wire};

    fn trades() -> Event {
        let frame =
            wire::decode(br#"[{"T":"t","S":"A","p":1,"s":1,"t":"x"},{"T":"t","S":"A","p":1,"s":1,"t":"x"}]"#);
        Event::Trades(Batch {
            received: Instant::now(),
            trades: frame.trades,
        })
    }

    #[test]
    fn a_slow_receiver_loses_trades_but_no_change_of_state_and_harms_no_other() {
        let mut listeners = Listeners::default();
        let (slow, mut slow_queue) = mpsc::channel(RESERVED + 1);
        let (quick, mut quick_queue) = mpsc::channel(RESERVED + 10);
        listeners.add(slow);
        listeners.add(quick);
        let told = trades();
        for _ in 0..3 {
            listeners.tell(told.clone());
        }
        listeners.tell(Event::Connected);
        assert_eq!(listeners.dropped_trades(), 4);
        assert_eq!(slow_queue.len(), 2);
        assert_eq!(quick_queue.len(), 4);
        assert_eq!(slow_queue.try_recv(), Ok(told.clone()));
        assert_eq!(slow_queue.try_recv(), Ok(Event::Connected));
        assert_eq!(quick_queue.try_recv(), Ok(told));
    }

    #[test]
    fn a_receiver_that_does_not_read_at_all_is_cut_off() {
        let mut listeners = Listeners::default();
        let (sender, mut queue) = mpsc::channel(2);
        listeners.add(sender);
        for _ in 0..3 {
            listeners.tell(Event::Connected);
        }
        assert_eq!(queue.try_recv(), Ok(Event::Connected));
        assert_eq!(queue.try_recv(), Ok(Event::Connected));
        assert_eq!(queue.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    }
}
