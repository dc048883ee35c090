//! In what two declarations of a service differ, and whether that needs another process.

use std::collections::BTreeMap;

use crate::service::{Rights, Spec};

/// The keys that differ, as services.toml names them; never their values, which may be secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Those that make another process.
    pub of_process: Vec<String>,
    /// Those that take effect around the present one.
    pub in_place: Vec<String>,
}

impl Differences {
    /// A process started from one would be the same as a process started from the other.
    #[must_use]
    pub fn same_process(&self) -> bool {
        self.of_process.is_empty()
    }

    /// Compares two declarations of one service. Whoever adds a key to [`Spec`] says here what it takes to
    /// bring a change of it about.
    #[must_use]
    pub fn between(old: &Spec, new: &Spec) -> Self {
        let Spec {
            name: _,
            command,
            cwd,
            env,
            ports,
            sockets,
            after,
            group,
            autostart,
            restart,
            min_uptime,
            start_timeout,
            max_restarts,
            recovery,
            watch,
            ready,
            health,
            stop,
            rights,
            memory_max,
            watchdog,
            log,
        } = old;
        let of_process = [
            ("command", *command == new.command),
            ("cwd", *cwd == new.cwd),
            ("ports", *ports == new.ports),
            ("sockets", *sockets == new.sockets),
            ("watchdog", *watchdog == new.watchdog),
        ];
        let in_place = [
            ("after", *after == new.after),
            ("group", *group == new.group),
            ("autostart", *autostart == new.autostart),
            ("restart", *restart == new.restart),
            ("min_uptime", *min_uptime == new.min_uptime),
            ("start_timeout", *start_timeout == new.start_timeout),
            ("max_restarts", *max_restarts == new.max_restarts),
            ("backoff", recovery.backoff == new.recovery.backoff),
            ("restart_window", recovery.window == new.recovery.window),
            ("retry_fatal", recovery.retry_fatal == new.recovery.retry_fatal),
            ("success_exit", recovery.success_exit == new.recovery.success_exit),
            ("fatal_exit", recovery.fatal_exit == new.recovery.fatal_exit),
            ("watch", *watch == new.watch),
            ("ready", *ready == new.ready),
            ("health", *health == new.health),
            ("stop", *stop == new.stop),
            ("memory_max", *memory_max == new.memory_max),
            ("log", *log == new.log),
        ];
        let mut of_process = differing(&of_process);
        of_process.extend(variables(env, &new.env));
        of_process.extend(differing(&of_rights(rights, &new.rights)));
        Self {
            of_process,
            in_place: differing(&in_place),
        }
    }
}

fn of_rights(old: &Rights, new: &Rights) -> [(&'static str, bool); 7] {
    let Rights {
        user,
        group,
        umask,
        nice,
        limits,
        oom_score_adjust,
        no_new_privs,
    } = old;
    [
        ("user", *user == new.user),
        ("unix_group", *group == new.group),
        ("umask", *umask == new.umask),
        ("nice", *nice == new.nice),
        ("limits", *limits == new.limits),
        ("oom_score_adjust", *oom_score_adjust == new.oom_score_adjust),
        ("no_new_privs", *no_new_privs == new.no_new_privs),
    ]
}

fn differing(keys: &[(&str, bool)]) -> Vec<String> {
    let differ = keys.iter().filter(|(_, same)| !same);
    differ.map(|(key, _)| (*key).to_owned()).collect()
}

/// `env.NAME` for each variable that differs.
fn variables<'e>(
    old: &'e BTreeMap<String, String>,
    new: &'e BTreeMap<String, String>,
) -> impl Iterator<Item = String> {
    let changed = old.iter().filter(|(name, value)| new.get(*name) != Some(value));
    let added = new.keys().filter(|name| !old.contains_key(*name));
    let names = changed.map(|(name, _)| name).chain(added);
    names.map(|name| format!("env.{name}"))
}
