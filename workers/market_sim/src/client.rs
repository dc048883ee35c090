//! One connection from its request to its end.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tracing::debug;
use ws_listener::Stop;

use crate::Settings;
use crate::codec::Codec;
use crate::counts::{Counts, Open};
use crate::faults::{Blow, Faults, Trouble};
use crate::market::{Market, Seat};
use crate::orders::Orders;
use crate::peer::{Peer, Reply};
use crate::random::Random;
use crate::slots::Slots;
use crate::trade::Item;
use crate::trading;
use crate::upgrade::{self, Accepted, Visitor};

/// Alpaca gives a client this long to authenticate.
const AUTH_WITHIN: Duration = Duration::from_secs(10);
/// About the most trades in one array.
const LONGEST_ARRAY: usize = 1000;
/// A client that takes nothing for so long is cut.
const STALL: Duration = Duration::from_secs(10);
/// How long a Close of ours waits for the client's.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// What all connections share.
#[derive(Clone)]
pub(crate) struct House {
    pub(crate) market: Market,
    pub(crate) slots: Slots,
    pub(crate) orders: Orders,
    pub(crate) settings: Arc<Settings>,
    pub(crate) trouble: Trouble,
    pub(crate) counts: Counts,
    pub(crate) stop: Stop,
}

struct Client {
    socket: WebSocketStream<TcpStream>,
    codec: Codec,
    peer: Peer,
    seat: Seat,
    faults: watch::Receiver<Faults>,
    random: Random,
    counts: Counts,
    is_mute: bool,
    /// Until the client has gone, or knows that it may.
    open: Option<Open>,
}

/// Why a connection is closed from our side.
enum Farewell {
    Stopping,
    HangUp,
}

/// `Break` ends the connection: with a farewell, or, when there is no one left to tell, without.
type Flow = ControlFlow<Option<Farewell>>;

/// Serves one visitor until it leaves or is sent away.
pub(crate) async fn serve(house: House, stream: TcpStream) {
    if house.trouble.is_down() {
        return;
    }
    let visitor = match upgrade::accept(stream, &house).await {
        Some(Accepted::Data(visitor)) => *visitor,
        Some(Accepted::Orders(socket)) => return trading::serve(house, *socket).await,
        None => return,
    };
    let Visitor {
        socket,
        feed,
        codec,
        credentials,
    } = visitor;
    let (seat, trades) = house.market.enter(feed);
    let faults = house.trouble.standing();
    let open = Some(house.counts.open(Some(feed)));
    let peer = Peer::new(feed, house.settings, house.slots, faults.clone());
    let blows = house.trouble.blows();
    let mut client = Client {
        socket,
        codec,
        peer,
        seat,
        faults,
        random: Random::new(1),
        counts: house.counts,
        is_mute: false,
        open,
    };
    let greeting = client.peer.greet(credentials);
    let farewell = match client.perform(greeting).await {
        Flow::Continue(()) => client.converse(trades, blows, house.stop).await,
        Flow::Break(farewell) => farewell,
    };
    match farewell {
        Some(farewell) => client.close(&farewell).await,
        None => client.peer.abandon(),
    }
}

impl Client {
    async fn converse(
        &mut self,
        mut trades: mpsc::Receiver<Vec<Item>>,
        mut blows: broadcast::Receiver<Blow>,
        mut stop: Stop,
    ) -> Option<Farewell> {
        let auth_due = Instant::now() + AUTH_WITHIN;
        loop {
            if self.faults.borrow().black_hole {
                self.swallow(&mut blows, &mut stop).await?;
            }
            let flow = tokio::select! {
                () = stop.requested() => Flow::Break(Some(Farewell::Stopping)),
                () = sleep_until(auth_due), if !self.peer.is_authenticated() => {
                    self.perform(self.peer.too_late()).await
                }
                // Wakes the loop, so that it looks at what stands now.
                Ok(()) = self.faults.changed() => Flow::Continue(()),
                Ok(blow) = blows.recv() => self.suffer(blow).await,
                batch = trades.recv() => match batch {
                    Some(batch) => self.send_trades(batch, &mut trades).await,
                    None => self.perform(self.peer.too_slow()).await,
                },
                message = self.socket.next() => self.heard(message).await,
            };
            if let Flow::Break(farewell) = flow {
                return farewell;
            }
        }
    }

