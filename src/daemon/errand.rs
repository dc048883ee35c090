//! What a client left for the supervisor that systemd begins: how to take the house over, whom to tell.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use rustix::fs::{Mode, OFlags};
use tokio::net::unix::pipe;

use super::ledger::Peer;
use super::opening::{Plan, Wanted};
use super::progress::Progress;
use crate::api::Errand;
use crate::paths::Paths;

/// Takes the errand, once: the supervisor after this one begins as usual. Without one the plan stays as it is.
pub fn take(plan: &Plan) -> (Plan, Progress) {
    let Some((errand, uid)) = find(&Paths::of(&plan.config)) else {
        return (plan.clone(), Progress::Log);
    };
    tracing::info!(mode = errand.mode.as_str(), "on an errand");
    let progress = report(&errand).map_or(Progress::Log, Progress::Report);
    let plan = Plan::new(
        plan.config.clone(),
        errand.mode,
        Wanted::of_words(errand.services),
    );
    let plan = match errand.caller {
        Some(pid) => plan.asked_by(Peer { uid, pid }, errand.schedule),
        None => plan,
    };
    (plan, progress)
}

/// It, and whose file it is: only the owner of the state folder and root can have put it there.
fn find(paths: &Paths) -> Option<(Errand, u32)> {
    let path = paths.errand();
    let owner = fs::symlink_metadata(&path).ok()?.uid();
    let text = fs::read(&path).ok()?;
    // One that cannot be taken away would be done at every start.
    fs::remove_file(&path).ok()?;
    let errand: Errand = serde_json::from_slice(&text).ok()?;
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    (now.as_secs() <= errand.until).then_some((errand, owner))
}

/// Fails when the caller has left: then nobody waits, and the work is done all the same.
fn report(errand: &Errand) -> io::Result<pipe::Sender> {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let fifo = rustix::fs::open(&errand.report, flags, Mode::empty())?;
    pipe::Sender::from_owned_fd(fifo)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Mode;

    fn plan(folder: &std::path::Path) -> Plan {
        fs::create_dir_all(folder.join(".sentinel")).expect("a folder");
        Plan::new(folder.join("services.toml"), Mode::Start, Wanted::All)
    }

    fn leave(plan: &Plan, until: u64) {
        let paths = Paths::of(&plan.config);
        let errand = Errand {
            mode: Mode::Quick,
            services: vec!["a".into()],
            report: paths.state_dir.join("nobody"),
            until,
            caller: Some(1),
            schedule: None,
        };
        fs::write(paths.errand(), serde_json::to_vec(&errand).expect("json")).expect("written");
    }

    #[tokio::test]
    async fn an_errand_is_done_once_even_if_its_caller_has_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let plan = plan(folder.path());
        leave(&plan, u64::MAX);
        let (taken, progress) = take(&plan);
        assert_eq!(
            (taken.mode, taken.services),
            (Mode::Quick, Wanted::These(vec!["a".to_owned()]))
        );
        assert!(matches!(progress, Progress::Log));
        assert_eq!(take(&plan).0.mode, Mode::Start);
    }

    #[tokio::test]
    async fn nobody_means_an_old_errand_or_garbage() {
        let folder = tempfile::tempdir().expect("a folder");
        let plan = plan(folder.path());
        leave(&plan, 1);
        assert_eq!(take(&plan).0.mode, Mode::Start);
        fs::write(Paths::of(&plan.config).errand(), b"{").expect("written");
        assert_eq!(take(&plan).0.mode, Mode::Start);
        assert!(!Paths::of(&plan.config).errand().exists());
    }
}
