//! Makes the process deaf to polite signals. The only unsafe code here.
#![allow(unsafe_code)]

use nix::sys::signal::{SigHandler, Signal, signal};

/// Ignores SIGTERM, SIGINT and SIGHUP from now on.
pub fn ignore() {
    for polite in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        // SAFETY: SIG_IGN installs no handler, so there is no code that could run at a wrong moment.
        let _ = unsafe { signal(polite, SigHandler::SigIgn) };
    }
}