    /// Reads and writes nothing while connections are black holes; `None` ends this one.
    async fn swallow(&mut self, blows: &mut broadcast::Receiver<Blow>, stop: &mut Stop) -> Option<()> {
        let over = self.faults.wait_for(|faults| !faults.black_hole);
        tokio::select! {
            over = over => over.is_ok().then_some(()),
            () = stop.requested() => None,
            // Of all blows only the loss of the connection shows.
            () = lost(blows) => None,
        }
    }

    async fn suffer(&mut self, blow: Blow) -> Flow {
        match blow {
            Blow::Drop => Flow::Break(None),
            Blow::Close => Flow::Break(Some(Farewell::HangUp)),
            Blow::Garbage => {
                for garbage in [
                    Message::text("[{\"T\":\"t\",\"S\":"),
                    Message::binary(&b"\xc1\xff\x00"[..]),
                ] {
                    self.send(garbage).await?;
                }
                Flow::Continue(())
            }
            Blow::SlowClient => self.perform(self.peer.too_slow()).await,
            Blow::InternalError => self.perform(self.peer.broken()).await,
            Blow::Mute => {
                self.is_mute = true;
                Flow::Continue(())
            }
        }
    }

    async fn heard(&mut self, message: Option<Result<Message, Error>>) -> Flow {
        let bytes = match message {
            Some(Ok(Message::Text(text))) => text.into(),
            Some(Ok(Message::Binary(bytes))) => bytes,
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                return Flow::Continue(());
            }
            Some(Ok(Message::Close(_))) => {
                // Before the answer: who reads it may be back at once.
                self.peer.free_slot();
                self.open = None;
                // The answer is queued; this writes it. A client that does not wait for it may be gone.
                let _ = timeout(CLOSE_WITHIN, self.socket.flush()).await;
                return Flow::Break(None);
            }
            Some(Err(_)) | None => return Flow::Break(None),
        };
        let fields = self.codec.read(&bytes);
        let replies = self.peer.heard(fields.as_ref());
        self.perform(replies).await
    }

    async fn perform(&mut self, replies: Vec<Reply>) -> Flow {
        for reply in replies {
            self.counts.reply(&reply);
            match reply {
                Reply::Say(answer) => self.send(self.codec.answer(&answer)).await?,
                Reply::Watch(wants) => self.seat.watch(wants),
                Reply::HangUp => return Flow::Break(Some(Farewell::HangUp)),
            }
        }
        Flow::Continue(())
    }

    /// What has queued up goes out as one longer array, which helps a slow reader.
    async fn send_trades(&mut self, mut batch: Vec<Item>, trades: &mut mpsc::Receiver<Vec<Item>>) -> Flow {
        while batch.len() < LONGEST_ARRAY
            && let Ok(more) = trades.try_recv()
        {
            batch.extend(more);
        }
        self.faults.borrow().spoil(&mut batch, &mut self.random);
        if batch.is_empty() || self.is_mute {
            return Flow::Continue(());
        }
        for part in batch.chunks(LONGEST_ARRAY) {
            self.send(self.codec.items(part)).await?;
            self.counts.sent(part.len());
        }
        Flow::Continue(())
    }

    async fn send(&mut self, message: Message) -> Flow {
        let delay = Duration::from_millis(self.faults.borrow().delay_ms);
        if !delay.is_zero() {
            sleep(delay).await;
        }
        match timeout(STALL, self.socket.send(message)).await {
            Ok(Ok(())) => Flow::Continue(()),
            Ok(Err(error)) => {
                debug!("a client is gone: {error}");
                Flow::Break(None)
            }
            Err(_) => {
                debug!("a client took nothing for {STALL:?}");
                Flow::Break(None)
            }
        }
    }

    async fn close(&mut self, farewell: &Farewell) {
        self.peer.free_slot();
        self.open = None;
        let (code, reason) = match farewell {
            Farewell::Stopping => (CloseCode::Away, "the market simulator is stopping"),
            Farewell::HangUp => (CloseCode::Normal, ""),
        };
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        let answered = async {
            self.socket.close(Some(frame)).await?;
            while let Some(message) = self.socket.next().await {
                message?;
            }
            Ok::<(), Error>(())
        };
        // A client that does not answer, or has gone, is let go.
        let _ = timeout(CLOSE_WITHIN, answered).await;
    }
}

/// Returns when connections are to be dropped.
async fn lost(blows: &mut broadcast::Receiver<Blow>) {
    loop {
        match blows.recv().await {
            Ok(Blow::Drop) | Err(broadcast::error::RecvError::Closed) => return,
            Ok(Blow::Close | Blow::Garbage | Blow::SlowClient | Blow::InternalError | Blow::Mute)
            | Err(broadcast::error::RecvError::Lagged(_)) => {}
        }
    }
}
