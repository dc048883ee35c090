//! Where the supervisor's socket is, as the environment tells.

use std::path::PathBuf;

/// `$SENTINEL_SOCKET`, else that of the supervisor that started this (`SENTINEL_RUN=NUMBER:SERVICE:STATE
/// FOLDER`), else `.sentinel/sock` beside `$SENTINEL_CONFIG`, else the one of this folder.
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
    let mark = variable("SENTINEL_RUN").unwrap_or_default();
    if let Some(state_dir) = mark.splitn(3, ':').nth(2).filter(|folder| !folder.is_empty()) {
        return PathBuf::from(state_dir).join("sock");
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
                let value = match name {
                    "SENTINEL_SOCKET" => socket,
                    "SENTINEL_CONFIG" => config,
                    _ => None,
                };
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
        let marked = find(|name| (name == "SENTINEL_RUN").then(|| "3:main_app:/desk/a:b/.sentinel".into()));
        assert_eq!(marked, Path::new("/desk/a:b/.sentinel/sock"));
    }
}
