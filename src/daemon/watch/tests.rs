//! Real folders, real events.

use std::fs;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::LocalSet;

use super::*;

struct Place {
    folder: tempfile::TempDir,
    inbox: UnboundedReceiver<Message>,
    task: AbortHandle,
}

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().expect("a folder").join(name)
    }

    fn write(&self, name: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("created");
        fs::write(path, "x").expect("written");
    }

    async fn told(&mut self) -> String {
        let message = timeout(Duration::from_secs(60), self.inbox.recv()).await;
        match message.expect("told in time").expect("it watches") {
            Message::FilesChanged { service, why } => format!("{service}: {why}"),
            other => panic!("{other:?}"),
        }
    }
}

fn spec(name: &str, watch: Vec<String>) -> Arc<Spec> {
    let text = format!("[services.{name}]\ncommand = \"true\"\n");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("services.toml");
    fs::write(&file, text).expect("written");
    let config = crate::config::load(&file, &crate::config::environment()).expect("valid");
    Arc::new(Spec {
        watch,
        ..(*config.services[0]).clone()
    })
}

async fn place(watches: &[(&str, &[&str])], files: &[&str]) -> Place {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().canonicalize().expect("a folder");
    for file in files {
        let path = root.join(file);
        fs::create_dir_all(path.parent().expect("a parent")).expect("created");
        fs::write(path, "x").expect("written");
    }
    let absolute = |pattern: &&str| root.join(pattern).to_string_lossy().into_owned();
    let specs: Vec<Arc<Spec>> = watches
        .iter()
        .map(|(name, patterns)| spec(name, patterns.iter().map(absolute).collect()))
        .collect();
    let (mailbox, inbox) = Mailbox::new();
    let scope = Scope::of(&specs, &root, [root.join(".sentinel"), root.join("logs")]);
    let task = begin(scope, mailbox).expect("something is watched");
    let place = Place { folder, inbox, task };
    // Watched once a first change is told; `probe` is nobody else's file.
    place.settled().await
}

impl Place {
    async fn settled(mut self) -> Self {
        let mut written = 1;
        self.write("probe/first");
        while timeout(QUIET * 2, self.inbox.recv()).await.is_err() {
            self.write("probe/first");
            written += 1;
        }
        if written > 1 {
            // On a slow machine one of them may have been told late, and the next is told by itself.
            self.write("probe/last");
            while !self.told().await.contains("probe/last") {}
        }
        self
    }
}

fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    LocalSet::new().block_on(&runtime.expect("a runtime"), work);
}

#[test]
fn a_changed_file_is_told_once_to_those_who_watch_it() {
    run(async {
        let watches: [(&str, &[&str]); 2] = [("web", &["src/**", "probe/*"]), ("other", &["doc/*.md"])];
        let mut place = place(&watches, &["src/app.py", "doc/a.md"]).await;
        place.write("src/app.py");
        place.write("src/app.py");
        assert_eq!(place.told().await, "web: src/app.py changed");
        place.write("src/app.py");
        place.write("src/b.py");
        place.write("src/c.py");
        assert_eq!(place.told().await, "web: src/app.py and 2 more files changed");
        place.write("doc/a.txt");
        place.write("doc/a.md");
        assert_eq!(place.told().await, "other: doc/a.md changed");
        place.task.abort();
    });
}

#[test]
fn new_folders_are_noticed_and_ignored_ones_are_not() {
    run(async {
        let mut place = place(&[("web", &["**"])], &["src/app.py"]).await;
        place.write("node_modules/x/index.js");
        place.write(".git/index");
        place.write("logs/web.log");
        place.write(".sentinel/state.json");
        place.write("src/deep/er/new.py");
        assert_eq!(place.told().await, "web: src/deep/er/new.py changed");
        place.write("src/deep/er/new.py");
        assert_eq!(place.told().await, "web: src/deep/er/new.py changed");
        fs::remove_file(place.path("src/app.py")).expect("removed");
        assert_eq!(place.told().await, "web: src/app.py changed");
        place.task.abort();
    });
}

#[test]
fn what_goes_and_comes_back_is_still_watched() {
    run(async {
        let mut place = place(&[("web", &["src/**", "probe/*"])], &["src/app.py"]).await;
        fs::rename(place.path("src"), place.path("elsewhere")).expect("renamed");
        assert_eq!(place.told().await, "web: src changed");
        place.write("elsewhere/app.py");
        place.write("src/back.py");
        assert_eq!(place.told().await, "web: src/back.py changed");
        fs::write(place.path("src/.new"), "y").expect("written");
        fs::rename(place.path("src/.new"), place.path("src/back.py")).expect("renamed");
        let told = place.told().await;
        assert!(told.contains("src/"), "{told}");
        place.task.abort();
    });
}
