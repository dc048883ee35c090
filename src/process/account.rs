//! Whom a service runs as: a user and group of the system's database, as numbers.

use std::ffi::CString;
use std::path::PathBuf;

use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid, getgrouplist};

use crate::service::Rights;

/// A user as the kernel knows one, and what the database says of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// All groups, the supplementary ones too.
    pub groups: Vec<u32>,
    /// The user's entry; a number need not have one.
    pub entry: Option<Entry>,
}

/// A user's entry in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The login name.
    pub name: String,
    /// The home folder.
    pub home: PathBuf,
    /// The login shell.
    pub shell: PathBuf,
}

/// A sentence that says what is wrong, and the way out.
pub type Refused = (String, String);

impl Account {
    /// Whom these rights name; none if they leave it to who runs sentinel.
    ///
    /// Asks the system's user database, which may be slow where that is on the network.
    ///
    /// # Errors
    /// There is no such user or group, or the database cannot be asked.
    pub fn of(rights: &Rights) -> Result<Option<Self>, Refused> {
        let gid = rights.group.as_deref().map(group).transpose()?;
        let Some(name) = rights.user.as_deref() else {
            let only = |gid| Self {
                uid: geteuid().as_raw(),
                gid,
                groups: vec![gid],
                entry: None,
            };
            return Ok(gid.map(only));
        };
        let user = user(name)?;
        let (uid, gid) = match (&user, gid) {
            (Some(user), gid) => (user.uid.as_raw(), gid.unwrap_or(user.gid.as_raw())),
            (None, Some(gid)) => (number(name).unwrap_or_default(), gid),
            (None, None) => {
                let message = format!("user {name} is not in the user database, so its group is not known");
                return Err((message, "add the group, like group = \"nogroup\"".into()));
            }
        };
        let groups = match &user {
            Some(user) => groups(user, gid)?,
            None => vec![gid],
        };
        let entry = user.map(|user| Entry {
            name: user.name,
            home: user.dir,
            shell: user.shell,
        });
        Ok(Some(Self {
            uid,
            gid,
            groups,
            entry,
        }))
    }

    /// Whether it is another user or group than we are, so that only root can become it.
    #[must_use]
    pub fn is_another(&self) -> bool {
        self.uid != geteuid().as_raw() || self.gid != getegid().as_raw()
    }

    /// What the environment of a user's process says of them.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let Some(entry) = &self.entry else {
            return Vec::new();
        };
        vec![
            ("HOME", entry.home.to_string_lossy().into_owned()),
            ("USER", entry.name.clone()),
            ("LOGNAME", entry.name.clone()),
            ("SHELL", entry.shell.to_string_lossy().into_owned()),
        ]
    }

    /// For people: `trader`, or `uid 4242`.
    #[must_use]
    pub fn shown(&self) -> String {
        self.entry
            .as_ref()
            .map_or_else(|| user_name(self.uid), |entry| entry.name.clone())
    }
}

/// A user for people: the name, or `uid 4242` without one.
#[must_use]
pub fn user_name(uid: u32) -> String {
    let known = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    known.map_or_else(|| format!("uid {uid}"), |user| user.name)
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number| *number < u32::MAX)
}

/// The user of this name or number; none for a number that the database does not know.
fn user(name: &str) -> Result<Option<User>, Refused> {
    let cannot = |error| unanswered("user", name, error);
    match User::from_name(name).map_err(cannot)? {
        Some(user) => Ok(Some(user)),
        None => match number(name) {
            Some(uid) => User::from_uid(Uid::from_raw(uid)).map_err(cannot),
            None => Err((
                format!("there is no user `{name}` on this host"),
                format!("create it (useradd --system {name}), or mend `user`"),
            )),
        },
    }
}

fn group(name: &str) -> Result<u32, Refused> {
    let known = Group::from_name(name).map_err(|error| unanswered("group", name, error))?;
    known
        .map(|group| group.gid.as_raw())
        .or_else(|| number(name))
        .ok_or_else(|| {
            (
                format!("there is no group `{name}` on this host"),
                format!("create it (groupadd --system {name}), or mend `group`"),
            )
        })
}

fn groups(user: &User, gid: u32) -> Result<Vec<u32>, Refused> {
    let name = CString::new(user.name.as_str()).unwrap_or_default();
    match getgrouplist(&name, Gid::from_raw(gid)) {
        Ok(groups) => Ok(groups.into_iter().map(Gid::as_raw).collect()),
        Err(error) => Err(unanswered("groups of the user", &user.name, error)),
    }
}

fn unanswered(what: &str, name: &str, error: nix::errno::Errno) -> Refused {
    (
        format!("the {what} `{name}` cannot be looked up: {}", error.desc()),
        "try: getent passwd; the user database does not answer".into(),
    )
}

#[cfg(test)]
mod tests {
    use super::Account;
    use crate::service::Rights;

    fn rights(user: &str, group: &str) -> Rights {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Rights {
            user: some(user),
            group: some(group),
            ..Rights::default()
        }
    }

    #[test]
    fn names_and_numbers_are_the_same_people() {
        assert_eq!(Account::of(&rights("", "")), Ok(None));
        let root = Account::of(&rights("root", "")).unwrap().unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(root.groups.contains(&0));
        assert_eq!(Account::of(&rights("0", "")), Ok(Some(root.clone())));
        assert_eq!(root.variables()[1], ("USER", "root".to_owned()));
        let stranger = Account::of(&rights("4242", "root")).unwrap().unwrap();
        assert_eq!(
            (stranger.uid, stranger.gid, stranger.shown().as_str()),
            (4242, 0, "uid 4242")
        );
        assert!(stranger.is_another());
    }

    #[test]
    fn who_is_not_there_is_named() {
        for (user, group, what) in [
            ("no-such-user", "", "there is no user `no-such-user` on this host"),
            (
                "root",
                "no-such-group",
                "there is no group `no-such-group` on this host",
            ),
            (
                "4242",
                "",
                "user 4242 is not in the user database, so its group is not known",
            ),
        ] {
            assert_eq!(Account::of(&rights(user, group)).unwrap_err().0, what);
        }
    }
}
