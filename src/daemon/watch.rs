//! Notices that files changed for which a service is to be restarted: inotify, no polling.

mod folders;
mod pattern;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::inotify::AddWatchFlags;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, timeout};

use super::mailbox::{Mailbox, Message};
use crate::service::{ServiceName, Spec};
use folders::{Folders, Happened};
use pattern::Pattern;

/// So long nothing more changes before anything is told: editors and checkouts write many files.
const QUIET: Duration = Duration::from_millis(200);
/// Told then in any case: something may write all the time.
const LONGEST: Duration = Duration::from_secs(2);

/// Whose patterns, and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    service: ServiceName,
    patterns: Vec<Pattern>,
}

/// What is watched, and what never is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    subjects: Vec<Subject>,
    /// Paths are told relative to this one.
    root: PathBuf,
    /// Our own state, and the logs: restarts write there.
    excluded: [PathBuf; 2],
}

impl Scope {
    /// What these services declare.
    #[must_use]
    pub fn of(specs: &[Arc<Spec>], root: &Path, excluded: [PathBuf; 2]) -> Self {
        let watching = specs.iter().filter(|spec| !spec.watch.is_empty());
        let subject = |spec: &Arc<Spec>| Subject {
            service: spec.name.clone(),
            patterns: spec.watch.iter().map(|text| Pattern::parse(text)).collect(),
        };
        Self {
            subjects: watching.map(subject).collect(),
            root: root.to_path_buf(),
            excluded,
        }
    }

    fn is_excluded(&self, path: &Path) -> bool {
        self.excluded.iter().any(|excluded| path.starts_with(excluded))
    }

    /// Whether something below this folder can matter to anybody.
    fn reaches(&self, folder: &Path) -> bool {
        let mut patterns = self.subjects.iter().flat_map(|subject| &subject.patterns);
        !self.is_excluded(folder) && patterns.any(|pattern| pattern.reaches(folder))
    }

    /// Where to begin: one above what is spelled out, so that it may go and come back.
    fn beginnings(&self) -> Vec<PathBuf> {
        let patterns = self.subjects.iter().flat_map(|subject| &subject.patterns);
        let beginning = |pattern: &Pattern| {
            let base = pattern.base();
            let above = match base.parent() {
                Some(parent) if base != self.root => parent.to_path_buf(),
                Some(_) | None => base,
            };
            let existing = above.ancestors().find(|folder| folder.is_dir());
            existing.unwrap_or(Path::new("/")).to_path_buf()
        };
        let mut all: Vec<PathBuf> = patterns.map(beginning).collect();
        all.sort();
        all.dedup();
        all
    }
}

/// Begins to watch; the handle ends it. Nothing happens when nothing is to be watched.
pub fn begin(scope: Scope, mailbox: Mailbox) -> Option<AbortHandle> {
    if scope.subjects.is_empty() {
        return None;
    }
    let watching = async move {
        if let Err(error) = watch(scope, mailbox).await {
            tracing::error!("files are not watched: {error}");
        }
    };
    Some(spawn_local(watching).abort_handle())
}

async fn watch(scope: Scope, mailbox: Mailbox) -> io::Result<()> {
    let scope = Arc::new(scope);
    let mut folders = Folders::new()?;
    let beginnings = scope.beginnings();
    folders = cover(folders, scope.clone(), beginnings).await?.0;
    tracing::info!(folders = folders.count(), "watching files");
    loop {
        let events = folders.events().await?;
        let mut changes = Changes::default();
        folders = take(folders, &scope, events, &mut changes).await?;
        let latest = Instant::now() + LONGEST;
        while !changes.is_empty() && Instant::now() < latest {
            let Ok(events) = timeout(QUIET, folders.events()).await else {
                break;
            };
            folders = take(folders, &scope, events?, &mut changes).await?;
        }
        changes.tell(&mailbox);
    }
}

/// Notes what happened, and follows folders that come and go.
async fn take(
    mut folders: Folders,
    scope: &Arc<Scope>,
    events: Vec<Happened>,
    changes: &mut Changes,
) -> io::Result<Folders> {
    let mut fresh = Vec::new();
    for Happened { path, mask } in events {
        if mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            changes.note_all(scope);
            fresh.extend(scope.beginnings());
        } else if !mask.contains(AddWatchFlags::IN_ISDIR) {
            changes.note(scope, &path);
        } else if mask.intersects(AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO) {
            fresh.push(path);
        } else if mask.contains(AddWatchFlags::IN_MOVED_FROM) {
            folders.leave(&path);
            changes.note_folder(scope, &path);
        }
    }
    if fresh.is_empty() {
        return Ok(folders);
    }
    // Files may have come before their folder was watched.
    let (folders, found) = cover(folders, scope.clone(), fresh).await?;
    found.iter().for_each(|path| changes.note(scope, path));
    Ok(folders)
}

/// Watches these folders and all below that matter, off the loop: a tree may be large.
async fn cover(
    mut folders: Folders,
    scope: Arc<Scope>,
    tops: Vec<PathBuf>,
) -> io::Result<(Folders, Vec<PathBuf>)> {
    let work = move || {
        let found = folders.cover(tops, |folder| scope.reaches(folder))?;
        Ok((folders, found))
    };
    super::aside::done(work).await?
}

/// What changed for whom: the first file, and how many more.
#[derive(Debug, Default)]
struct Changes(BTreeMap<ServiceName, Vec<String>>);

/// More are counted as this many.
const COUNTED: usize = 100;

impl Changes {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A file changed, came or went.
    fn note(&mut self, scope: &Scope, path: &Path) {
        self.note_where(scope, path, |pattern| pattern.matches(path));
    }

    /// A folder went, and all in it.
    fn note_folder(&mut self, scope: &Scope, path: &Path) {
        self.note_where(scope, path, |pattern| pattern.reaches(path));
    }

    fn note_where(&mut self, scope: &Scope, path: &Path, concerned: impl Fn(&Pattern) -> bool) {
        if scope.is_excluded(path) {
            return;
        }
        let shown = path.strip_prefix(&scope.root).unwrap_or(path);
        let shown = shown.display().to_string();
        for subject in &scope.subjects {
            if subject.patterns.iter().any(&concerned) {
                let files = self.0.entry(subject.service.clone()).or_default();
                if files.len() < COUNTED && !files.contains(&shown) {
                    files.push(shown.clone());
                }
            }
        }
    }

    /// The kernel has lost count: anything may have changed.
    fn note_all(&mut self, scope: &Scope) {
        for subject in &scope.subjects {
            let files = self.0.entry(subject.service.clone()).or_default();
            files.push("more files than the kernel could count".into());
        }
    }

    fn tell(self, mailbox: &Mailbox) {
        for (service, files) in self.0 {
            let why = in_words(&files);
            tracing::info!(%service, "{why}");
            mailbox.post(Message::FilesChanged { service, why });
        }
    }
}

fn in_words(files: &[String]) -> String {
    match files {
        [] => "files changed".into(),
        [only] => format!("{only} changed"),
        [first, second] => format!("{first} and {second} changed"),
        [first, more @ ..] => format!("{first} and {} more files changed", more.len()),
    }
}

#[cfg(test)]
mod tests;
