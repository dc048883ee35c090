//! What may not be said: secrets, taken out of every text that leaves a process of ours.
//!
//! One value, a [`Redactor`], knows the secrets of a services.toml; one place per process holds it
//! ([`learn`]), and every exit asks it: answers and events of the control socket ([`json`]), `sentinel.log`
//! and panics ([`Errors`]), what is kept on disk, and all that a command prints ([`text`]). What a service
//! itself writes to its log is its own word and stays as it is.
//!
//! The cost: one pass over a text that leaves, which compares only where a secret could begin. Nothing is
//! done while nothing is said.

mod exit;
mod name;
mod needle;

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

pub use exit::{Errors, cleaned, guard_panics, json, learn, text};
pub use name::named;
use needle::Needle;

/// What stands in a secret's place.
pub const REDACTED: &str = "[redacted]";

/// The secrets of one house, and how they are taken out of a text. Says nothing of them itself.
#[derive(Clone, Default, PartialEq)]
pub struct Redactor {
    /// The longest first, so that a secret that holds another goes whole.
    needles: Vec<Needle>,
}

impl Redactor {
    /// One that knows these secrets. Values that could not be told from ordinary words (shorter than four
    /// characters, numbers of a few digits, yes and no, the words of our own answers) are left alone.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut needles: Vec<Needle> = secrets
            .into_iter()
            .flat_map(|secret| needle::of(&secret))
            .collect();
        needles.sort();
        needles.dedup();
        Self { needles }
    }

    /// Knows what both know.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut needles = [&self.needles[..], &other.needles[..]].concat();
        needles.sort();
        needles.dedup();
        Self { needles }
    }

    /// Whether nothing is a secret to it.
    #[must_use]
    pub fn knows_nothing(&self) -> bool {
        self.needles.is_empty()
    }

    /// The text without its secrets.
    #[must_use]
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.bytes(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            // Whole needles, which are UTF-8, were taken out of UTF-8.
            Cow::Owned(clean) => Cow::Owned(String::from_utf8_lossy(&clean).into_owned()),
        }
    }

    /// The same for bytes.
    #[must_use]
    pub fn bytes<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        if self.needles.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut firsts = [false; 256];
        self.needles
            .iter()
            .for_each(|needle| firsts[usize::from(needle.first())] = true);
        let (mut clean, mut kept, mut at) = (Vec::new(), 0, 0);
        while at < text.len() {
            let begins = || self.needles.iter().find_map(|needle| needle.at(text, at));
            match firsts[usize::from(text[at])].then(begins).flatten() {
                Some(length) => {
                    clean.extend_from_slice(&text[kept..at]);
                    clean.extend_from_slice(REDACTED.as_bytes());
                    at += length;
                    kept = at;
                }
                None => at += 1,
            }
        }
        if kept == 0 {
            return Cow::Borrowed(text);
        }
        clean.extend_from_slice(&text[kept..]);
        Cow::Owned(clean)
    }

    /// A value as JSON, its texts without secrets; names of fields and numbers stay as they are.
    #[must_use]
    pub fn json(&self, value: &impl Serialize) -> Vec<u8> {
        let plain = serde_json::to_vec(value).unwrap_or_default();
        if let Cow::Borrowed(_) = self.bytes(&plain) {
            return plain;
        }
        let mut tree = serde_json::from_slice(&plain).unwrap_or_default();
        self.clean(&mut tree);
        serde_json::to_vec(&tree).unwrap_or_default()
    }

    /// Takes the secrets out of every text in a tree.
    pub fn clean(&self, tree: &mut Value) {
        match tree {
            Value::String(text) => {
                if let Cow::Owned(clean) = self.text(text) {
                    *text = clean;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.clean(item)),
            Value::Object(fields) => fields.iter_mut().for_each(|(_, field)| self.clean(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor of {} patterns", self.needles.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(secrets: &[&str]) -> Redactor {
        Redactor::new(secrets.iter().map(|&secret| secret.to_owned()))
    }

    #[test]
    fn every_occurrence_goes_and_the_longer_secret_goes_whole() {
        let redactor = of(&["hunter22", "hunter22-and-more"]);
        assert_eq!(
            redactor.text("a hunter22 b hunter22-and-more,hunter22"),
            "a [redacted] b [redacted],[redacted]"
        );
        assert!(matches!(redactor.text("nothing of it"), Cow::Borrowed(_)));
        assert_eq!(format!("{redactor:?}"), "Redactor of 2 patterns");
    }

    #[test]
    fn a_short_one_is_a_secret_only_as_a_word() {
        let redactor = of(&["rose", "éclair"]);
        assert_eq!(
            redactor.text("prose rose roses rose."),
            "prose [redacted] roses [redacted]."
        );
        assert_eq!(redactor.text("un éclair!"), "un [redacted]!");
    }

    #[test]
    fn it_is_known_in_other_spellings() {
        let redactor = of(&["a\"b\\c\nd e/f@g", "line one of the key\nline two of the key"]);
        let secret = "a\"b\\c\nd e/f@g";
        for spelling in [
            secret.to_owned(),
            format!("{secret:?}"),
            serde_json::to_string(secret).expect("JSON"),
            "http://a%22b%5Cc%0Ad%20e%2Ff%40g@host".into(),
            "log: line two of the key".into(),
        ] {
            let said = redactor.text(&spelling);
            assert!(said.contains(REDACTED), "{spelling} became {said}");
            assert!(
                !said.contains("d e") && !said.contains("d%20e") && !said.contains("two"),
                "{said}"
            );
        }
    }

    #[test]
    fn one_that_was_cut_off_goes_too() {
        let redactor = of(&["correct-horse-battery"]);
        assert_eq!(redactor.text("it said: correct-horse-b…"), "it said: [redacted]…");
        assert_eq!(redactor.text("it said: correct-horse-b"), "it said: [redacted]");
        assert_eq!(redactor.text("a correct-horse race"), "a correct-horse race");
    }

    #[test]
    fn ordinary_words_are_no_secrets() {
        let redactor = of(&["", "abc", "true", "8765", "RUNNING", "healthy", "no"]);
        assert_eq!(format!("{redactor:?}"), "Redactor of 0 patterns");
    }

    #[test]
    fn json_keeps_its_shape() {
        let redactor = of(&["12345678", "pass\"word"]);
        let value = serde_json::json!({"pid": 12_345_678, "12345678": ["pass\"word", null, "12345678 x"]});
        let clean: Value = serde_json::from_slice(&redactor.json(&value)).expect("JSON");
        assert_eq!(
            clean,
            serde_json::json!({"pid": 12_345_678, "12345678": ["[redacted]", null, "[redacted] x"]})
        );
    }
}
