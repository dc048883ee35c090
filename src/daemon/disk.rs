//! How much room the disk of the logs has: looked at each minute, and only when somebody wants to be told.

use std::path::PathBuf;
use std::time::Duration;

use tokio::task::{AbortHandle, spawn_blocking, spawn_local};

use super::driver::Driver;
use super::mailbox::{Mailbox, Message};
use crate::alerts::DiskFree;
use crate::api::{Fact, What};

/// From one look to the next.
const EVERY: Duration = Duration::from_secs(60);

/// Room on a disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// What users may still fill.
    pub free: u64,
    /// All of it.
    pub total: u64,
}

/// Begins to look, off the loop: a disk may hang.
pub fn watch(folder: PathBuf, mailbox: Mailbox) -> AbortHandle {
    let looking = async move {
        loop {
            let folder = folder.clone();
            if let Ok(Ok(room)) = spawn_blocking(move || look(&folder)).await {
                mailbox.post(Message::Disk(room));
            }
            tokio::time::sleep(EVERY).await;
        }
    };
    spawn_local(looking).abort_handle()
}

fn look(folder: &std::path::Path) -> std::io::Result<Room> {
    let seen = rustix::fs::statvfs(folder)?;
    let bytes = |blocks: u64| blocks.saturating_mul(seen.f_frsize);
    Ok(Room {
        free: bytes(seen.f_bavail),
        total: bytes(seen.f_blocks),
    })
}

/// Whether there is too little; to be well again takes a tenth more, so that nobody hears of each byte.
fn too_little(room: Room, wanted: DiskFree, already: bool) -> bool {
    let wanted = match wanted {
        DiskFree::Percent(percent) => room.total / 100 * u64::from(percent),
        DiskFree::Bytes(bytes) => bytes,
    };
    room.free < if already { wanted / 10 * 11 } else { wanted }
}

impl Driver {
    /// Tells when there is too little room, and when there is enough again.
    pub(super) fn hear_disk(&mut self, room: Room) {
        let low = too_little(room, self.alerts.settings().disk_free, self.alerts.disk_low);
        if std::mem::replace(&mut self.alerts.disk_low, low) == low {
            return;
        }
        let folder = self.config.log_dir.display();
        let mb = room.free / 1_000_000;
        let words = format!(
            "{mb} MB left of {} MB on the disk of {folder}",
            room.total / 1_000_000
        );
        self.record(Fact::new(if low { What::DiskLow } else { What::DiskFine }).detail(words));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_little_more_room_is_not_yet_enough() {
        let room = |free| Room { free, total: 1000 };
        for (free, wanted, already, little) in [
            (49, DiskFree::Percent(5), false, true),
            (50, DiskFree::Percent(5), false, false),
            (50, DiskFree::Percent(5), true, true),
            (55, DiskFree::Percent(5), true, false),
            (99, DiskFree::Bytes(100), false, true),
            (0, DiskFree::Percent(0), true, false),
        ] {
            assert_eq!(
                too_little(room(free), wanted, already),
                little,
                "{free} {wanted:?} {already}"
            );
        }
    }
}
