//! Descriptors that nobody else has a type for: waited for, or left open by the program that was here before.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::{FdFlags, fcntl_setfd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor whose readability can be awaited.
///
/// # Errors
/// The event loop takes no more descriptors.
pub fn readable(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd names the same open descriptor for as long as it lives, and AsyncFd owns it.
    Ok(unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }?)
}

/// Takes what the program that this process ran before exec left open for us, by its number. To be called
/// once for each number, before anything else opens a descriptor; from now on it closes on exec.
///
/// # Errors
/// Nothing is open there.
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    if number <= 2 {
        return Err(io::Error::other(format!(
            "descriptor {number} is nobody's to hand over"
        )));
    }
    // SAFETY: only looked at, for as long as this call lasts; a number that is not open is an error of it.
    fcntl_setfd(unsafe { BorrowedFd::borrow_raw(number) }, FdFlags::CLOEXEC)?;
    // SAFETY: it is open, and the caller promises to be its only owner.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
