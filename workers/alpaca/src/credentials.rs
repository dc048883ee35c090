//! An Alpaca key pair that cannot be printed by accident.

use std::fmt;

/// An API key and its secret. `Debug` shows neither, and there is no `Display`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Credentials {
    key: String,
    secret: String,
}

impl Credentials {
    /// Takes `ALPACA_API_KEY` and `ALPACA_SECRET_KEY`. An OAuth token is given as key `oauth` and
    /// the token as secret.
    pub fn new(key: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            secret: secret.into(),
        }
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::Credentials;

    #[test]
    fn debug_shows_nothing_secret() {
        let text = format!("{:?}", Credentials::new("PKEY", "hush"));
        assert_eq!(text, "Credentials(…)");
    }
}
