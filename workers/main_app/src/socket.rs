//! Where the supervisor's socket is, as the environment tells.

use std::path::PathBuf;

/// `$SENTINEL_SOCKET`, else `.sentinel/sock` beside `$SENTINEL_CONFIG`, else the one of this folder.
/// `variable` looks one up; an empty variable is an unset one.
#[must_use]
pub fn find(variable: impl Fn(&str) -> Option<String>) -> PathBuf {
    let set = |name: &str| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(socket) = set("SENTINEL_SOCKET") {
        return socket;
    }
    let house = set("SENTINEL_CONFIG").and_then(|config| config.parent().map(PathBuf::from));
    house.unwrap_or_default().join(".sentinel/sock")
}

#[cfg(test)]
mod tests {
    use super::find;
    use std::path::Path;

    #[test]
    fn the_nearest_setting_counts() {
        let found = |socket: Option<&str>, config: Option<&str>| {
            find(|name| {
                let value = if name == "SENTINEL_SOCKET" { socket } else { config };
                value.map(str::to_owned)
            })
        };
        assert_eq!(
            found(Some("/run/s"), Some("/desk/services.toml")),
            Path::new("/run/s")
        );
        assert_eq!(
            found(Some(""), Some("/desk/services.toml")),
            Path::new("/desk/.sentinel/sock")
        );
        assert_eq!(found(None, Some("services.toml")), Path::new(".sentinel/sock"));
        assert_eq!(found(None, None), Path::new(".sentinel/sock"));
    }
}
