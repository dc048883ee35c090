//! A real house: `sentinel`, `main_app` under it, and the real stream where it is wanted.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::chain::program;
use crate::chromium::Page;
use crate::common::{TOKEN, free_port};

/// A house with `main_app` and other services in it, which it leaves empty.
pub struct House {
    sentinel: PathBuf,
    pub folder: tempfile::TempDir,
    /// Where the pages are.
    pub port: u16,
}

impl House {
    /// One with these services besides, started.
    pub fn with_pages(services: &str, stream_port: u16) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let services = format!(
            "[web]\nactions = true\n{services}\
             [services.main_app]\ncommand = [\"main-app\", \"--port\", \"{port}\", \"--stream-port\", \"{stream_port}\"]\n\
             ports = [{port}]\nenv = {{ MAIN_APP_TOKEN = \"{TOKEN}\" }}\n\
             health = {{ http = \"http://127.0.0.1:{port}/health\" }}\n"
        );
        let services = services.replace("{folder}", &folder.path().display().to_string());
        std::fs::write(folder.path().join("services.toml"), services).expect("written");
        let house = Self {
            sentinel: program("sentinel"),
            folder,
            port,
        };
        assert!(house.sentinel(&["start"]));
        house
    }

    /// Whether the command succeeded.
    pub fn sentinel(&self, arguments: &[&str]) -> bool {
        let mut command = Command::new(&self.sentinel);
        command.arg("--quiet").arg("--config").arg(self.config());
        command.args(arguments).status().expect("sentinel runs").success()
    }

    /// Its services.toml.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("services.toml")
    }

    /// The pid of its supervisor.
    pub fn supervisor(&self) -> Value {
        let mut command = Command::new(&self.sentinel);
        let told = command
            .arg("--json")
            .arg("--config")
            .arg(self.config())
            .arg("status");
        let told = told.output().expect("sentinel runs").stdout;
        serde_json::from_slice::<Value>(&told).expect("JSON")["supervisor"]["pid"].clone()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let gone = self.sentinel(&["shutdown"]);
        assert!(gone || std::thread::panicking(), "it does not end");
    }
}

/// The stream as it is shipped, on free ports.
fn stream(market: u16, backend: u16, proxy: u16) -> String {
    format!(
        "[services.market_sim]\ncommand = [\"market-sim\", \"--rate\", \"20\", \"--port\", \"{market}\"]\nports = [{market}]\n\
         [services.trade_stream]\ncommand = [\"trade-stream\", \"--port\", \"{backend}\", \"--upstream\", \"ws://127.0.0.1:{market}/v2/iex\"]\n\
         ports = [{backend}]\nsockets = [\"127.0.0.1:{backend}\"]\nafter = [\"market_sim\"]\n\
         [services.browser_proxy]\ncommand = [\"browser-proxy\", \"--port\", \"{proxy}\", \"--backend\", \"ws://127.0.0.1:{backend}\"]\n\
         ports = [{proxy}]\nsockets = [\"127.0.0.1:{proxy}\"]\nafter = [\"trade_stream\"]\n"
    )
}

#[tokio::test]
#[ignore = "needs Chromium: scripts/test_web"]
async fn a_restart_of_trade_stream_costs_the_page_no_connection() {
    for name in ["market-sim", "trade-stream", "browser-proxy"] {
        program(name);
    }
    let [market, backend, proxy] = [free_port(), free_port(), free_port()];
    let house = House::with_pages(&stream(market, backend, proxy), proxy);
    let mut page = Page::open().await;
    page.visit(&format!("http://127.0.0.1:{}/", house.port)).await;
    page.type_into("#symbol", "AAPL").await;
    page.enter().await;
    page.until_says("#link-words", "Live").await;
    // Whatever the page says of its connection from now on.
    page.ask(
        "window.said = []; new MutationObserver(() => said.push(document.querySelector('#link-words').textContent))
           .observe(document.querySelector('#link-words'), {childList: true, characterData: true, subtree: true})",
    )
    .await;
    assert!(house.sentinel(&["restart", "trade_stream"]));
    page.ask("window.before = document.querySelector('[data-part=volume]').textContent")
        .await;
    page.until_says("#link-words", "Live").await;
    page.until("document.querySelector('[data-part=volume]').textContent !== before")
        .await;
    let said = page.ask("said").await;
    let lost = said.as_array().expect("a list").iter().any(|words| {
        let words = words.as_str().unwrap_or_default();
        words.contains("No connection") || words.contains("Connecting to the stream")
    });
    assert!(!lost, "{said}");
    assert_eq!(page.complaints, [""; 0]);
}

#[tokio::test]
#[ignore = "needs Chromium: scripts/test_web"]
async fn a_real_service_that_goes_fatal_is_seen_within_a_second() {
    let house = House::with_pages(
        "[services.doomed]\ncommand = [\"sh\", \"-c\", \"mkfifo {folder}/end; read -r line <{folder}/end; exit 3\"]\n\
         fatal_exit = [3]\nmin_uptime = \"50ms\"\n",
        8766,
    );
    let mut page = Page::open().await;
    page.visit(&format!("http://127.0.0.1:{}/system", house.port))
        .await;
    page.until_says("#headline-words", "All 2 services run and are well")
        .await;
    page.ask(
        "new MutationObserver(() => { if (document.querySelector('#services tr').innerText.includes('FATAL')) window.seen ??= Date.now(); })
           .observe(document.body, {subtree: true, childList: true, characterData: true})",
    )
    .await;
    let ended = page.ask("Date.now()").await.as_f64().expect("a time");
    std::fs::write(house.folder.path().join("end"), "now\n").expect("read");
    page.until("window.seen !== undefined").await;
    let seen = page.ask("window.seen").await.as_f64().expect("a time");
    assert!(seen - ended < 1000.0, "{} ms", seen - ended);
    page.until_says("#headline-words", "doomed needs you").await;
    page.until_says("#events li", "FATAL").await;
    assert_eq!(
        page.ask("document.title.startsWith('⚠ doomed')").await,
        json!(true)
    );
    assert_eq!(page.complaints, [""; 0]);
}
