//! Waiting, for so long and no longer, for the end of a process that may not be our child.

use std::io;
use std::process::Child;
use std::time::Duration;

use tokio::time::timeout;

use crate::process::{Handle, Identity};

/// A process whose end can be awaited. It names this very process, whoever gets the pid later.
#[derive(Debug)]
pub struct Death(Handle);

impl Death {
    /// Watches this process.
    ///
    /// # Errors
    /// When it is gone, or the kernel does not let us look.
    pub fn of(identity: Identity) -> io::Result<Self> {
        Handle::open(identity)?
            .map(Self)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Watches a child of ours that has not been waited for: so its pid is still its own.
    ///
    /// # Errors
    /// As [`Death::of`].
    pub fn of_child(child: &Child) -> io::Result<Self> {
        Self::of(Identity::of(child.id().cast_signed())?.ok_or(io::ErrorKind::NotFound)?)
    }

    /// Whether it has ended within this time.
    pub async fn within(&self, time: Duration) -> bool {
        matches!(timeout(time, self.0.exited()).await, Ok(Ok(())))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// No descriptor was left to wait with.
    pub async fn wait(&self) -> io::Result<()> {
        self.0.exited().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[tokio::test]
    async fn a_process_is_alive_until_it_ends() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("cat");
        let death = Death::of_child(&child).expect("a pidfd");
        assert!(!death.within(Duration::ZERO).await);
        drop(child.stdin.take());
        assert!(death.within(Duration::from_secs(60)).await);
        child.wait().expect("reaped");
    }
}
