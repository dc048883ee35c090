//! One connection from its request to its end.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tracing::debug;
use ws_listener::Stop;

use crate::Settings;
use crate::codec::Codec;
use crate::market::{Market, Seat};
use crate::peer::{Peer, Reply};
use crate::slots::Slots;
use crate::trade::Trade;
use crate::upgrade::{self, Visitor};

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
    pub(crate) settings: Arc<Settings>,
    pub(crate) stop: Stop,
}

struct Client {
    socket: WebSocketStream<TcpStream>,
    codec: Codec,
    peer: Peer,
    seat: Seat,
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
    let Some(visitor) = upgrade::accept(stream).await else {
        return;
    };
    let Visitor {
        socket,
        feed,
        codec,
        credentials,
    } = visitor;
    let (seat, trades) = house.market.enter(feed);
    let peer = Peer::new(feed, house.settings, house.slots);
    let mut client = Client {
        socket,
        codec,
        peer,
        seat,
    };
    let greeting = client.peer.greet(credentials);
    let farewell = match client.perform(greeting).await {
        Flow::Continue(()) => client.converse(trades, house.stop).await,
        Flow::Break(farewell) => farewell,
    };
    if let Some(farewell) = farewell {
        client.close(&farewell).await;
    }
}

impl Client {
    async fn converse(&mut self, mut trades: mpsc::Receiver<Vec<Trade>>, mut stop: Stop) -> Option<Farewell> {
        let auth_due = Instant::now() + AUTH_WITHIN;
        loop {
            let flow = tokio::select! {
                () = stop.requested() => Flow::Break(Some(Farewell::Stopping)),
                () = sleep_until(auth_due), if !self.peer.is_authenticated() => {
                    self.perform(self.peer.too_late()).await
                }
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
            match reply {
                Reply::Say(answer) => self.send(self.codec.answer(&answer)).await?,
                Reply::Watch(symbols) => self.seat.watch(symbols),
                Reply::HangUp => return Flow::Break(Some(Farewell::HangUp)),
            }
        }
        Flow::Continue(())
    }

    /// What has queued up goes out as one longer array, which helps a slow reader.
    async fn send_trades(&mut self, mut batch: Vec<Trade>, trades: &mut mpsc::Receiver<Vec<Trade>>) -> Flow {
        while batch.len() < LONGEST_ARRAY
            && let Ok(more) = trades.try_recv()
        {
            batch.extend(more);
        }
        self.send(self.codec.trades(&batch)).await
    }

    async fn send(&mut self, message: Message) -> Flow {
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
