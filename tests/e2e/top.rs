//! `sentinel top` on a real terminal: shown, acted on, left, and the terminal as it was.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use nix::sys::termios::{Termios, tcgetattr};

use crate::house::{House, PATIENCE, until};

/// A terminal of 80 by 24 with `top` on it.
struct Screen {
    child: Child,
    keys: File,
    drawn: Receiver<Vec<u8>>,
    seen: String,
    before: Termios,
}

impl Screen {
    fn with_top(house: &House) -> Self {
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(Some(&size), None).expect("a terminal");
        let before = tcgetattr(&pty.master).expect("its settings");
        let mut command = house.command(&["top"]);
        let end = |what: &str| Stdio::from(pty.slave.try_clone().unwrap_or_else(|_| panic!("{what}")));
        command.stdin(end("in")).stdout(end("out")).stderr(end("err"));
        let child = command.spawn().expect("top");
        let keys = File::from(pty.master);
        let mut reader = keys.try_clone().expect("a reader");
        let (sender, drawn) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            keys,
            drawn,
            seen: String::new(),
            before,
        }
    }

    #[track_caller]
    fn shows(&mut self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.seen.contains(words) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(left > Duration::ZERO, "never shows {words:?}: {}", self.seen);
            if let Ok(bytes) = self.drawn.recv_timeout(left) {
                self.seen.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
        self.seen.clear();
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("typed");
    }
}

#[test]
fn a_service_is_seen_and_stopped_and_the_terminal_given_back() {
    let house = House::new("[services.feed]\ncommand = \"sleep 1000\"\nmin_uptime = \"10ms\"\n");
    house.run(&["start"]).exits(0);
    let mut screen = Screen::with_top(&house);
    screen.shows("feed");
    screen.press("x");
    screen.shows("stop feed? y does it");
    screen.press("n");
    assert!(house.running("feed").is_some(), "anything but y is no");
    screen.press("x");
    screen.shows("stop feed? y does it");
    screen.press("y");
    screen.shows("done");
    assert_eq!(house.service("feed")["state"], "STOPPED");
    screen.press("q");
    until("top ends", || screen.child.try_wait().expect("waited").is_some());
    assert!(screen.child.wait().expect("ended").success());
    let after = tcgetattr(&screen.keys).expect("its settings");
    assert_eq!(after.local_flags, screen.before.local_flags);
}

#[test]
fn without_a_terminal_it_says_what_to_use_instead() {
    let house = House::new("[services.feed]\ncommand = \"sleep 1000\"\n");
    house
        .run(&["top"])
        .exits(1)
        .says("it needs a terminal")
        .says("sentinel status --watch");
}
