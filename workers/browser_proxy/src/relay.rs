//! Bytes from one socket to another in whole frames, with no memory of its own while nothing is stuck.

use std::io::{self, ErrorKind};

use bytes::{Bytes, BytesMut};
use tokio::net::tcp::OwnedReadHalf;
use ws_listener::frame::{self, Next, Whole};
use ws_listener::{SCRATCH_LEN, with_scratch};

/// A longer frame is passed on as it comes; it can be none of the stream's own.
const MAX_WHOLE: u64 = (SCRATCH_LEN / 2) as u64;

/// The end of a direction that is read from. Since only whole frames are passed on, whoever is at
/// the other end can always be told more, by someone else if need be.
#[derive(Debug, Default)]
pub(crate) struct Inlet {
    /// The beginning of a frame.
    part: BytesMut,
    /// What is left of a long frame that is being passed on, or skipped.
    long: u64,
    /// The beginning of the long frame has gone to someone who is no longer there.
    is_skipping: bool,
}

/// What to do after a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Pass it on, and look at the next.
    Pass,
    /// Keep it from the other side; it is dealt with.
    Hold,
    /// Pass this on in its place.
    Instead(Bytes),
}

/// Why no more can be read.
#[derive(Debug)]
pub(crate) struct SourceGone;

impl Inlet {
    /// An inlet with bytes that were read earlier.
    pub(crate) fn with(rest: BytesMut) -> Self {
        Self {
            part: rest,
            ..Self::default()
        }
    }

    /// True in the middle of a long frame: the receiver expects its rest and nothing else.
    pub(crate) fn is_within_long(&self) -> bool {
        self.long > 0 && !self.is_skipping
    }

    /// The receiver of a long frame is gone: nobody wants its rest.
    pub(crate) fn skip_long(&mut self) {
        self.is_skipping = self.long > 0;
    }

    /// Waits until something is there to read; at once if `with` brought it.
    pub(crate) async fn readable(&mut self, from: &OwnedReadHalf) -> Result<(), SourceGone> {
        if matches!(frame::next(&self.part), Next::Whole(_)) {
            return Ok(());
        }
        from.readable().await.map_err(|_| SourceGone)
    }

    /// One read. Every whole frame is shown to `look`; `pass` gets all that is to be passed on,
    /// once, or more often if frames were held or replaced.
    pub(crate) fn step(
        &mut self,
        from: &OwnedReadHalf,
        look: &mut dyn FnMut(Whole<'_>) -> After,
        pass: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<io::Result<()>, SourceGone> {
        with_scratch(|scratch| {
            let before = self.part.len();
            scratch[..before].copy_from_slice(&self.part);
            let read = match from.try_read(&mut scratch[before..]) {
                Ok(0) => return Err(SourceGone),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(_) => return Err(SourceGone),
            };
            Ok(self.take(&scratch[..before + read], look, pass))
        })
    }

    fn take(
        &mut self,
        bytes: &[u8],
        look: &mut dyn FnMut(Whole<'_>) -> After,
        pass: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let (mut start, mut at) = self.pass_long(bytes);
        loop {
            match frame::next(&bytes[at..]) {
                Next::Whole(whole) => {
                    let end = at + whole.bytes.len();
                    let instead = match look(whole) {
                        After::Pass => None,
                        After::Hold => Some(Bytes::new()),
                        After::Instead(frame) => Some(frame),
                    };
                    if let Some(frame) = instead {
                        pass(&bytes[start..at])?;
                        pass(&frame)?;
                        start = end;
                    }
                    at = end;
                }
                Next::Part(length) if length > MAX_WHOLE => {
                    self.long = length - (bytes.len() - at) as u64;
                    at = bytes.len();
                    break;
                }
                Next::Part(_) | Next::Unknown => break,
            }
        }
        self.part = BytesMut::from(&bytes[at..]);
        pass(&bytes[start..at])
    }

    /// Where passing on begins and where the next frame does.
    fn pass_long(&mut self, bytes: &[u8]) -> (usize, usize) {
        let of_long = self.long.min(bytes.len() as u64);
        self.long -= of_long;
        // It is at most the length of a slice.
        let end = of_long as usize;
        let start = if self.is_skipping { end } else { 0 };
        self.is_skipping &= self.long > 0;
        (start, end)
    }
}
