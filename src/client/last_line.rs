//! The last thing a service said, for the error message about it.

use std::ops::ControlFlow;
use std::path::Path;

use jiff::Timestamp;

use crate::logs::{Selection, Source, tail};
use crate::service::ServiceName;

use super::house::log_of;

/// The last line that a service has written since then; an older one would tell of another life.
#[must_use]
pub fn last_line(log_dir: &Path, service: &str, since: Timestamp) -> Option<String> {
    let source = Source::new(ServiceName::parse(service).ok()?, log_of(log_dir, service));
    let selection = Selection {
        since: Some(since),
        ..Selection::default()
    };
    let mut last = None;
    let result = tail(vec![source], &selection, |entry| {
        let text = String::from_utf8_lossy(&entry.text);
        if !text.trim().is_empty() {
            last = Some(text.trim().to_owned());
        }
        ControlFlow::Continue(())
    });
    // A log that cannot be read has nothing to add to the error that is told anyway.
    result.ok()?;
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_and_earlier_lives_do_not_count() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = "2026-11-21T08:41:00Z stderr F earlier\n\
                   2026-11-21T08:41:05Z stderr F Address in use\n\
                   2026-11-21T08:41:06Z stdout F \n";
        std::fs::write(folder.path().join("x.log"), log).expect("written");
        let since = |text: &str| last_line(folder.path(), "x", text.parse().expect("a time"));
        assert_eq!(since("2026-11-21T08:41:01Z").as_deref(), Some("Address in use"));
        assert_eq!(since("2026-11-21T08:41:07Z"), None);
        assert_eq!(last_line(folder.path(), "absent", Timestamp::UNIX_EPOCH), None);
    }
}
