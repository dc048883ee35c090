//! Whether somebody else could have written a file: what it says is run with our rights.
//!
//! As sshd and sudo see it: only its owner may write the file, and nobody else may put another in its
//! place. A group with its owner as the one member is the owner (user private groups, umask 002); root
//! has no need of that, so for root's files no group may write.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User, geteuid};

/// What is wrong, and the way out.
pub(super) type Distrust = (String, String);

const GROUP: u32 = 0o020;
const OTHERS: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Whether this file, already open (so that it cannot be exchanged after the look), says what its owner said.
/// `shown` is how people name it.
pub(super) fn written_by_its_owner(file: &std::fs::File, path: &Path, shown: &str) -> Result<(), Distrust> {
    let Ok(metadata) = file.metadata() else {
        return Ok(());
    };
    let mode = metadata.mode();
    let group = mode & GROUP != 0 && (metadata.uid() == 0 || !is_private(metadata.uid(), metadata.gid()));
    if group || mode & OTHERS != 0 {
        let whom = if mode & OTHERS != 0 {
            "everybody"
        } else {
            "its group"
        };
        return Err((
            format!(
                "{whom} can write to {shown} (mode {:03o}), and so could say what runs here",
                mode & 0o777
            ),
            format!("run: chmod go-w {}", path.display()),
        ));
    }
    let (owner, own) = (metadata.uid(), geteuid().as_raw());
    if owner != own && owner != 0 && own != 0 {
        return Err((
            format!("{shown} belongs to {}, who could say what runs here", name(owner)),
            format!(
                "run sentinel as that user, or: sudo chown {} {}",
                name(own),
                path.display()
            ),
        ));
    }
    folders(path)
}

/// Nobody else can rename a folder above it away.
fn folders(path: &Path) -> Result<(), Distrust> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    for folder in path.ancestors().skip(1) {
        let Ok(metadata) = folder.metadata() else { continue };
        if metadata.mode() & OTHERS != 0 && metadata.mode() & STICKY == 0 {
            let shown = folder.display();
            return Err((
                format!("everybody can write to the folder {shown}, and so exchange what is in it"),
                format!("run: chmod o-w {shown}"),
            ));
        }
    }
    Ok(())
}

/// Whether a group is its user's own: the primary one, and nobody else is in it.
fn is_private(user: u32, group: u32) -> bool {
    let (Ok(Some(user)), Ok(Some(group))) = (
        User::from_uid(Uid::from_raw(user)),
        Group::from_gid(Gid::from_raw(group)),
    ) else {
        return false;
    };
    user.gid == group.gid && user.name == group.name && group.mem.iter().all(|member| *member == user.name)
}

fn name(user: u32) -> String {
    User::from_uid(Uid::from_raw(user))
        .ok()
        .flatten()
        .map_or(format!("user {user}"), |user| user.name)
}
