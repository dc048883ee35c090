//! Whether a service may have the rights it asks for, asked before anything is stopped.

use std::thread;

use rustix::process::{Resource, getpriority_process, getrlimit};
use rustix::thread as own;
use rustix::thread::CapabilitySet;

use super::account::{Account, Refused};
use crate::service::{Limit, Rights};

/// All that would be refused at the start, each with the way out.
#[must_use]
pub fn refusals(rights: &Rights) -> Vec<Refused> {
    let account = match Account::of(rights) {
        Ok(account) => account,
        Err(refused) => return vec![refused],
    };
    let mut refusals: Vec<Refused> = account.iter().filter_map(switch).collect();
    refusals.extend(rights.nice.and_then(nice));
    refusals.extend(rights.oom_score_adjust.and_then(oom_score));
    refusals.extend(
        rights
            .limits
            .set()
            .filter_map(|(name, wanted)| limit(name, wanted)),
    );
    refusals
}

/// Asks as that user would: the kernel judges, with its groups and access lists. Our own thread stays as
/// it is; a thread of its own becomes the user and ends.
pub fn as_account<T: Send>(account: &Account, ask: impl FnOnce() -> T + Send) -> Option<T> {
    let gid = own::Gid::from_raw(account.gid);
    let uid = own::Uid::from_raw(account.uid);
    let groups: Vec<own::Gid> = account
        .groups
        .iter()
        .map(|&gid| own::Gid::from_raw(gid))
        .collect();
    let asked = move || {
        own::set_thread_groups(&groups).ok()?;
        own::set_thread_res_gid(gid, gid, gid).ok()?;
        own::set_thread_res_uid(uid, uid, uid).ok()?;
        Some(ask())
    };
    thread::scope(|scope| scope.spawn(asked).join().ok().flatten())
}

fn may(capability: CapabilitySet) -> bool {
    own::capabilities(None).is_ok_and(|sets| sets.effective.contains(capability))
}

fn switch(account: &Account) -> Option<Refused> {
    let allowed = may(CapabilitySet::SETUID) && may(CapabilitySet::SETGID);
    (account.is_another() && !allowed).then(|| {
        let shown = account.shown();
        (
            format!("only root can run it as user {shown}"),
            format!("run sentinel as root, or as {shown}, or leave out `user` and `group`"),
        )
    })
}

/// RLIMIT_NICE lets others down to 20 minus its value (setpriority(2)).
fn nice(wanted: i32) -> Option<Refused> {
    let present = getpriority_process(None).unwrap_or(0);
    let ceiling = getrlimit(Resource::Nice).current.unwrap_or(40).min(40);
    let least = 20 - i32::try_from(ceiling).unwrap_or(0);
    (wanted < present.min(least) && !may(CapabilitySet::SYS_NICE)).then(|| {
        (
            format!("only root can set nice = {wanted}: sentinel itself has {present}"),
            format!("run sentinel as root, or write nice = {present} or more"),
        )
    })
}

fn oom_score(wanted: i32) -> Option<Refused> {
    let text = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
    let present: i32 = text.trim().parse().unwrap_or(0);
    (wanted < present && !may(CapabilitySet::SYS_RESOURCE)).then(|| {
        (
            format!("only root can set oom_score_adjust = {wanted}: sentinel itself has {present}"),
            format!("run sentinel as root, or write {present} or more"),
        )
    })
}

fn limit(name: &str, wanted: Limit) -> Option<Refused> {
    let resource = match name {
        "open_files" => Resource::Nofile,
        "memory" => Resource::As,
        "processes" => Resource::Nproc,
        _ => Resource::Core,
    };
    let hard = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    if wanted.number() > hard && !may(CapabilitySet::SYS_RESOURCE) {
        return Some((
            format!("limits.{name} is above the hard limit, {hard}"),
            "run sentinel as root, raise the hard limit (limits.conf, LimitNOFILE= and the like), or write less"
                .into(),
        ));
    }
    let most = std::fs::read_to_string("/proc/sys/fs/nr_open").unwrap_or_default();
    let most: u64 = most.trim().parse().unwrap_or(u64::MAX);
    (resource == Resource::Nofile && wanted.number() > most).then(|| {
        (
            format!("limits.open_files is above what this kernel allows anybody, {most} (fs.nr_open)"),
            format!("write {most} or less, or raise it: sysctl fs.nr_open"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::{as_account, refusals};
    use crate::process::account::Account;
    use crate::service::{Limit, Limits, Rights};

    #[test]
    fn who_asks_for_nothing_is_refused_nothing() {
        assert_eq!(refusals(&Rights::default()), []);
    }

    #[test]
    fn nobody_gets_more_descriptors_than_the_kernel_has() {
        let rights = Rights {
            limits: Limits {
                open_files: Some(Limit::Unlimited),
                ..Limits::default()
            },
            ..Rights::default()
        };
        assert!(refusals(&rights)[0].0.starts_with("limits.open_files is above"));
    }

    #[test]
    fn another_user_sees_with_its_own_eyes() {
        if !nix::unistd::geteuid().is_root() {
            return eprintln!("skipped: only root can look as another user");
        }
        let nobody = Account {
            uid: 65534,
            gid: 65534,
            groups: vec![65534],
            entry: None,
        };
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let readable = || nix::unistd::access(folder.path(), nix::unistd::AccessFlags::X_OK).is_ok();
        assert!(readable());
        assert_eq!(
            as_account(&nobody, readable),
            Some(false),
            "it is 0700 and root's"
        );
        assert!(readable(), "we are still who we were");
    }
}
