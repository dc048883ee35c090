//! The exits of this process: what every text passes that leaves it.
//!
//! Logging and panics belong to the whole process, and so does what they must not say: this is the one
//! value that has no owner in the loop. It only ever learns; a secret that was replaced stays unsaid.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::{Arc, PoisonError, RwLock};

use serde::Serialize;

use super::Redactor;

static KNOWN: RwLock<Option<Arc<Redactor>>> = RwLock::new(None);

fn known() -> Option<Arc<Redactor>> {
    // Whoever panicked while it was held had only replaced a pointer.
    KNOWN.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// From now on these secrets are not said, besides those that are known already.
pub fn learn(redactor: &Redactor) {
    let all = known().map_or_else(|| redactor.clone(), |known| known.and(redactor));
    *KNOWN.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(all));
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

/// The same, but only if a secret was in it: otherwise the value may be said as it is.
#[must_use]
pub fn cleaned(value: &impl Serialize) -> Option<Vec<u8>> {
    let known = known()?;
    if known.knows_nothing() {
        return None;
    }
    let plain = serde_json::to_vec(value).ok()?;
    matches!(known.bytes(&plain), Cow::Owned(_)).then(|| known.json(value))
}

thread_local! {
    /// What waits to be written together; none while every record is written at once.
    static HELD: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}
/// More does not wait, in bytes.
const MOST_HELD: usize = 32 << 10;

/// Standard error, for logging: without secrets. Each write is one whole record, or some.
#[derive(Clone, Copy, Debug, Default)]
pub struct Errors;

impl Errors {
    /// What this thread writes from now on waits for [`Errors::release`]: what is logged in one go is written in
    /// one go.
    pub fn hold() {
        HELD.with_borrow_mut(|held| {
            held.get_or_insert_default();
        });
    }

    /// Writes what waits; nothing waits any more.
    pub fn release() {
        // A panic may come while a record is taken in: then what waits is lost, and not the panic's own words.
        let take = |held: &RefCell<Option<Vec<u8>>>| held.try_borrow_mut().ok()?.take();
        let waiting = HELD.try_with(take).ok().flatten();
        if let Some(waiting) = waiting.filter(|waiting| !waiting.is_empty()) {
            // Nobody is left to tell if it cannot be written.
            let _ = say(&waiting);
        }
    }
}

fn say(records: &[u8]) -> io::Result<()> {
    match known() {
        Some(known) => io::stderr().write_all(&known.bytes(records)),
        None => io::stderr().write_all(records),
    }
}

impl Write for Errors {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        HELD.with_borrow_mut(|held| {
            let Some(waiting) = held else {
                return say(record);
            };
            waiting.extend_from_slice(record);
            match waiting.len() {
                0..MOST_HELD => Ok(()),
                _ => say(&std::mem::take(waiting)),
            }
        })?;
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
        Errors::release();
        // Nobody is left to tell if it cannot be written.
        let _ = say(format!("sentinel: a bug: {panic}\n{trace}").as_bytes());
    }));
}
