//! What a person most likely meant by a key or word that is not known.

use super::{Key, SECTIONS, Section};

impl Section {
    /// The key of this name.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The key of this table that an unknown one most likely stands for.
    #[must_use]
    pub fn meant(&self, unknown: &str) -> Option<&'static str> {
        let renamed = self.keys.iter().find(|key| key.elsewhere.contains(&unknown));
        renamed
            .map(|key| key.name)
            .or_else(|| nearest(unknown, self.keys.iter().map(|key| key.name)))
    }

    /// What to write instead of an unknown key, or where it belongs.
    #[must_use]
    pub fn suggest(&self, unknown: &str) -> String {
        if let Some(name) = self.meant(unknown) {
            return format!("did you mean `{name}`?");
        }
        let homes: Vec<_> = SECTIONS
            .iter()
            .filter(|section| section.key(unknown).is_some())
            .map(|section| section.name)
            .collect();
        if !homes.is_empty() {
            return format!("it belongs to {}", homes.join(" or "));
        }
        // The first keys are the common ones; nobody reads a list of all.
        const SHOWN: usize = 8;
        let known: Vec<_> = self.keys.iter().map(|key| key.name).take(SHOWN).collect();
        let more = match self.keys.len() > SHOWN {
            true => "and more (`sentinel schema` lists all)",
            false => "",
        };
        format!("{} has {} {more}", self.name, known.join(", "))
            .trim_end()
            .to_owned()
    }
}

/// The candidate that a person most likely meant, if any is near.
pub(in crate::config) fn nearest<'c>(
    word: &str,
    candidates: impl Iterator<Item = &'c str>,
) -> Option<&'c str> {
    let word = word.to_lowercase();
    let allowed = (word.chars().count() / 3).max(1);
    candidates
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&word, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
