//! Progress as it arrives: lines of JSON from the control socket, or from a new supervisor's pipe.

use std::io;

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use crate::api::{Event, Outcome};

use super::error::Error;
use super::summons::Summons;

/// A line longer than this is not progress.
const LONGEST_LINE: usize = 1 << 20;

/// A stream of [`Event`]s. It ends with `Event::End`, unless its sender died.
#[derive(Debug)]
pub struct Events {
    source: Source,
    pending: Vec<u8>,
}

#[derive(Debug)]
enum Source {
    Response(Incoming),
    Pipe(pipe::Receiver),
    Summoned(pipe::Receiver, Box<Summons>),
}

impl Events {
    /// The body of an answer to a POST.
    #[must_use]
    pub fn from_response(body: Incoming) -> Self {
        Self {
            source: Source::Response(body),
            pending: Vec::new(),
        }
    }

    /// The stdout of a new supervisor.
    #[must_use]
    pub fn from_pipe(pipe: pipe::Receiver) -> Self {
        Self {
            source: Source::Pipe(pipe),
            pending: Vec::new(),
        }
    }

    /// The FIFO of a supervisor that systemd begins.
    #[must_use]
    pub fn from_summons(fifo: pipe::Receiver, summons: Summons) -> Self {
        Self {
            source: Source::Summoned(fifo, Box::new(summons)),
            pending: Vec::new(),
        }
    }

    /// Whom to ask why there are no more events: none unless systemd was asked for their sender.
    pub fn summons(&mut self) -> Option<&mut Summons> {
        match &mut self.source {
            Source::Summoned(_, summons) => Some(summons),
            Source::Response(_) | Source::Pipe(_) => None,
        }
    }

    /// The next event; none when the sender has closed the stream.
    ///
    /// # Errors
    /// When the stream breaks, or holds what is no event.
    pub async fn next(&mut self) -> io::Result<Option<Event>> {
        loop {
            if let Some(line) = self.take_line() {
                return Ok(Some(serde_json::from_slice(&line)?));
            }
            if self.pending.len() > LONGEST_LINE {
                return Err(io::Error::other("a line of progress without an end"));
            }
            match self.source.chunk().await? {
                Some(bytes) => self.pending.extend_from_slice(&bytes),
                None => return Ok(None),
            }
        }
    }

    /// Whether the next one is here already.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.pending.contains(&b'\n')
    }

    /// The result, when nobody wants to see the progress.
    ///
    /// # Errors
    /// When the stream ends without one.
    pub async fn outcome(mut self) -> Result<Outcome, Error> {
        loop {
            match self.next().await {
                Ok(Some(Event::End(outcome))) => return Ok(outcome),
                Ok(Some(_)) => {}
                Ok(None) => return Err(Error::failed("the supervisor ended before it was done")),
                Err(error) => return Err(Error::failed("the supervisor broke off").because(&error)),
            }
        }
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let end = self.pending.iter().position(|byte| *byte == b'\n')?;
        Some(self.pending.drain(..=end).collect())
    }
}

impl Source {
    async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        match self {
            Source::Response(body) => loop {
                match body.frame().await.transpose().map_err(io::Error::other)? {
                    None => return Ok(None),
                    Some(frame) => {
                        if let Ok(bytes) = frame.into_data() {
                            return Ok(Some(bytes));
                        }
                    }
                }
            },
            Source::Pipe(pipe) => read(pipe).await,
            Source::Summoned(fifo, summons) => tokio::select! {
                biased;
                bytes = read(fifo) => bytes,
                () = summons.refused() => Ok(None),
            },
        }
    }
}

async fn read(pipe: &mut pipe::Receiver) -> io::Result<Option<Bytes>> {
    let mut buffer = vec![0; 8192];
    let length = pipe.read(&mut buffer).await?;
    buffer.truncate(length);
    Ok((length > 0).then(|| buffer.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Outcome, Phase};
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn events_are_whole_however_the_bytes_arrive() {
        let (mut sender, receiver) = pipe::pipe().expect("a pipe");
        let mut events = Events::from_pipe(receiver);
        let sent = [
            Event::Began { phase: Phase::Check },
            Event::End(Outcome::default()),
        ];
        let bytes: Vec<u8> = sent
            .iter()
            .flat_map(|event| format!("{}\n", serde_json::to_string(event).expect("json")).into_bytes())
            .collect();
        let writer = tokio::spawn(async move {
            for byte in bytes {
                sender.write_all(&[byte]).await.expect("written");
            }
        });
        for event in sent {
            assert_eq!(events.next().await.expect("readable"), Some(event));
        }
        writer.await.expect("written");
        assert_eq!(events.next().await.expect("readable"), None);
    }

    #[tokio::test]
    async fn a_sender_that_dies_in_a_line_has_sent_nothing_more() {
        let (mut sender, receiver) = pipe::pipe().expect("a pipe");
        sender.write_all(b"{\"event\":\"began\"").await.expect("written");
        drop(sender);
        assert_eq!(Events::from_pipe(receiver).next().await.expect("readable"), None);
    }
}
