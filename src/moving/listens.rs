//! Which ports a command says that it listens on.

use super::draft::Service;

/// Options whose value is a port or an address to listen on.
const LISTEN: [&str; 14] = [
    "-p",
    "-P",
    "--port",
    "-b",
    "--bind",
    "-l",
    "--listen",
    "--addr",
    "--address",
    "--listen-address",
    "--http",
    "--http-address",
    "-S",
    "--server.port",
];
/// Parts of the names of options and variables that name somebody else's port.
const OTHERS: [&str; 17] = [
    "db", "redis", "postgres", "pg", "mysql", "mongo", "remote", "upstream", "target", "amqp", "smtp",
    "kafka", "proxy", "connect", "backend", "nats", "dest",
];
/// Variables that name one's own port.
const VARIABLES: [&str; 9] = [
    "PORT",
    "HTTP_PORT",
    "LISTEN_PORT",
    "SERVER_PORT",
    "APP_PORT",
    "WEB_PORT",
    "API_PORT",
    "BIND_PORT",
    "WS_PORT",
];
/// Programs that listen somewhere when they are not told where.
const USUAL: [(&str, u16); 4] = [
    ("http.server", 8000),
    ("uvicorn", 8000),
    ("gunicorn", 8000),
    ("runserver", 8000),
];

/// The ports of a service, each with the words it was found in; each once.
pub fn ports(service: &Service) -> Vec<(u16, String)> {
    let words = words(&service.command);
    let mut found = in_words(&words);
    let own = format!(
        "{}_PORT",
        service.called.to_ascii_uppercase().replace(['-', '.'], "_")
    );
    for (name, value) in &service.env {
        if VARIABLES.contains(&name.as_str()) || *name == own {
            found.extend(port(value).map(|port| (port, format!("{name}={value}"))));
        }
    }
    if found.is_empty() {
        found.extend(usual(&words));
    }
    let mut once: Vec<(u16, String)> = Vec::new();
    for (port, words) in found {
        if !once.iter().any(|(known, _)| *known == port) {
            once.push((port, words));
        }
    }
    once
}

/// The words of a command; those of the script when a shell runs it.
fn words(command: &[String]) -> Vec<String> {
    match command {
        [shell, flag, script, ..]
            if flag.starts_with('-') && flag.ends_with('c') && shell.ends_with("sh") =>
        {
            shlex::split(script).unwrap_or_else(|| script.split_whitespace().map(str::to_owned).collect())
        }
        words => words.to_vec(),
    }
}

fn in_words(words: &[String]) -> Vec<(u16, String)> {
    let mut found = Vec::new();
    for (index, word) in words.iter().enumerate().skip(1) {
        let before = words[index - 1].as_str();
        if let Some((option, value)) = word.split_once('=')
            && listens(option)
        {
            found.extend(port(value).map(|port| (port, word.clone())));
        } else if listens(before) {
            found.extend(port(word).map(|port| (port, format!("{before} {word}"))));
        } else if before == "http.server" || before == "runserver" {
            found.extend(port(word).map(|port| (port, format!("{before} {word}"))));
        } else if !before.starts_with('-') && here(word) {
            found.extend(port(word).map(|port| (port, word.clone())));
        }
    }
    found
}

fn listens(option: &str) -> bool {
    let lower = option.to_ascii_lowercase();
    let others = lower.split(['-', '_', '.']).any(|part| OTHERS.contains(&part));
    LISTEN.contains(&option) || (lower.starts_with("--") && lower.ends_with("port") && !others)
}

/// `:N`, or an address of this host with a port.
fn here(word: &str) -> bool {
    let host = word.rsplit_once(':').map(|(host, _)| host);
    matches!(
        host,
        Some("" | "0.0.0.0" | "127.0.0.1" | "localhost" | "[::]" | "[::1]" | "*")
    )
}

/// The port of `N`, `:N` or `host:N`.
fn port(text: &str) -> Option<u16> {
    let digits = text.rsplit_once(':').map_or(text, |(_, port)| port);
    let digits = digits.trim_end_matches('/');
    digits.parse().ok().filter(|port| *port > 0)
}

fn usual(words: &[String]) -> Option<(u16, String)> {
    let name = |word: &String| word.rsplit('/').next().unwrap_or_default().to_owned();
    // gunicorn and uvicorn on a Unix socket or an inherited descriptor listen on no port.
    if words
        .iter()
        .any(|word| word.contains("unix:") || word.starts_with("--uds") || word.starts_with("--fd"))
    {
        return None;
    }
    let found = words
        .iter()
        .map(name)
        .find_map(|word| USUAL.iter().find(|(known, _)| *known == word));
    found.map(|(word, port)| (*port, format!("{word} without a port")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(command: &str, env: &[(&str, &str)]) -> Vec<u16> {
        let service = Service {
            called: "trade_stream".into(),
            command: shlex::split(command).expect("words"),
            env: env
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
            ..Service::default()
        };
        ports(&service).into_iter().map(|(port, _)| port).collect()
    }

    #[test]
    fn every_way_to_name_a_port() {
        for (command, port) in [
            ("app --port 3000", 3000),
            ("app --port=3000", 3000),
            ("app -p 3000", 3000),
            ("app --metrics-port 3000", 3000),
            ("app :3000", 3000),
            ("python3 -m http.server 8123", 8123),
            ("python3 -m http.server", 8000),
            ("python manage.py runserver 0.0.0.0:8001", 8001),
            ("uvicorn app:main --host 0.0.0.0 --port 8002", 8002),
            ("/venv/bin/gunicorn -b 127.0.0.1:8003 app:main", 8003),
            ("gunicorn --bind=:8004 app", 8004),
            ("gunicorn app:main", 8000),
            ("php -S localhost:8005", 8005),
            ("sh -c 'cd x && exec app --port 8006'", 8006),
        ] {
            assert_eq!(found(command, &[]), [port], "{command}");
        }
        assert_eq!(found("app", &[("PORT", "3000")]), [3000]);
        assert_eq!(found("app", &[("TRADE_STREAM_PORT", "8765")]), [8765]);
    }

    #[test]
    fn other_peoples_ports_are_not_its_own() {
        for command in [
            "app --redis-port 6379",
            "app --upstream 127.0.0.1:9000",
            "app --connect :9000",
            "gunicorn --bind unix:/run/x.sock app:main",
            "python app.py 2024",
        ] {
            assert_eq!(found(command, &[]), Vec::<u16>::new(), "{command}");
        }
        assert_eq!(
            found("app", &[("DB_PORT", "5432"), ("REDIS_PORT", "6379")]),
            Vec::<u16>::new()
        );
    }
}
