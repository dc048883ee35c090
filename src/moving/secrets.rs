//! What looks like a secret: by the name of its key, or by a password inside a url.

use crate::redact;

/// Whether a variable or option of this name, with this value, is to be kept from other eyes.
pub fn is_secret(name: &str, value: &str) -> bool {
    !value.is_empty() && (in_text(value) || named(name))
}

/// Whether some key on the way to a value says that it is a secret, or holds variables of which some are.
pub fn in_path(path: &[String]) -> bool {
    path.iter().any(|key| named(key))
}

/// Whether a text holds a url with a password, or assigns a secret (`DB_PASSWORD=…`, `--token …`).
pub fn in_text(text: &str) -> bool {
    let assigns = |word: &&str| {
        let name = word
            .split_once('=')
            .map(|(name, value)| (name, !value.is_empty()));
        matches!(name, Some((name, true)) if named(name.trim_matches(|c: char| !c.is_ascii_alphanumeric())))
    };
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c == ',').collect();
    let option = |pair: &[&str]| pair[0].starts_with('-') && named(pair[0]) && !pair[1].starts_with('-');
    url_password(text).is_some() || words.iter().any(assigns) || words.windows(2).any(option)
}

/// The password in `scheme://user:password@host`, unless it is a reference already.
fn url_password(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("://")?;
    let authority = rest.split(['/', '?', ' ']).next()?;
    let (login, _) = authority.rsplit_once('@')?;
    let (_, password) = login.split_once(':')?;
    (!password.is_empty() && !password.starts_with('$')).then_some(password)
}

/// Whether a name says that it names a secret.
pub fn named(name: &str) -> bool {
    redact::named(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_with_a_password_is_one_and_a_reference_is_not() {
        assert!(is_secret("DATABASE_URL", "postgres://me:hunter2@db/x"));
        assert!(!is_secret("DATABASE_URL", "postgres://me@db/x"));
        assert!(!is_secret("DATABASE_URL", "postgres://me:${PW}@db/x"));
        assert!(!is_secret("DB_PASSWORD", ""));
        assert!(in_text("A=1,DB_PASSWORD=\"x\""));
    }
}
