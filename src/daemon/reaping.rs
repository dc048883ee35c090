//! Processes of ours have ended: whose they were, and what that leaves of their runs.

use super::driver::Driver;
use super::mailbox::Message;
use crate::process;
use crate::supervisor::Input;

impl Driver {
    /// Children have ended: first the leaders' ends are told, then what is proven gone.
    pub(super) fn reap(&mut self) {
        let ended = process::reap();
        // All of it is seen by one look, which is later than each of these ends.
        self.lives.look_anew();
        for (pid, exit) in ended {
            if let Some(waiting) = self.commands.remove(&pid) {
                let _ = waiting.send(exit);
            }
            if let Some(run) = self.lives.ended(pid, exit) {
                tracing::info!(%run, pid, %exit, "ended");
                self.record_exited(&run, pid, exit);
                self.pass_on(Input::Exited { run, exit });
            }
        }
        for run in self.lives.condemned() {
            self.kill(&run);
        }
        self.sweep();
        self.lives.look_anew();
    }

    /// Some process of ours is gone: kills what is left of the condemned, and tells what is over.
    pub(super) fn take_stock(&mut self) {
        self.lives.look_anew();
        for run in self.lives.condemned() {
            self.kill(&run);
        }
        self.sweep();
    }

    /// Tells which runs have nothing left.
    pub(super) fn sweep(&mut self) {
        match self.lives.sweep() {
            Ok(gone) => {
                for run in gone {
                    self.write_last(run);
                }
                self.watch_strays();
            }
            Err(error) => {
                tracing::error!(%error, "cannot see whether processes are left; looking again in a second");
                let mailbox = self.mailbox.clone();
                tokio::task::spawn_local(async move {
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                    mailbox.post(Message::ChildEnded);
                });
            }
        }
    }
}
