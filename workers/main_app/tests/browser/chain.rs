//! The real programs behind a page: market_sim, trade_stream, browser_proxy and main_app itself.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::common::soon;

/// A program that ends with the test.
pub struct Program {
    child: Child,
    pub port: u16,
}

impl Program {
    /// Starts a program and waits for the line that names its address.
    pub async fn start(path: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(path)
            .args(arguments)
            .envs(environment.iter().copied())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let line = soon("a first line", lines.next_line())
            .await
            .expect("readable")
            .expect("a line");
        let address = line
            .split("://")
            .nth(1)
            .map(|rest| rest.split([',', ' ']).next().unwrap_or(rest));
        let address: SocketAddr = address
            .and_then(|address| address.parse().ok())
            .unwrap_or_else(|| panic!("{line}"));
        // Keeps reading, so that the program never waits for its log.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self {
            child,
            port: address.port(),
        }
    }

    /// SIGKILL, and its end.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("killed");
    }
}

/// Trades from the market to the page.
pub struct Chain {
    market: Program,
    pub backend: Program,
    pub proxy: Program,
    app: Program,
}

impl Chain {
    /// All four, on free ports, with this many trades per second and symbol.
    pub async fn start(rate: &str) -> Self {
        let market = Program::start(&program("market-sim"), &["--port", "0", "--rate", rate], &[]).await;
        let backend = backend(&market, 0).await;
        let proxy = proxy(&backend, 0).await;
        let app = app(proxy.port, Path::new("/nowhere/sock"), &[]).await;
        Self {
            market,
            backend,
            proxy,
            app,
        }
    }

    /// The address of the tape.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.app.port)
    }

    /// The proxy once more, where browsers know it.
    pub async fn start_proxy_again(&mut self) {
        self.proxy = proxy(&self.backend, self.proxy.port).await;
    }

    /// The backend once more, where browsers know it.
    pub async fn start_backend_again(&mut self) {
        self.backend = backend(&self.market, self.backend.port).await;
    }
}

async fn proxy(backend: &Program, port: u16) -> Program {
    let backend = format!("ws://127.0.0.1:{}", backend.port);
    let port = port.to_string();
    Program::start(
        &program("browser-proxy"),
        &["--port", &port, "--backend", &backend],
        &[],
    )
    .await
}

async fn backend(market: &Program, port: u16) -> Program {
    let upstream = format!("ws://127.0.0.1:{}/v2/iex", market.port);
    let port = port.to_string();
    Program::start(
        &program("trade-stream"),
        // "null": pages that are opened from a file.
        &["--port", &port, "--upstream", &upstream, "--allow-origin", "null"],
        &[],
    )
    .await
}

/// The app, of this stream and this supervisor.
pub async fn app(stream_port: u16, supervisor: &Path, environment: &[(&str, &str)]) -> Program {
    let stream = stream_port.to_string();
    let mut variables = vec![("SENTINEL_SOCKET", supervisor.to_str().expect("text"))];
    variables.extend_from_slice(environment);
    let program = Path::new(env!("CARGO_BIN_EXE_main-app"));
    Program::start(program, &["--port", "0", "--stream-port", &stream], &variables).await
}

/// A program of this workspace, built if it is not there.
pub fn program(name: &str) -> PathBuf {
    static BUILT: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut built = BUILT.lock().expect("not poisoned");
    if built.insert(name.to_owned()) {
        let status = std::process::Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "--bins", "-p", name])
            .args((!cfg!(debug_assertions)).then_some("--release"))
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "{name} does not build"
        );
    }
    Path::new(env!("CARGO_BIN_EXE_main-app")).with_file_name(name)
}
