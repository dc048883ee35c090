//! Instants on the wire: RFC 3339 in UTC.

use std::time::SystemTime;

use jiff::Timestamp;

/// `2025-12-14T10:30:45.123456Z`: always UTC, always six digits of a second.
pub fn rfc3339(at: SystemTime) -> String {
    // Out of range is the year 9999; a clock that wrong has no better text.
    let timestamp = Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{timestamp:.6}")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::rfc3339;

    #[test]
    fn instants_have_six_digits_and_a_z() {
        let at = SystemTime::UNIX_EPOCH + Duration::new(1_765_708_245, 123_456_789);
        assert_eq!(rfc3339(at), "2025-12-14T10:30:45.123456Z");
        assert_eq!(rfc3339(SystemTime::UNIX_EPOCH), "1970-01-01T00:00:00.000000Z");
    }
}
