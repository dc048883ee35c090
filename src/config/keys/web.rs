//! The keys of `[web]`.

use super::{Key, Section, Wants, key};

/// `[web]`.
pub const WEB: Section = Section {
    name: "[web]",
    keys: &[ACTIONS, ALLOW_REMOTE],
};

const ACTIONS: Key = key(
    "actions",
    Wants::Flag,
    "Let the pages of main_app restart, stop, start and flush, for those who know MAIN_APP_TOKEN.",
)
.default("false")
.elsewhere(&["control", "enable_actions", "allow_actions"]);

const ALLOW_REMOTE: Key = key(
    "allow_remote",
    Wants::Flag,
    "Allow that on an address that other hosts reach too; without TLS the token crosses the network in the clear.",
)
.default("false");
