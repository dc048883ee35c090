//! Where each symbol was when the process ended, so that the next one goes on with the same numbers
//! and fetches only what was made between them.
//!
//! Written at a clean end only, and removed when read: after a crash it would tell too little, and
//! clients are told of a gap instead.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use stream_protocol::{Position, rfc3339};
use tracing::{info, warn};

use super::Hub;
use super::late::Loss;
use super::recent::Recent;

/// After a longer pause clients start anew: fetching hours of trades would help nobody.
const AT_MOST: Duration = Duration::from_secs(600);
/// Trades of the last moment before the end may have been on their way.
const BEFORE: Duration = Duration::from_secs(2);
/// The largest file that is read.
const LARGEST: u64 = 256 << 20;

/// What a process leaves to the next.
#[derive(Debug, Serialize, Deserialize)]
pub struct Positions {
    /// When it ended, milliseconds of UNIX time.
    ended_ms: u64,
    symbols: HashMap<String, Place>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Place {
    position: Position,
    recent: Recent,
    /// Since when trades are missing, by the market's clock in milliseconds of UNIX time, if they were
    /// at the end.
    #[serde(default)]
    lost_ms: Option<u64>,
}

/// What an earlier process left, as far as nobody has asked for it yet.
#[derive(Debug, Default)]
pub struct Resumable {
    ended: Option<SystemTime>,
    symbols: HashMap<String, Place>,
}

impl Resumable {
    /// Takes what a process that ended cleanly, a moment ago, has left here. Nothing is no trouble.
    pub fn take(file: &Path) -> Self {
        match read(file) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::default(),
            Err(error) => {
                warn!("positions of an earlier process in {}: {error}", file.display());
                Self::default()
            }
        }
    }
}

fn read(file: &Path) -> io::Result<Resumable> {
    let opened = std::fs::File::open(file)?;
    // Read once: what is in it is true only now.
    std::fs::remove_file(file)?;
    let mut text = Vec::new();
    opened.take(LARGEST).read_to_end(&mut text)?;
    let found: Positions = serde_json::from_slice(&text)?;
    let ended = SystemTime::UNIX_EPOCH + Duration::from_millis(found.ended_ms);
    let age = SystemTime::now().duration_since(ended).unwrap_or_default();
    if age > AT_MOST {
        return Ok(Resumable::default());
    }
    info!(
        "{} symbols go on where they were {} s ago",
        found.symbols.len(),
        age.as_secs()
    );
    Ok(Resumable {
        ended: Some(ended),
        symbols: found.symbols,
    })
}

impl Positions {
    /// Leaves it for the next process; readable for its owner only.
    pub fn leave(&self, file: &Path) -> io::Result<()> {
        let beside = file.with_extension("new");
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut opened = options.open(&beside)?;
        opened.write_all(&serde_json::to_vec(self)?)?;
        std::fs::rename(&beside, file)
    }
}

impl Hub {
    /// Goes on where an earlier process was.
    pub fn resume_from(&mut self, resumable: Resumable) {
        self.resumable = resumable;
    }

    /// A symbol is wanted: if an earlier process had it, its numbering goes on, and what was made
    /// since then is fetched once it is confirmed.
    pub(super) fn resume(&mut self, symbol: &str) {
        let (Some(ended), Some(place)) = (self.resumable.ended, self.resumable.symbols.remove(symbol)) else {
            return;
        };
        let pause = SystemTime::now().duration_since(ended).unwrap_or_default();
        if pause > AT_MOST {
            return;
        }
        let start = self.upstream.market_time() - pause - BEFORE;
        let lost = place
            .lost_ms
            .map(|ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
        let loss = Loss {
            since: rfc3339(ended),
            start: lost.map_or(start, |lost| lost.min(start)),
        };
        self.topics.resume(symbol, place.position);
        self.late.resume(symbol, &loss, place.recent);
    }

    /// Where everything is, for the next process. What is being filled just now is told as a gap: the
    /// next fills only what is missing from here on.
    pub fn positions(&mut self) -> Positions {
        self.tell_open_holes();
        let places = self.topics.positions().map(|(symbol, position)| {
            let (recent, lost) = self.late.leave(symbol);
            let place = Place {
                position,
                recent,
                lost_ms: lost.map(milliseconds),
            };
            (symbol.to_owned(), place)
        });
        Positions {
            ended_ms: milliseconds(SystemTime::now()),
            symbols: places.collect(),
        }
    }
}

fn milliseconds(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::SystemTime;

    use stream_protocol::Position;

    use super::{Place, Positions, Recent, Resumable};

    fn positions(ended: SystemTime) -> Positions {
        let since = ended.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        let place = Place {
            position: Position {
                epoch: "e.1".into(),
                seq: 7,
            },
            recent: Recent::default(),
            lost_ms: None,
        };
        Positions {
            ended_ms: u64::try_from(since.as_millis()).expect("this century"),
            symbols: HashMap::from([("AAPL".into(), place)]),
        }
    }

    #[test]
    fn what_is_left_is_taken_once_and_only_while_it_is_fresh() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("p");
        assert!(Resumable::take(&file).ended.is_none(), "nothing was left");
        positions(SystemTime::now()).leave(&file).expect("written");
        assert_eq!(Resumable::take(&file).symbols["AAPL"].position.seq, 7);
        assert!(Resumable::take(&file).ended.is_none(), "taken");
        positions(SystemTime::now() - super::AT_MOST * 2)
            .leave(&file)
            .expect("written");
        assert!(Resumable::take(&file).symbols.is_empty(), "too old");
        std::fs::write(&file, "nonsense").expect("written");
        assert!(Resumable::take(&file).ended.is_none());
    }
}
