//! An HTTP question: one GET on a connection of its own; its status, and where wanted its body.

use std::error::Error as _;
use std::future::Future;
use std::pin::pin;

use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::tcp::{self, Address};
use super::{Answer, Cause, Clock, MAX_ANSWER, Step, subset};

/// The largest head of an answer, in bytes; beyond it the answer is not HTTP to us.
const MAX_HEAD: usize = 64 << 10;

/// What the answer must be.
pub(super) struct Wanted<'a> {
    pub(super) status: Option<u16>,
    pub(super) body: Option<&'a Value>,
}

pub(super) async fn ask(url: &str, wanted: &Wanted<'_>, clock: &Clock) -> Answer {
    let (address, uri) = match Address::of_url(url, "http") {
        Ok(parts) => parts,
        Err(cause) => return clock.answer(&url, Err(cause)),
    };
    let outcome = match tcp::connect(&address, clock).await {
        Ok(stream) => clock
            .step(Step::Answer, exchange(stream, &address, &uri, wanted))
            .await
            .and_then(|answered| answered),
        Err(cause) => Err(cause),
    };
    clock.answer(&address, outcome)
}

async fn exchange(
    stream: TcpStream,
    address: &Address,
    uri: &Uri,
    wanted: &Wanted<'_>,
) -> Result<Option<Value>, Cause> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| no_answer(&error))?;
    let request = request(address, uri)?;
    let talk = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| no_answer(&error))?;
        judge(response, wanted).await
    };
    beside(talk, connection).await
}

/// Drives the connection for as long as the talk needs it, in this very future: no task outlives the question.
async fn beside<T>(talk: impl Future<Output = T>, connection: impl Future) -> T {
    let mut talk = pin!(talk);
    let mut connection = pin!(connection);
    let mut open = true;
    loop {
        tokio::select! {
            biased;
            outcome = &mut talk => return outcome,
            // Its error, if any, reaches the talk.
            _ = &mut connection, if open => open = false,
        }
    }
}

fn request(address: &Address, uri: &Uri) -> Result<Request<Empty<Bytes>>, Cause> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Request::get(path)
        .header(HOST, address.to_string())
        .header(CONNECTION, "close")
        .header(USER_AGENT, concat!("sentinel/", env!("CARGO_PKG_VERSION")))
        .body(Empty::new())
        .map_err(|error| Cause::BadAddress(error.to_string()))
}

async fn judge(response: Response<Incoming>, wanted: &Wanted<'_>) -> Result<Option<Value>, Cause> {
    let came = response.status();
    let good = wanted
        .status
        .map_or(came.is_success(), |status| came.as_u16() == status);
    if !good {
        let (came, wanted) = (came.as_u16(), wanted.status);
        let answer = if is_json(&response) {
            read(response).await.ok()
        } else {
            None
        };
        let answer = answer.and_then(|body| serde_json::from_slice(&body).ok());
        return Err(Cause::Status { came, wanted, answer });
    }
    // A body that nobody asked for may be endless (a stream of events), so it is left unread.
    if wanted.body.is_none() && !is_json(&response) {
        return Ok(None);
    }
    let answer: Option<Value> = serde_json::from_slice(&read(response).await?).ok();
    match (wanted.body, answer) {
        (None, answer) => Ok(answer),
        (Some(_), None) => Err(Cause::NotJson),
        (Some(body), Some(answer)) => match subset::differences(body, &answer) {
            differences if differences.is_empty() => Ok(Some(answer)),
            differences => Err(Cause::NotWanted { differences, answer }),
        },
    }
}

fn is_json(response: &Response<Incoming>) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}

async fn read(response: Response<Incoming>) -> Result<Bytes, Cause> {
    match Limited::new(response.into_body(), MAX_ANSWER).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Cause::TooLarge),
        Err(error) => Err(Cause::Closed(Some(error.to_string()))),
    }
}

/// hyper's own words say the kind of error; its source says what happened.
fn no_answer(error: &hyper::Error) -> Cause {
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return Cause::Closed(None);
    }
    match error.source() {
        Some(source) => Cause::NotHttp(format!("{error}: {source}")),
        None => Cause::NotHttp(error.to_string()),
    }
}
