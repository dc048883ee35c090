//! A bell between threads: an eventfd.

use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{EventfdFlags, eventfd};

pub(super) fn bell() -> io::Result<OwnedFd> {
    Ok(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}

/// Rings; once is as good as often.
pub(super) fn ring(bell: &OwnedFd) {
    let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
}

/// Makes it silent again.
pub(super) fn silence(bell: &OwnedFd) {
    let _ = rustix::io::read(bell, &mut [0; 8][..]);
}
