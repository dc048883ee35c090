//! Who outlives SIGKILL: by pid, name and port, and why.

use nix::unistd::geteuid;

use crate::ports;
use crate::process::{self, Identity, Table, user_name};

/// `python3 (pid 12, port 8765, of user root, whom only root may signal), sh (pid 13)`.
#[must_use]
pub fn names(processes: &[Identity], assigned: &[u16]) -> String {
    let table = Table::read().unwrap_or_default();
    let listeners = ports::listeners(assigned).unwrap_or_default();
    let name = |process: &Identity| {
        let mut facts = vec![format!("pid {}", process.pid)];
        let held = listeners.iter().filter(|listener| {
            let mut holders = listener.holders.iter();
            holders.any(|holder| holder.identity == *process)
        });
        facts.extend(held.map(|listener| format!("port {}", listener.port)));
        facts.extend(why(&table, process));
        format!("{} ({})", process::command(process.pid), facts.join(", "))
    };
    processes.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// Why SIGKILL does not end it, if that can be seen.
fn why(table: &Table, process: &Identity) -> Option<String> {
    let seen = table
        .get(process.pid)
        .filter(|seen| seen.identity() == *process)?;
    if seen.uid != geteuid().as_raw() && !geteuid().is_root() {
        let user = user_name(seen.uid);
        return Some(format!("of user {user}, whom only root may signal"));
    }
    (seen.state == 'D').then(|| "in state D: it hangs in the kernel".to_owned())
}
