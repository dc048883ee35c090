//! Services that differ by a number alone become one table with `instances`, where their texts allow it.
//!
//! The texts decide, not the input's own pattern: a template is guessed from where they differ, and taken only
//! when it gives every one of them back, letter by letter.

use super::draft::{Draft, Service, quote};
use super::ledger::Ledger;

/// `web_00` and `web_01` of one table become `web@00` and `web@01`, written once.
pub fn fold(draft: &mut Draft, ledger: &mut Ledger) {
    let mut kept: Vec<Service> = Vec::new();
    let mut renamed: Vec<(String, String)> = Vec::new();
    let mut rest = std::mem::take(&mut draft.services).into_iter().peekable();
    while let Some(first) = rest.next() {
        let mut family = vec![first];
        while let Some(next) = rest.next_if(|next| next.family.is_some() && next.family == family[0].family) {
            family.push(next);
        }
        match folded(&family).filter(|whole| kept.iter().all(|known| known.name != whole.name)) {
            Some(whole) => {
                for (member, label) in family.iter().zip(&whole.instances) {
                    renamed.push((member.name.clone(), format!("{}@{label}", whole.name)));
                }
                kept.push(whole);
            }
            None => kept.extend(family),
        }
    }
    draft.services = kept;
    follow(draft, ledger, &renamed);
}

/// Whoever named a member names it as it is called now.
fn follow(draft: &mut Draft, ledger: &mut Ledger, renamed: &[(String, String)]) {
    let now = |name: &str| {
        renamed
            .iter()
            .find(|(old, _)| old == name)
            .map(|(_, new)| new.clone())
    };
    for after in draft.services.iter_mut().flat_map(|service| &mut service.after) {
        if let Some(name) = now(after) {
            *after = name;
        }
    }
    for entry in &mut ledger.entries {
        if let Some(name) = entry.service.as_deref().and_then(now) {
            entry.service = name.split_once('@').map(|(whole, _)| whole.to_owned());
        }
    }
    for (old, new) in renamed {
        draft.remarks.push(format!("`{old}` is named `{new}` here"));
    }
}

/// The one table for all of them.
fn folded(family: &[Service]) -> Option<Service> {
    let (first, whole) = (family.first()?, family[0].family.clone()?);
    if family.len() < 2 || family.iter().any(|one| one.parked.is_some()) {
        return None;
    }
    let labels: Vec<&str> = family
        .iter()
        .map(|one| one.name.strip_prefix(&whole)?.strip_prefix(['_', '-', '.']))
        .collect::<Option<_>>()?;
    let legal = |label: &&str| !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric());
    if !labels.iter().all(legal) {
        return None;
    }
    let texts = |of: fn(&Service) -> Vec<&str>| {
        let count = of(first).len();
        let same = family.iter().all(|one| of(one).len() == count);
        let column = |at: usize| template(&family.iter().map(|one| of(one)[at]).collect::<Vec<_>>(), &labels);
        same.then(|| (0..count).map(column).collect::<Option<Vec<String>>>())
            .flatten()
    };
    let command = texts(|one| one.command.iter().map(String::as_str).collect())?;
    let values = texts(|one| one.env.iter().map(|(_, value)| value.as_str()).collect())?;
    let cwd = texts(|one| one.cwd.to_str().into_iter().collect())?;
    let alike = family.iter().all(|one| {
        one.env
            .iter()
            .map(|(name, _)| name)
            .eq(first.env.iter().map(|(name, _)| name))
            && (&one.after, one.restart, &one.lines, &one.tables)
                == (&first.after, first.restart, &first.lines, &first.tables)
    });
    if !alike {
        return None;
    }
    Some(Service {
        name: whole,
        command,
        cwd: cwd.first()?.into(),
        env: first
            .env
            .iter()
            .map(|(name, _)| name.clone())
            .zip(values)
            .collect(),
        port_sum: sum(family)?,
        instances: labels.iter().map(|label| (*label).to_owned()).collect(),
        ..first.clone()
    })
}

/// `8101+{index}` for ports that follow each other; nothing where there are none.
fn sum(family: &[Service]) -> Option<Option<String>> {
    let ports: Vec<Vec<u16>> = family
        .iter()
        .map(|one| one.ports.iter().map(|(port, _)| *port).collect())
        .collect();
    if ports.iter().all(Vec::is_empty) {
        return Some(None);
    }
    let first = *ports.first()?.first()?;
    let follows = (first..).zip(&ports).all(|(wanted, found)| *found == [wanted]);
    follows.then(|| Some(quote(&format!("{first}+{{index}}"))))
}

/// The text in which `{instance}` or `{index}` makes each of these.
fn template(texts: &[&str], labels: &[&str]) -> Option<String> {
    // Braces of the input would be read as ours.
    if texts.iter().any(|text| {
        ["{instance}", "{index}", "{port}", "{name}"]
            .iter()
            .any(|word| text.contains(word))
    }) {
        return None;
    }
    if texts.iter().all(|text| *text == texts[0]) {
        return Some(texts[0].to_owned());
    }
    let places = texts[0]
        .match_indices(labels[0])
        .map(|(at, _)| (at, labels[0].len(), "{instance}"));
    let zeros = texts[0].match_indices('0').map(|(at, _)| (at, 1, "{index}"));
    let guesses = places
        .chain(zeros)
        .map(|(at, length, word)| format!("{}{word}{}", &texts[0][..at], &texts[0][at + length..]));
    let everywhere = [texts[0].replace(labels[0], "{instance}")];
    let gives = |guess: &String| {
        texts
            .iter()
            .zip(labels)
            .enumerate()
            .all(|(index, (text, label))| {
                guess
                    .replace("{instance}", label)
                    .replace("{index}", &index.to_string())
                    == **text
            })
    };
    guesses.chain(everywhere).find(gives)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_gives_every_text_back_or_is_none() {
        let labels = ["00", "01", "02"];
        assert_eq!(
            template(&["same", "same", "same"], &labels).as_deref(),
            Some("same")
        );
        assert_eq!(
            template(&["a-00", "a-01", "a-02"], &labels).as_deref(),
            Some("a-{instance}")
        );
        assert_eq!(
            template(&["--id=0", "--id=1", "--id=2"], &labels).as_deref(),
            Some("--id={index}")
        );
        assert_eq!(
            template(&["/00/x.00", "/01/x.01", "/02/x.02"], &labels).as_deref(),
            Some("/{instance}/x.{instance}")
        );
        assert_eq!(template(&["a", "b", "c"], &labels), None);
        assert_eq!(template(&["{name} 00", "{name} 01", "{name} 02"], &labels), None);
    }
}
