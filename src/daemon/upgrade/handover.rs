//! What one image of the supervisor leaves in this process for the next: numbers of open descriptors, and
//! all that it knows, as JSON in memory that no disk can refuse.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use rustix::fs::{MemfdFlags, memfd_create};
use serde::{Deserialize, Serialize};

use crate::api::Cause;
use crate::daemon::ledger::Attribution;
use crate::daemon::lives::LifeRecord;
use crate::descriptor;
use crate::process::Identity;
use crate::service::{Run, ServiceName};
use crate::supervisor::{Memory, Moment};

/// The present format. A field that comes later needs `#[serde(default)]`; another number, and no earlier
/// version can be replaced in place by this one.
const FORMAT: u32 = 1;

/// Everything that goes from one image to the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Handover {
    format: u32,
    /// The process that both run in.
    pub pid: i32,
    /// The version of the image before.
    pub from: String,
    /// How often the image was replaced, the next time included.
    pub upgrades: u32,
    /// When the supervisor began.
    pub began: Moment,
    /// What the machine knows.
    pub machine: Memory,
    /// Runs that have processes.
    pub lives: Vec<LifeRecord>,
    /// What else belongs to them.
    pub runs: Vec<HandedRun>,
    /// Children that belong to no run.
    pub own: Vec<i32>,
    /// The pipes that services write to: standard output, standard error.
    pub outputs: Vec<(ServiceName, [RawFd; 2])>,
    /// The sockets that are listened on for services.
    pub sockets: Vec<(ServiceName, SocketAddr, RawFd)>,
    /// The control socket, which takes callers all the while.
    pub listener: RawFd,
    /// The supervisor's lock.
    pub supervisor: RawFd,
    /// The lock of this very operation.
    pub operation: RawFd,
    /// Why each service is wanted up or down.
    #[serde(default)]
    pub attribution: Attribution,
    /// Who asked for this.
    #[serde(default)]
    pub asked: Option<Cause>,
    /// Stands by until the next image serves.
    #[serde(default)]
    pub guard: Option<Identity>,
}

/// What belongs to a run besides its processes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HandedRun {
    /// Which.
    pub run: Run,
    /// When it was spawned.
    pub spawned: Moment,
    /// It said itself that it is ready.
    pub spoke: bool,
    /// Its notify socket.
    pub notify: Option<RawFd>,
    /// Whether the last answer of its health probe was good, and how many in a row were not.
    #[serde(default)]
    pub course: (Option<bool>, u32),
    /// What it says of itself.
    #[serde(default)]
    pub status: Option<String>,
    /// It said that it reloads, and not yet that it is ready again.
    #[serde(default)]
    pub reloading: bool,
}

impl Handover {
    /// An image of this version hands over; the rest is to be filled in.
    #[must_use]
    pub fn begin(upgrades: u32, began: Moment, machine: Memory) -> Self {
        Self {
            format: FORMAT,
            pid: std::process::id().cast_signed(),
            from: env!("CARGO_PKG_VERSION").into(),
            upgrades,
            began,
            machine,
            lives: Vec::new(),
            runs: Vec::new(),
            own: Vec::new(),
            outputs: Vec::new(),
            sockets: Vec::new(),
            listener: -1,
            supervisor: -1,
            operation: -1,
            attribution: Attribution::default(),
            asked: None,
            guard: None,
        }
    }

    /// Writes it down in memory.
    ///
    /// # Errors
    /// No descriptor or memory is left.
    pub fn write(&self) -> io::Result<File> {
        let mut memory = File::from(memfd_create("sentinel-handover", MemfdFlags::CLOEXEC)?);
        memory.write_all(&serde_json::to_vec(self)?)?;
        memory.rewind()?;
        Ok(memory)
    }

    /// Reads what an image wrote down.
    ///
    /// # Errors
    /// It is of a format that this version does not know, or incomplete: says so in a sentence.
    pub fn read(mut memory: File) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
            from: String,
        }
        let mut text = Vec::new();
        let unreadable = |error: &dyn std::fmt::Display| format!("cannot read what was handed over: {error}");
        memory.rewind().map_err(|error| unreadable(&error))?;
        memory
            .read_to_end(&mut text)
            .map_err(|error| unreadable(&error))?;
        let Format { format, from } = serde_json::from_slice(&text).map_err(|error| unreadable(&error))?;
        if format != FORMAT {
            return Err(format!(
                "sentinel {from} hands over in format {format}, and {} knows format {FORMAT} only",
                env!("CARGO_PKG_VERSION")
            ));
        }
        serde_json::from_slice(&text)
            .map_err(|error| format!("does not know the state of sentinel {from}: {error}"))
    }

    /// Takes every descriptor that is named. To be called first of all, see [`descriptor::inherited`].
    ///
    /// # Errors
    /// One of them is not open.
    pub fn take_descriptors(&self) -> io::Result<HashMap<RawFd, OwnedFd>> {
        let outputs = self.outputs.iter().flat_map(|(_, pair)| pair);
        let sockets = self.sockets.iter().map(|(_, _, number)| number);
        let notify = self.runs.iter().filter_map(|run| run.notify.as_ref());
        let own = [&self.listener, &self.supervisor, &self.operation];
        outputs
            .chain(sockets)
            .chain(notify)
            .chain(own)
            .map(|&number| {
                let taken = descriptor::inherited(number)
                    .map_err(|error| io::Error::new(error.kind(), format!("descriptor {number}: {error}")))?;
                Ok((taken.as_raw_fd(), taken))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handover() -> Handover {
        let service = ServiceName::parse("web").expect("valid");
        Handover {
            outputs: vec![(service, [7, 8])],
            ..Handover::begin(1, Moment::default(), Memory::default())
        }
    }

    fn memory(text: &str) -> File {
        let mut file = File::from(memfd_create("test", MemfdFlags::CLOEXEC).expect("memory"));
        file.write_all(text.as_bytes()).expect("written");
        file
    }

    #[test]
    fn what_is_written_is_read() {
        let handover = handover();
        let memory = handover.write().expect("written");
        assert_eq!(Handover::read(memory), Ok(handover));
    }

    #[test]
    fn another_format_and_garbage_are_told() {
        let text = serde_json::to_string(&handover()).expect("JSON");
        let other = text.replacen("\"format\":1", "\"format\":99", 1);
        let said = Handover::read(memory(&other)).expect_err("not known");
        assert!(said.contains("format 99"), "{said}");
        let half = text.replacen("\"machine\"", "\"other\"", 1);
        let said = Handover::read(memory(&half)).expect_err("not known");
        assert!(said.contains("does not know the state"), "{said}");
        for garbage in ["", "{", "null", "\u{0}"] {
            assert!(Handover::read(memory(garbage)).is_err());
        }
    }

    #[test]
    fn more_fields_than_are_known_are_no_harm() {
        let text = serde_json::to_string(&handover()).expect("JSON");
        let more = text.replacen('{', "{\"later\":true,", 1);
        assert_eq!(Handover::read(memory(&more)), Ok(handover()));
    }
}
