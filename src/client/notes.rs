//! What the client did by itself to this house, written down like everything else that happens to it.

use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};

use crate::api::{Cause, Fact};
use crate::ledger::Writer;
use crate::paths::Paths;
use crate::ports::PortReport;

use super::connection::Connection;

/// Keeps what a flush did: through the supervisor, who alone writes the ledger while there is one; otherwise
/// here, under the operation's lock that the caller holds. What cannot be kept is no reason to fail.
pub async fn keep(paths: &Paths, reports: &[PortReport]) {
    let facts: Vec<Fact> = reports.iter().flat_map(PortReport::facts).collect();
    if facts.is_empty() {
        return;
    }
    let told = match Connection::open(paths).await {
        Ok(connection) => connection.record(facts.clone()).await.is_ok(),
        Err(_) => false,
    };
    if told {
        return;
    }
    let uid = nix::unistd::geteuid();
    let user = nix::unistd::User::from_uid(uid).ok().flatten();
    let cause = Cause::Operator {
        uid: uid.as_raw(),
        name: user.map(|user| user.name),
        command: Some("sentinel flush".into()),
        via: None,
    };
    let since_boot = clock_gettime(ClockId::CLOCK_BOOTTIME).map(std::time::Duration::from);
    let boot_ms = u64::try_from(since_boot.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
    let mut ledger = Writer::open(&paths.state_dir);
    for fact in facts {
        ledger.append(fact.because(cause.clone()), Timestamp::now(), boot_ms);
    }
}
