//! What a folder seems to run: files of other supervisors first, then package.json, then Python servers.

use std::path::{Path, PathBuf};

use super::draft::{Service, quote, quote_all};
use super::listens;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The files that `sentinel import` reads.
    Files(Vec<PathBuf>),
    /// A services.toml for what was guessed, or an example when there was nothing to guess from.
    Services(String),
}

/// Names under which other supervisors' files are found; the first that is there is taken.
const FILES: [&str; 9] = [
    "supervisord.conf",
    "etc/supervisord.conf",
    "backend/supervisord.conf",
    "Procfile",
    "ecosystem.config.json",
    "ecosystem.json",
    "process-compose.yaml",
    "process-compose.yml",
    "pm2.json",
];

/// Looks into a folder.
#[must_use]
pub fn look(folder: &Path) -> Found {
    let known = FILES
        .iter()
        .map(|name| folder.join(name))
        .find(|file| file.is_file());
    match known {
        Some(file) => Found::Files(vec![file]),
        None => Found::Services(services(&guesses(folder))),
    }
}

/// Services with the reason for each guess.
fn guesses(folder: &Path) -> Vec<(Service, String)> {
    let mut found: Vec<(Service, String)> = node(folder).into_iter().collect();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|entries| entries.filter_map(Result::ok).map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.sort();
    found.extend(files.iter().filter_map(|file| python(folder, file)));
    found
}

/// `npm start`, when package.json has such a script.
fn node(folder: &Path) -> Option<(Service, String)> {
    let text = std::fs::read_to_string(folder.join("package.json")).ok()?;
    let package: serde_json::Value = serde_json::from_str(&text).ok()?;
    let script = package["scripts"]["start"].as_str()?;
    let name: String = package["name"]
        .as_str()
        .unwrap_or("app")
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    let service = Service {
        name: if name.is_empty() || name.starts_with('-') {
            "app".into()
        } else {
            name.chars().take(60).collect()
        },
        // The script itself names the port, `npm start` does not.
        ports: listens::ports(&Service {
            command: shlex::split(script).unwrap_or_default(),
            ..Service::default()
        }),
        command: vec!["npm".into(), "start".into()],
        ..Service::default()
    };
    Some((
        service,
        format!(
            "package.json has a start script: {}",
            script.lines().next().unwrap_or_default()
        ),
    ))
}

/// What in a Python file says that it serves, and how it is then run.
const SERVERS: [(&str, &str); 8] = [
    ("FastAPI(", "uvicorn"),
    ("Starlette(", "uvicorn"),
    ("Flask(", "python"),
    ("websockets.serve", "python"),
    ("http.server", "python"),
    ("HTTPServer(", "python"),
    ("aiohttp.web", "python"),
    ("execute_from_command_line", "django"),
];

fn python(folder: &Path, file: &Path) -> Option<(Service, String)> {
    let stem = file.file_stem()?.to_str()?;
    if file.extension()? != "py" || stem.starts_with("test") || !file.is_file() {
        return None;
    }
    let text = std::fs::read_to_string(file).ok()?;
    let (sign, kind) = SERVERS.iter().find(|(sign, _)| text.contains(sign))?;
    let venv = ["venv", ".venv"]
        .iter()
        .find(|venv| folder.join(venv).join("bin/python").is_file());
    let python = venv.map_or_else(|| "python3".to_owned(), |venv| format!("./{venv}/bin/python"));
    let port = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .find_map(port_in);
    let number = port.unwrap_or(8000).to_string();
    let words: Vec<String> = match *kind {
        "uvicorn" => vec![
            python,
            "-m".into(),
            "uvicorn".into(),
            format!("{stem}:app"),
            "--port".into(),
            number,
        ],
        "django" => vec![
            python,
            format!("{stem}.py"),
            "runserver".into(),
            number,
            "--noreload".into(),
        ],
        _ => vec![python, format!("{stem}.py")],
    };
    let named: String = stem
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
        .take(60)
        .collect();
    let mut service = Service {
        name: named,
        command: words,
        ..Service::default()
    };
    if service.name.is_empty() || service.name.starts_with('_') {
        return None;
    }
    service.ports = match (port, listens::ports(&service)) {
        (Some(port), _) => vec![(port, format!("{stem}.py"))],
        (None, found) => found,
    };
    Some((service, format!("{stem}.py says `{sign}`")))
}

/// `port=8000`, `PORT = 8000`, `serve(handler, "localhost", 8765)`.
fn port_in(line: &str) -> Option<u16> {
    let lower = line.to_lowercase();
    let after = match lower.find("port") {
        Some(at) => &lower[at..],
        None if lower.contains("serve(") => lower.as_str(),
        None => return None,
    };
    let numbers = after
        .split(|c: char| !c.is_ascii_digit())
        .filter(|digits| digits.len() >= 4);
    numbers
        .filter_map(|digits| digits.parse().ok())
        .find(|port| *port >= 1024)
}

fn services(guesses: &[(Service, String)]) -> String {
    let mut text = String::from(
        "# What this host runs. `sentinel check` proves this file; `sentinel restart` brings it up.\n\n[sentinel]\n\
         log_dir = \"logs\"            # <service>.log and sentinel.log\n\
         # env_file = \".env\"         # NAME=value for every service; must be `chmod 600`\n",
    );
    let mut taken: Vec<u16> = Vec::new();
    for (service, reason) in guesses {
        let ports: Vec<u16> = service
            .ports
            .iter()
            .map(|(port, _)| *port)
            .filter(|port| !taken.contains(port))
            .collect();
        text.push_str(&format!(
            "\n# {reason}\n[services.{}]\ncommand = {}\n",
            service.name,
            quote_all(&service.command)
        ));
        if !ports.is_empty() {
            text.push_str(&format!(
                "ports = {ports:?}             # ready when it holds them\n"
            ));
        }
        text.push_str("restart = \"always\"          # or \"on-failure\", \"never\"\n");
        text.push_str("# after = [\"other\"]         # starts when that is ready\n");
        if let Some(port) = ports.first() {
            let url = quote(&format!("http://127.0.0.1:{port}/health"));
            text.push_str(&format!("# health = {{ http = {url} }}\n"));
        }
        taken.extend(ports);
    }
    if guesses.is_empty() {
        text.push_str(
            "\n# Nothing in this folder looked like a server. An example; put your own command in its place:\n\
             [services.web]\ncommand = [\"python3\", \"-m\", \"http.server\", \"8000\"]\nports = [8000]              # ready when it holds them\n\
             restart = \"always\"          # or \"on-failure\", \"never\"\n\
             # after = [\"database\"]      # starts when that is ready\n\
             # health = { http = \"http://127.0.0.1:8000/\" }\n\
             # stop = { signal = \"SIGTERM\", timeout = \"10s\" }\n",
        );
    }
    text
}
