//! Holds back the news of ended children while we are at work: what ends meanwhile is told once, at the end.
//!
//! A signal for each of hundreds would interrupt whatever we do, hundreds of times.

use std::marker::PhantomData;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};

/// While it is there, this thread hears of no ended child; what ended is told when it goes. Programs that are
/// started meanwhile begin with no signal held back.
#[derive(Debug)]
pub struct Hush {
    /// Of this thread only.
    here: PhantomData<*const ()>,
}

impl Hush {
    /// From now on.
    #[must_use]
    pub fn begin() -> Self {
        change(SigmaskHow::SIG_BLOCK);
        Self { here: PhantomData }
    }
}

impl Drop for Hush {
    fn drop(&mut self) {
        change(SigmaskHow::SIG_UNBLOCK);
    }
}

fn change(how: SigmaskHow) {
    let mut children = SigSet::empty();
    children.add(Signal::SIGCHLD);
    // Nothing but a wrong number can make it fail.
    let _ = pthread_sigmask(how, Some(&children), None);
}

#[cfg(test)]
mod tests {
    use super::Hush;
    use nix::sys::signal::{SigSet, Signal};

    #[test]
    fn it_ends_when_it_goes() {
        let held = || SigSet::thread_get_mask().unwrap().contains(Signal::SIGCHLD);
        let hush = Hush::begin();
        assert!(held());
        drop(hush);
        assert!(!held());
    }
}
