//! What systemd, if it began this supervisor, has to be asked before the loop begins: nobody waits in there.

use crate::paths::Paths;
use crate::process;
use crate::systemd::{Unit, is_running};

/// The unit that runs this supervisor, which is written down for the clients of a time without a supervisor.
#[derive(Debug, Default)]
pub struct Host(Option<Unit>);

impl Host {
    /// Asks, where there is somebody to ask.
    #[must_use]
    pub fn find() -> Self {
        // systemd sets it for whatever it begins, and for nobody else (systemd.exec(5)).
        if !is_running() || std::env::var_os("INVOCATION_ID").is_none() {
            return Self(None);
        }
        let unit = Unit::of_process(std::process::id().cast_signed());
        if unit.as_ref().is_some_and(Unit::delegates) {
            process::is_told_to_divide();
        }
        Self(unit)
    }

    /// From now on this house is one that systemd runs, by that unit.
    pub fn write_down(&self, paths: &Paths) {
        let Some(unit) = self
            .0
            .as_ref()
            .filter(|unit| Unit::recorded(paths).as_ref() != Some(*unit))
        else {
            return;
        };
        match unit.record(paths) {
            Ok(()) => tracing::info!("run by {unit}: `sentinel restart` goes through it from now on"),
            Err(error) => tracing::warn!(%error, "run by {unit}, which cannot be written down"),
        }
    }
}
