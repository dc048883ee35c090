//! What changes about the logs while they are written: services that come and go, rules, names.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use jiff::Timestamp;
use nix::sys::inotify::AddWatchFlags;
use rustix::event::epoll::{self, EventData, EventFlags};
use tokio::sync::mpsc::UnboundedSender;

use super::{Opening, Scribe};
use crate::daemon::output::channel::{Channel, Ends};
use crate::daemon::output::own;
use crate::daemon::output::sink::Sink;
use crate::daemon::output::tally::{Errors, Shared};
use crate::logs::rotated::Rotated;
use crate::logs::{self, Stream};
use crate::service::{LogSpec, ServiceName};

impl Scribe {
    pub(super) fn open(&mut self, opening: Opening) {
        let Opening {
            service,
            spec,
            folder,
            pipes,
            shared,
            errors,
        } = opening;
        let errors: Rc<Path> = errors.into();
        let sinks = self.sinks(&service, &spec, &folder, &shared);
        let mut tokens = [0; 2];
        for (index, pipe) in pipes.into_iter().enumerate() {
            let token = self.next;
            self.next += 1;
            tokens[index] = token;
            if let Err(error) = epoll::add(&self.epoll, &*pipe, EventData::new_u64(token), EventFlags::IN) {
                tracing::error!(%service, %error, "cannot wait for its output");
            }
            let ends = Ends {
                stream: [Stream::Stdout, Stream::Stderr][index],
                pipe,
                sink: sinks[index].clone(),
                shared: shared.clone(),
                errors: errors.clone(),
            };
            self.channels.insert(token, Box::new(Channel::new(ends, &spec)));
        }
        self.services.insert(service, tokens);
        self.crowd_changed = true;
    }

    /// The files of both streams, which may be one; what a predecessor did not finish is finished first.
    fn sinks(
        &mut self,
        service: &ServiceName,
        spec: &Arc<LogSpec>,
        folder: &Path,
        shared: &Arc<Shared>,
    ) -> [Rc<RefCell<Sink>>; 2] {
        self.watch_folder(folder);
        let mut make = |stream| {
            let path = logs::path(folder, service.as_str(), stream, spec);
            let mut sink = Sink::new(path, spec, shared.clone());
            sink.see_unended(stream);
            self.retention.add(&sink.path, service.as_str(), spec);
            Rc::new(RefCell::new(sink))
        };
        let stdout = make(Stream::Stdout);
        let stderr = if spec.is_separate() {
            make(Stream::Stderr)
        } else {
            stdout.clone()
        };
        [stdout, stderr]
    }

    pub(super) fn change(&mut self, service: &ServiceName, spec: &Arc<LogSpec>, folder: &Path) {
        let Some(tokens) = self.services.get(service).copied() else {
            return;
        };
        // What was said under the old rules is written by them.
        self.each(service, Channel::drain);
        let Some(shared) = self
            .channels
            .get(&tokens[0])
            .map(|channel| channel.shared.clone())
        else {
            return;
        };
        self.each(service, |channel, buffers| {
            let path = logs::path(folder, service.as_str(), channel.stream, spec);
            if channel.must_begin_anew(spec, &path) {
                channel.end_line(buffers);
            }
        });
        for token in tokens {
            if let Some(channel) = self.channels.get(&token) {
                self.retention.remove(&channel.sink.borrow().path);
            }
        }
        let sinks = self.sinks(service, spec, folder, &shared);
        for (token, sink) in tokens.into_iter().zip(sinks) {
            if let Some(channel) = self.channels.get_mut(&token) {
                (channel.paused, channel.on_edge) = (None, false);
                channel.change(spec, sink);
            }
            self.interest(token, EventFlags::IN);
        }
        self.crowd_changed = true;
    }

    pub(super) fn begin(
        &mut self,
        service: &ServiceName,
        run: u64,
        fresh: bool,
        lines: Option<&UnboundedSender<Vec<u8>>>,
    ) {
        self.each(service, |channel, buffers| {
            if fresh {
                channel.end_line(buffers);
            }
            channel.listen(lines);
            let errors = if fresh {
                Errors {
                    run,
                    ..Errors::default()
                }
            } else {
                Errors::load(channel.errors_path(), run)
            };
            channel.shared.count(|tally| tally.errors = errors);
        });
    }

    pub(super) fn close(&mut self, service: &ServiceName) {
        for token in self.services.remove(service).unwrap_or_default() {
            if let Some(channel) = self.channels.get(&token) {
                self.retention.remove(&channel.sink.borrow().path);
            }
            self.forget(token);
        }
        self.crowd_changed = true;
    }

    pub(super) fn limit(&mut self, folder: PathBuf, max_total: u64, own: Arc<LogSpec>) {
        self.watch_folder(&folder);
        if self.retention.folder() != folder {
            own::moves_to(&folder);
        }
        self.retention.limit(folder, max_total);
        self.own = own;
        if let Some(file) = own::file(self.retention.folder()) {
            self.retention.add(&file, "sentinel", &self.own);
        }
        self.look_at_own();
        self.crowd_changed = true;
    }

    /// Every log gets its share of the folder.
    pub(super) fn share(&mut self) {
        for channel in self.channels.values() {
            let mut sink = channel.sink.borrow_mut();
            sink.max_size = self.retention.max_size(sink.spec());
        }
    }

    pub(super) fn reopen(&mut self) {
        for channel in self.channels.values() {
            channel.sink.borrow_mut().reopen();
        }
        own::reopen(self.retention.folder());
        tracing::info!("opened all logs again");
    }

    /// Rotates sentinel.log when it is full.
    pub(super) fn look_at_own(&mut self) {
        let Some(file) = own::file(self.retention.folder()) else {
            return;
        };
        let size = std::fs::metadata(&file).map_or(0, |found| found.len());
        if size < self.retention.max_size(&self.own) {
            return;
        }
        let name = Rotated::name("sentinel.log", Timestamp::now());
        if std::fs::rename(&file, file.with_file_name(name)).is_ok() {
            own::reopen(self.retention.folder());
            self.tidy();
        }
    }

    fn watch_folder(&mut self, folder: &Path) {
        if self.watched.iter().any(|watched| watched == folder) {
            return;
        }
        let _ = std::fs::create_dir_all(folder);
        if let Some(watch) = &self.watch {
            // Without it, a log that somebody moves is written on under its new name until SIGUSR2.
            let watching = watch.add_watch(folder, AddWatchFlags::IN_MOVED_FROM | AddWatchFlags::IN_DELETE);
            self.watched
                .extend(watching.is_ok().then(|| folder.to_path_buf()));
        }
    }

    /// Somebody moved or removed files: what is written from now on belongs to the logs' names.
    pub(super) fn see_moves(&mut self) {
        let Some(events) = self.watch.as_ref().and_then(|watch| watch.read_events().ok()) else {
            return;
        };
        for event in events {
            if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                // A folder is gone, and with it its watch.
                self.watched.clear();
            }
            let concerns = |path: &Path| match &event.name {
                Some(name) => path.file_name() == Some(name),
                None => true,
            };
            for channel in self.channels.values() {
                let mut sink = channel.sink.borrow_mut();
                if concerns(&sink.path) {
                    sink.look_again();
                }
            }
            let folder = self.retention.folder();
            if own::file(folder).is_some_and(|file| concerns(&file)) {
                own::reopen(folder);
            }
        }
    }
}
