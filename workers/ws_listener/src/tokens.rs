//! Bearer tokens: who may connect where an address alone should not be enough.

use std::hint::black_box;

/// The accepted tokens; without any, everybody may connect. Never printed.
#[derive(Clone, Default)]
pub struct Tokens(Vec<String>);

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} tokens", self.0.len())
    }
}

impl Tokens {
    /// A comma-separated list, as an environment variable holds it; blanks do not count.
    pub fn parse(list: &str) -> Self {
        let tokens = list.split(',').map(str::trim).filter(|token| !token.is_empty());
        Self(tokens.map(str::to_owned).collect())
    }

    /// The tokens that the environment variable `name` lists.
    pub fn from_env(name: &str) -> Self {
        Self::parse(&std::env::var(name).unwrap_or_default())
    }

    /// True when everybody may connect.
    pub fn is_open(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `given` is one of them, in a time that tells nothing about which or how nearly.
    pub fn accept(&self, given: &str) -> bool {
        let found = self
            .0
            .iter()
            .fold(0, |found, token| found | u8::from(is_equal(token, given)));
        black_box(found) != 0
    }

    /// Whether a request may pass: `Authorization: Bearer …`, or `?token=…` since browsers cannot
    /// set headers on a WebSocket.
    pub(crate) fn permit(&self, authorization: Option<&str>, query: Option<&str>) -> bool {
        if self.is_open() {
            return true;
        }
        let bearer = authorization.and_then(|value| value.split_once(' '));
        let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let mut pairs = query.into_iter().flat_map(|query| query.split('&'));
        let given = bearer
            .map(|(_, token)| token.trim())
            .or_else(|| pairs.find_map(|pair| pair.strip_prefix("token=")));
        given.is_some_and(|given| self.accept(given))
    }
}

/// Compares all of `given`, whatever differs; its length is the caller's own and no secret.
fn is_equal(token: &str, given: &str) -> bool {
    let token = token.as_bytes();
    let mut differs = token.len() ^ given.len();
    for (at, byte) in given.bytes().enumerate() {
        differs |= usize::from(byte ^ token.get(at).copied().unwrap_or_default());
    }
    black_box(differs) == 0
}

#[cfg(test)]
mod tests {
    use super::Tokens;

    #[test]
    fn without_tokens_everybody_may_connect() {
        assert!(Tokens::parse(" , ").permit(None, None));
    }

    #[test]
    fn a_token_is_taken_from_the_header_or_the_query() {
        let tokens = Tokens::parse("first, second");
        assert!(tokens.permit(Some("Bearer first"), None));
        assert!(tokens.permit(Some("bearer second"), None));
        assert!(tokens.permit(None, Some("a=b&token=second")));
        for (header, query) in [
            (None, None),
            (Some("Bearer firs"), None),
            (Some("Bearer firstt"), None),
            (Some("Basic first"), None),
            (Some("Bearer "), None),
            (None, Some("token=")),
            (None, Some("xtoken=first")),
        ] {
            assert!(!tokens.permit(header, query), "{header:?} {query:?}");
        }
    }

    #[test]
    fn tokens_are_not_printed() {
        assert_eq!(format!("{:?}", Tokens::parse("hush")), "1 tokens");
    }
}
