//! The exits of this process: what every text passes that leaves it.
//!
//! Logging and panics belong to the whole process, and so does what they must not say: this is the one
//! value that has no owner in the loop. It only ever learns; a secret that was replaced stays unsaid.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::{Arc, RwLock};

use serde::Serialize;

use super::Redactor;

static KNOWN: RwLock<Option<Arc<Redactor>>> = RwLock::new(None);

fn known() -> Option<Arc<Redactor>> {
    // Whoever panicked while it was held had only replaced a pointer.
    KNOWN
        .read()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .clone()
}

/// From now on these secrets are not said, besides those that are known already.
pub fn learn(redactor: &Redactor) {
    let all = known().map_or_else(|| redactor.clone(), |known| known.and(redactor));
    *KNOWN.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Arc::new(all));
}

/// A text without any secret that this process knows.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    match known() {
        Some(known) => known.text(text),
        None => Cow::Borrowed(text),
    }
}

/// A value as JSON without any secret that this process knows.
#[must_use]
pub fn json(value: &impl Serialize) -> Vec<u8> {
    known().unwrap_or_default().json(value)
}

/// Standard error, for logging: without secrets. Each write is one whole record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Errors;

impl Write for Errors {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let clean = match known() {
            Some(known) => known.bytes(record).into_owned(),
            None => record.to_vec(),
        };
        io::stderr().write_all(&clean)?;
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// From now on a panic's message leaves without secrets.
pub fn guard_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let trace = std::backtrace::Backtrace::capture();
        let trace = match trace.status() {
            std::backtrace::BacktraceStatus::Captured => format!("{trace}\n"),
            _ => String::new(),
        };
        // Nobody is left to tell if it cannot be written.
        let _ = Errors.write_all(format!("sentinel: a bug: {panic}\n{trace}").as_bytes());
    }));
}
