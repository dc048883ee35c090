//! Which services a word means: a name, `@group`, or a pattern like `watchdog@*`.

use std::fmt;

/// A service, as far as a word can mean it: its name and its group.
pub type Candidate<'c> = (&'c str, Option<&'c str>);

/// More names than this are not listed in an error.
const LISTED: usize = 12;

/// A word that means no service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmatched {
    word: String,
    help: String,
}

impl Unmatched {
    /// The way out: what was most likely meant, or what there is.
    #[must_use]
    pub fn help(&self) -> &str {
        &self.help
    }
}

impl fmt::Display for Unmatched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { word, .. } = self;
        match word.strip_prefix('@') {
            Some(group) => write!(f, "there is no group `{group}`"),
            None if is_pattern(word) => write!(f, "no service matches `{word}`"),
            None => write!(f, "there is no service `{word}`"),
        }
    }
}

impl std::error::Error for Unmatched {}

/// Whether a word can mean several services.
#[must_use]
pub fn is_selector(word: &str) -> bool {
    word.starts_with('@') || is_pattern(word)
}

fn is_pattern(word: &str) -> bool {
    word.contains(['*', '?'])
}

/// The names that one word means, in the order of the candidates; at least one.
///
/// # Errors
/// It means none.
pub fn select<'c>(word: &str, candidates: &[Candidate<'c>]) -> Result<Vec<&'c str>, Unmatched> {
    let wanted = |(name, group): &&Candidate<'c>| match word.strip_prefix('@') {
        Some(pattern) => group.is_some_and(|group| matches(pattern, group)),
        None => matches(word, name),
    };
    let found: Vec<&str> = candidates.iter().filter(wanted).map(|(name, _)| *name).collect();
    if found.is_empty() {
        return Err(unmatched(word, candidates));
    }
    Ok(found)
}

/// The names that these words mean, each once, in the order of the candidates; none for no words.
///
/// # Errors
/// The first word that means none.
pub fn select_all<S: AsRef<str>>(
    words: &[S],
    candidates: &[Candidate<'_>],
) -> Result<Vec<String>, Unmatched> {
    let mut chosen: Vec<&str> = Vec::new();
    for word in words {
        chosen.extend(select(word.as_ref(), candidates)?);
    }
    let names = candidates.iter().map(|(name, _)| *name);
    Ok(names
        .filter(|name| chosen.contains(name))
        .map(str::to_owned)
        .collect())
}

/// Whether `*` (any text) and `?` (any character) of a pattern can stand for the rest of a name.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            Some(_) | None => match star {
                // The last `*` stands for one character more.
                Some((at, taken)) => {
                    p = at + 1;
                    n = taken + 1;
                    star = Some((at, n));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

fn unmatched(word: &str, candidates: &[Candidate<'_>]) -> Unmatched {
    let mut known: Vec<String> = candidates.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut groups: Vec<String> = candidates
        .iter()
        .filter_map(|(_, group)| group.map(|group| format!("@{group}")))
        .collect();
    groups.sort();
    groups.dedup();
    let instances = format!("{word}@*");
    let help = if candidates.iter().any(|(name, _)| matches(&instances, name)) {
        format!("did you mean `{instances}`?")
    } else if let Some(group) = groups.iter().find(|group| group[1..] == *word) {
        format!("did you mean the group `{group}`?")
    } else if let Some(near) = nearest(word, known.iter().chain(&groups)) {
        format!("did you mean `{near}`?")
    } else if word.starts_with('@') && groups.is_empty() {
        "no service has a `group`".to_owned()
    } else {
        let (what, mut list) = match word.starts_with('@') {
            true => ("groups", groups),
            false => ("services", std::mem::take(&mut known)),
        };
        let more = list.len().saturating_sub(LISTED);
        list.truncate(LISTED);
        match more {
            0 => format!("{what}: {}", list.join(", ")),
            _ => format!("{what}: {} and {more} more", list.join(", ")),
        }
    };
    Unmatched {
        word: word.to_owned(),
        help,
    }
}

fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k String>) -> Option<&'k String> {
    let allowed = (word.chars().count() / 3).max(1);
    let distance = |name: &String| strsim::damerau_levenshtein(&word.to_lowercase(), &name.to_lowercase());
    known
        .map(|name| (distance(name), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUSE: [Candidate<'_>; 4] = [
        ("main_app", Some("web")),
        ("watchdog@BTC", Some("watchdogs")),
        ("watchdog@ETH", Some("watchdogs")),
        ("sync", None),
    ];

    fn names(words: &[&str]) -> Result<Vec<String>, String> {
        select_all(words, &HOUSE).map_err(|error| format!("{error}; {}", error.help()))
    }

    #[test]
    fn names_groups_and_patterns() {
        for (words, expected) in [
            (&["sync", "main_app"][..], &["main_app", "sync"][..]),
            (&["@watchdogs"], &["watchdog@BTC", "watchdog@ETH"]),
            (&["@w*"], &["main_app", "watchdog@BTC", "watchdog@ETH"]),
            (&["watchdog@*", "watchdog@BTC"], &["watchdog@BTC", "watchdog@ETH"]),
            (&["*@?TC"], &["watchdog@BTC"]),
            (&["*"], &["main_app", "watchdog@BTC", "watchdog@ETH", "sync"]),
            (&[], &[]),
        ] {
            let expected: Vec<String> = expected.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(names(words), Ok(expected), "{words:?}");
        }
    }

    #[test]
    fn what_means_nothing_says_what_was_near() {
        for (word, expected) in [
            (
                "main_ap",
                "there is no service `main_ap`; did you mean `main_app`?",
            ),
            (
                "@watchdog",
                "there is no group `watchdog`; did you mean `@watchdogs`?",
            ),
            (
                "watchdogs",
                "there is no service `watchdogs`; did you mean the group `@watchdogs`?",
            ),
            (
                "watchdog",
                "there is no service `watchdog`; did you mean `watchdog@*`?",
            ),
            (
                "zz*",
                "no service matches `zz*`; services: main_app, watchdog@BTC, watchdog@ETH, sync",
            ),
            ("@zzzz", "there is no group `zzzz`; groups: @watchdogs, @web"),
        ] {
            assert_eq!(names(&[word]), Err(expected.to_owned()));
        }
    }
}
