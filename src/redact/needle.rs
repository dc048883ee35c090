//! One spelling of one secret, and where it stands in a text.

use std::cmp::Ordering;

/// The shortest value that counts as a secret, in bytes: a shorter one would blot out ordinary words.
const SHORTEST: usize = 4;
/// From this length on it is a secret wherever it stands; below, only as a word of its own.
const ANYWHERE: usize = 8;
/// A lone line of a long secret, such as a private key, counts from this length on.
const LINE: usize = 16;
/// How much of a secret must stand at a text's end to be taken for one that was cut off.
const CUT: usize = 8;

/// Words that our answers are made of, or that say yes and no: never secrets, whatever key they stand under.
const WORDS: [&str; 25] = [
    "true",
    "false",
    "none",
    "null",
    "auto",
    "info",
    "debug",
    "warn",
    "error",
    "stopped",
    "starting",
    "running",
    "backoff",
    "stopping",
    "exited",
    "fatal",
    "healthy",
    "unhealthy",
    "unknown",
    "free",
    "stray",
    "foreign",
    "down",
    "absent",
    "default",
];

/// One spelling.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Needle(Vec<u8>);

impl Needle {
    pub(super) fn first(&self) -> u8 {
        self.0[0]
    }

    /// How many bytes of the text, from this place on, are it: all of it, or what is left of it where the
    /// text ends or was shortened (`…`).
    pub(super) fn at(&self, text: &[u8], at: usize) -> Option<usize> {
        let rest = &text[at..];
        let length = rest.iter().zip(&self.0).take_while(|(a, b)| a == b).count();
        if length == self.0.len() {
            let stands_alone = || !joins(text[..at].last()) && !joins(rest.get(length));
            return (length >= ANYWHERE || stands_alone()).then_some(length);
        }
        let ends = &rest[length..];
        let cut = ends.is_empty() || ends.starts_with("…".as_bytes()) || ends.starts_with(b"...");
        (cut && length >= CUT).then_some(length)
    }
}

/// Whether a byte continues a word.
fn joins(byte: Option<&u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii())
}

/// The longest first.
impl Ord for Needle {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.0.len(), &self.0).cmp(&(self.0.len(), &other.0))
    }
}

impl PartialOrd for Needle {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Every spelling of a secret; none of a value that cannot be one.
pub(super) fn of(secret: &str) -> Vec<Needle> {
    let secret = secret.trim();
    let number = secret.len() < ANYWHERE && secret.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if secret.len() < SHORTEST || number || WORDS.contains(&secret.to_ascii_lowercase().as_str()) {
        return Vec::new();
    }
    let mut spellings = vec![
        secret.to_owned(),
        unquoted(&format!("{secret:?}")),
        unquoted(&serde_json::to_string(secret).unwrap_or_default()),
        percent(secret),
    ];
    if secret.contains('\n') {
        spellings.extend(
            secret
                .lines()
                .map(str::trim)
                .filter(|line| line.len() >= LINE)
                .map(str::to_owned),
        );
    }
    spellings
        .into_iter()
        .filter(|text| !text.is_empty())
        .map(|text| Needle(text.into_bytes()))
        .collect()
}

fn unquoted(text: &str) -> String {
    text.get(1..text.len().saturating_sub(1))
        .unwrap_or_default()
        .to_owned()
}

/// As it stands in a url (RFC 3986, section 2.1).
fn percent(text: &str) -> String {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let spell = |byte: u8| match unreserved(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(spell).collect()
}
