//! Headless Chromium with one page, over the Chrome DevTools Protocol.

use std::process::Stdio;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const PROGRAMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// How long a page may take to reach what a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a page.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A browser that ends with the test.
pub struct Page {
    program: Child,
    profile: tempfile::TempDir,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: String,
    last_id: u64,
    /// What the page complained about: exceptions, and what its policy blocked.
    pub complaints: Vec<String>,
}

impl Page {
    /// A browser with an empty page.
    pub async fn open() -> Self {
        Self::with(&[]).await
    }

    /// The same, with these words on its command line.
    pub async fn with(words: &[String]) -> Self {
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut program = launch(profile.path(), words);
        let mut lines = BufReader::new(program.stderr.take().expect("piped")).lines();
        let address = timeout(PATIENCE, async {
            loop {
                let line = lines
                    .next_line()
                    .await
                    .expect("readable")
                    .expect("Chromium ended");
                if let Some(address) = line.strip_prefix("DevTools listening on ") {
                    return address.to_owned();
                }
            }
        });
        let address = address.await.expect("Chromium starts");
        // Keeps reading, so that the program never waits for its log.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let (socket, _) = connect_async(address).await.expect("accepted");
        let mut page = Self {
            program,
            profile,
            socket,
            session: String::new(),
            last_id: 0,
            complaints: Vec::new(),
        };
        let target = page
            .call("Target.createTarget", json!({"url": "about:blank"}))
            .await;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = page.call("Target.attachToTarget", attach).await;
        page.session = attached["sessionId"].as_str().expect("a session").to_owned();
        for domain in [
            "Page.enable",
            "Runtime.enable",
            "Log.enable",
            "Performance.enable",
        ] {
            page.call(domain, json!({})).await;
        }
        page.size(1440, 900).await;
        page
    }

    /// Sends a command and returns its result.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let mut command = json!({"id": self.last_id, "method": method, "params": params});
        if !self.session.is_empty() {
            command["sessionId"] = json!(self.session);
        }
        self.socket
            .send(Message::text(command.to_string()))
            .await
            .expect("sent");
        loop {
            let message = self.socket.next().await.expect("open").expect("readable");
            let answer: Value = serde_json::from_str(message.to_text().expect("text")).expect("JSON");
            if answer["id"] == self.last_id {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.note(&answer);
        }
    }

    fn note(&mut self, event: &Value) {
        match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => self.complaints.push(event["params"].to_string()),
            // A stream that is away is part of the tests; a blocked file or script is not.
            Some("Log.entryAdded") if event["params"]["entry"]["source"] == "security" => {
                self.complaints.push(event["params"]["entry"].to_string());
            }
            Some(_) | None => {}
        }
    }

    /// Goes to an address and waits for the page's scripts.
    pub async fn visit(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url })).await;
        self.until("document.readyState === 'complete'").await;
    }

    /// The value of an expression; a promise is awaited.
    pub async fn ask(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", params).await;
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// The text of the first element that a selector finds.
    pub async fn text(&mut self, selector: &str) -> String {
        let text = self
            .ask(&format!("document.querySelector({selector:?})?.innerText"))
            .await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits for an expression to become true. Asked from here, since a page may have scripts off.
    pub async fn until(&mut self, condition: &str) {
        let look = format!("Boolean({condition})");
        let came_true = async {
            while self.ask(&look).await != true {
                sleep(LOOK_EVERY).await;
            }
        };
        if timeout(PATIENCE, came_true).await.is_err() {
            let text = self.ask("document.body.innerText").await;
            panic!("not within {PATIENCE:?}: {condition}\nthe page says: {text}");
        }
    }

    /// Waits for an element to hold these words.
    pub async fn until_says(&mut self, selector: &str, words: &str) {
        let element = format!("document.querySelector({selector:?})");
        self.until(&format!("{element}?.innerText.includes({words:?})"))
            .await;
    }

    /// Clicks as a script does.
    pub async fn click(&mut self, selector: &str) {
        self.ask(&format!("document.querySelector({selector:?}).click()"))
            .await;
    }

    /// Puts the caret into a field and types.
    pub async fn type_into(&mut self, selector: &str, text: &str) {
        self.ask(&format!("document.querySelector({selector:?}).focus()"))
            .await;
        self.call("Input.insertText", json!({ "text": text })).await;
    }

    /// Presses Enter where the caret is.
    pub async fn enter(&mut self) {
        for kind in ["keyDown", "keyUp"] {
            let key = json!({"type": kind, "key": "Enter", "code": "Enter", "text": "\r", "windowsVirtualKeyCode": 13});
            self.call("Input.dispatchKeyEvent", key).await;
        }
    }

    /// What the processes that hold pages have in memory of their own, in MB.
    pub fn resident_mb(&self) -> f64 {
        let leader = self.program.id().unwrap_or_default().to_string();
        let mut sum = 0.0;
        for process in std::fs::read_dir("/proc").expect("/proc").flatten() {
            let read = |name| std::fs::read_to_string(process.path().join(name)).unwrap_or_default();
            let stat = read("stat");
            let group = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(2));
            if group == Some(leader.as_str()) && read("cmdline").contains("--type=renderer") {
                let status = read("status");
                let own = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
                let kilobytes = own.and_then(|own| own.trim().trim_end_matches(" kB").parse::<f64>().ok());
                sum += kilobytes.unwrap_or_default() / 1000.0;
            }
        }
        sum
    }

    /// The size of the window, in CSS pixels.
    pub async fn size(&mut self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Dark or light, as the system would have it.
    pub async fn scheme(&mut self, scheme: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", features).await;
    }
}

/// All of it is gone with the page, its profile too, which its processes write to until their end.
impl Drop for Page {
    // A drop cannot await; the pause is between two looks at the condition, up to the deadline.
    #[allow(clippy::disallowed_methods)]
    fn drop(&mut self) {
        if let Some(leader) = self.program.id().and_then(|pid| i32::try_from(pid).ok()) {
            let _ = killpg(Pid::from_raw(leader), Signal::SIGKILL);
        }
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let ended = !matches!(self.program.try_wait(), Ok(None));
            if ended
                && (std::fs::remove_dir_all(self.profile.path()).is_ok() || !self.profile.path().exists())
            {
                return;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

fn launch(profile: &std::path::Path, words: &[String]) -> Child {
    let launch = |program| {
        Command::new(program)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--mute-audio",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .args([
                "--remote-debugging-port=0",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "about:blank",
            ])
            .args(words)
            .arg(format!("--user-data-dir={}", profile.display()))
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            // What it leaves in the temporary folder goes with its profile.
            .env("TMPDIR", profile)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .ok()
    };
    PROGRAMS
        .into_iter()
        .find_map(launch)
        .unwrap_or_else(|| panic!("none of {PROGRAMS:?} is installed: scripts/test_web installs one"))
}
