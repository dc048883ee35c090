//! PURE: which names say that they name a secret.

/// Words that say so wherever they stand in a part of a name.
const WORDS: [&str; 11] = [
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "SECRET",
    "TOKEN",
    "APIKEY",
    "CREDENTIAL",
    "PRIVATE",
    "WEBHOOK",
    "BEARER",
    "AUTHORIZATION",
];
/// Words that say so when they are a whole part of a name.
const SEGMENTS: [&str; 11] = [
    "KEY", "KEYS", "PASS", "PWD", "PSK", "PAT", "AUTH", "DSN", "JWT", "COOKIE", "SALT",
];
/// A name that ends so says where a secret is, not what it is.
const PLACES: [&str; 4] = ["FILE", "PATH", "DIR", "URI"];

/// Whether a name (of a variable, an option, a field, a parameter) says that it names a secret.
#[must_use]
pub fn named(name: &str) -> bool {
    let upper = name.to_ascii_uppercase().replace(['-', '.', ' '], "_");
    if matches!(upper.as_str(), "PWD" | "OLDPWD") {
        return false;
    }
    let segments: Vec<&str> = upper.split('_').filter(|segment| !segment.is_empty()).collect();
    let place = segments.last().is_some_and(|last| PLACES.contains(last));
    let secret =
        |segment: &&str| SEGMENTS.contains(segment) || WORDS.iter().any(|word| segment.contains(word));
    !place && !segments.contains(&"PUBLIC") && segments.iter().any(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_a_secret_and_names_that_do_not() {
        for name in [
            "DB_PASSWORD",
            "ALPACA_API_KEY",
            "APCA-API-SECRET-KEY",
            "token",
            "GITHUB_PAT",
            "SMTP_PASS",
            "apiKey",
            "authToken",
            "SENTRY_DSN",
            "BASIC_AUTH",
            "AWS_CREDENTIALS",
            "SLACK_WEBHOOK_URL",
        ] {
            assert!(named(name), "{name}");
        }
        for name in [
            "PWD",
            "KEYBOARD",
            "PUBLIC_KEY",
            "TLS_KEY_FILE",
            "PATH",
            "MONKEY",
            "COMPASS",
            "PORT",
            "AUTHOR",
        ] {
            assert!(!named(name), "{name}");
        }
    }
}
