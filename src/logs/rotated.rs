//! The names of rotated files: `x.log.20261121T084100.123456Z`, then `….gz`. Their order is that of time.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// How a rotation's time stands in a name.
const FORM: &str = "%Y%m%dT%H%M%S.%6fZ";

/// A rotated file, as its name tells.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rotated {
    /// The name of the log, `x.log`.
    pub log: String,
    /// When it was rotated: no line in it is younger. Written so that the order of text is that of time.
    pub at: String,
    /// It is gzip.
    pub compressed: bool,
}

impl Rotated {
    /// The name of a log that is rotated now.
    #[must_use]
    pub fn name(log: &str, at: Timestamp) -> String {
        format!("{log}.{}", at.to_zoned(TimeZone::UTC).strftime(FORM))
    }

    /// Reads a file's name; `None` when it is not of a rotated log.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (bare, compressed) = match name.strip_suffix(".gz") {
            Some(bare) => (bare, true),
            None => (name, false),
        };
        let split = bare.len().checked_sub("20261121T084100.123456Z".len())?;
        let log = bare.get(..split)?.strip_suffix('.')?;
        let at = bare.get(split..)?;
        let shape = |(index, byte): (usize, u8)| match index {
            8 => byte == b'T',
            15 => byte == b'.',
            22 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        };
        (log.ends_with(".log") && at.bytes().enumerate().all(shape)).then(|| Self {
            log: log.to_owned(),
            at: at.to_owned(),
            compressed,
        })
    }

    /// When it was rotated.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        jiff::civil::DateTime::strptime("%Y%m%dT%H%M%S.%fZ", &self.at)
            .ok()?
            .to_zoned(TimeZone::UTC)
            .ok()
            .map(|zoned| zoned.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_what_was_rotated_when() {
        let at: Timestamp = "2026-11-21T08:41:00.012345Z".parse().expect("a time");
        let name = Rotated::name("web.log", at);
        assert_eq!(name, "web.log.20261121T084100.012345Z");
        let plain = Rotated::parse(&name).expect("rotated");
        assert_eq!(
            (plain.log.as_str(), plain.compressed, plain.time()),
            ("web.log", false, Some(at))
        );
        let gzip = Rotated::parse(&format!("{name}.gz")).expect("rotated");
        assert!(gzip.compressed && gzip.at == plain.at);
    }

    #[test]
    fn other_names_are_not_ours() {
        for name in [
            "web.log",
            "web.log.1",
            "web.log.20261121T084100.012345Z.gz.part",
            "web.txt.20261121T084100.012345Z",
            "web.log.20261121X084100.012345Z",
            "ü.log",
            "",
        ] {
            assert_eq!(Rotated::parse(name), None, "{name}");
        }
    }
}
