//! The keys that say as whom a service runs and how much it may use.

use toml::de::DeValue;

use super::item::Item;
use super::keys::Wants;
use super::report::Finding;
use super::size;
use super::table::Table;
use crate::service::{Limit, Limits, MemoryMax, Rights};

/// The variables that belong to a user and not to whoever started sentinel.
pub(super) const OF_A_USER: [&str; 5] = ["HOME", "USER", "LOGNAME", "SHELL", "MAIL"];

/// As whom, and with which limits.
pub(super) fn rights(table: &Table<'_>) -> Rights {
    let text = |name| table.item(name).and_then(Item::name_of_account);
    Rights {
        user: text("user"),
        group: text("unix_group").or_else(|| unix_group(table)),
        umask: table.item("umask").and_then(Item::mask),
        nice: table.item("nice").and_then(Item::signed),
        limits: table.item("limits").map(limits).unwrap_or_default(),
        oom_score_adjust: table.item("oom_score_adjust").and_then(Item::signed),
        no_new_privs: table.item("no_new_privs").and_then(Item::flag).unwrap_or(false),
    }
}

/// What `group` means besides a group of services: with a user it is that user's group, as elsewhere, and a
/// number is never the name of a group of services.
fn unix_group(table: &Table<'_>) -> Option<String> {
    let group = table.item("group")?;
    let number = matches!(group.value.get_ref(), DeValue::Integer(_));
    let unix = number || table.item("user").is_some() && table.item("unix_group").is_none();
    unix.then(|| group.name_of_account()).flatten()
}

fn limits(item: Item<'_>) -> Limits {
    let Some(table) = item.table() else {
        return Limits::default();
    };
    let limit = |name| table.item(name).and_then(Item::limit);
    Limits {
        open_files: limit("open_files"),
        memory: limit("memory"),
        processes: limit("processes"),
        core: limit("core"),
    }
}

/// How much memory, and for how long more.
pub(super) fn memory_max(table: &Table<'_>) -> Option<MemoryMax> {
    let lasting = table.duration("memory_max_for");
    if let (None, Some(at)) = (table.item("memory_max"), table.key_at("memory_max_for")) {
        let finding = Finding::new(at, "`memory_max_for` says how long, but there is no `memory_max`");
        table
            .report()
            .add(finding.help("add one, like memory_max = \"1GiB\""));
    }
    let item = table.item("memory_max")?;
    match item.size()? {
        // A page is the least that there is; less is a forgotten unit.
        bytes @ 0..4096 => item.wrong(
            format!("`memory_max` is {bytes} bytes, which no program can keep to"),
            "write the unit too, like \"512MiB\"",
        ),
        bytes => Some(MemoryMax { bytes, lasting }),
    }
}

impl Item<'_> {
    /// The name or number of a user or group.
    fn name_of_account(self) -> Option<String> {
        if let DeValue::Integer(_) = self.value.get_ref() {
            let number = self.integer()?;
            return match u32::try_from(number) {
                // The last one means "leave it" to the kernel.
                Ok(number) if number < u32::MAX => Some(number.to_string()),
                Ok(_) | Err(_) => self.wrong(
                    format!("{number} is not the number of a user or group"),
                    "write a name, or a number from 0 to 4294967294",
                ),
            };
        }
        match self.text()? {
            "" => self.wrong(format!("`{}` is empty", self.key), "name one, or leave it out"),
            name if name.contains([':', '/', '\n']) => self.wrong(
                format!("`{}` is not the name of a user or group", self.key),
                "write the user in `user` and the group in `group`",
            ),
            name => Some(name.to_owned()),
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(self) -> Option<bool> {
        match self.value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            _ => self.mistyped(),
        }
    }

    /// A whole number, in the bounds of its key.
    fn signed(self) -> Option<i32> {
        let number = self.integer()?;
        let Wants::Integer(least, most) = self.wants() else {
            return self.mistyped();
        };
        match i32::try_from(number)
            .ok()
            .filter(|number| (least..=most).contains(number))
        {
            Some(number) => Some(number),
            None => {
                let wants = self.wants().in_words();
                let message = format!("`{}` wants {wants}, not {number}", self.key);
                self.report.add(Finding::new(self.span().start, message));
                None
            }
        }
    }

    fn mask(self) -> Option<u32> {
        match self.value.get_ref() {
            DeValue::String(text) => self.judge(size::mask(text)),
            DeValue::Integer(number) if number.radix() == 8 => {
                let bits = self.integer()?;
                self.judge(size::mask(&format!("{bits:o}")))
            }
            DeValue::Integer(number) => self.wrong(
                "a mask is octal, and this number is not",
                format!("write \"{:0>3}\"", number.as_str()),
            ),
            _ => self.mistyped(),
        }
    }

    pub(super) fn size(self) -> Option<u64> {
        match self.value.get_ref() {
            DeValue::String(text) => self.judge(size::size(text)),
            DeValue::Integer(_) => {
                let number = self.integer()?;
                u64::try_from(number).ok().or_else(|| {
                    self.wrong(
                        format!("`{}` is below zero", self.key),
                        "write a size, like \"512MiB\"",
                    )
                })
            }
            _ => self.mistyped(),
        }
    }

    fn limit(self) -> Option<Limit> {
        match self.value.get_ref() {
            DeValue::String(text) if ["unlimited", "infinity"].contains(&&**text) => Some(Limit::Unlimited),
            _ => self.size().map(Limit::At),
        }
    }
}
