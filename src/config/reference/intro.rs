//! What the reference says of a whole table, and an example of it that `sentinel check` accepts.

/// Of one table.
pub struct Intro {
    /// What it is for.
    pub about: &'static str,
    /// A whole services.toml that uses it.
    pub example: &'static str,
}

/// Of the file.
pub const FILE: &[&str] = &[
    "Only `command` of each service is required. `sentinel check` names every mistake at once, with line and column.",
    "`sentinel` takes `-c FILE`, else `$SENTINEL_CONFIG`, else `services.toml` here or in the nearest folder above. Relative paths in the file are relative to the file, wherever you stand.",
    "Editors complete and check the file with `sentinel schema > services.schema.json` and a first line `#:schema services.schema.json`.",
    "\"Elsewhere\" names what other systems call a key. Those names do not work here; they are for finding it.",
];

/// What the words after "Takes" look like.
pub const VALUES: &[(&str, &str)] = &[
    (
        "duration",
        "`\"250ms\"`, `\"10s\"`, `\"5m\"`, `\"1h\"`; where days make sense also `\"7d\"`, `\"2w\"`",
    ),
    (
        "size",
        "`\"512KiB\"`, `\"50MiB\"`, `\"2GiB\"`, or a number of bytes",
    ),
    ("signal", "`\"SIGTERM\"`, `\"TERM\"` or `15`"),
    (
        "variables",
        "`${NAME}` and `${NAME:-default}` work in `command`, `env` and urls, from the environment and `env_file`; one that is not set and has no default is an error",
    ),
    (
        "environment of a service",
        "PATH, HOME, USER, LOGNAME, SHELL, LANG, LC_\\*, TZ, TMPDIR; then `env_file`, `pass_env` and its own `env`",
    ),
    (
        "expectation",
        "JSON that the answer must hold; it may hold more. `\"< 120\"`, `\">= 1\"`, `\"!= dead\"` and `\"< 120 or null\"` compare; `\"== text\"` means a text as it stands",
    ),
    (
        "name of a service",
        "letters, digits, `_`, `-`, `.`; not `master`, `full`, `quick`, `emergency`, `force`",
    ),
];

/// The intro of a table, by its name in the keys.
pub fn of(name: &str) -> Option<&'static Intro> {
    INTROS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, intro)| intro)
}

const INTROS: &[(&str, Intro)] = &[
    (
        "services.toml",
        Intro {
            about: "The tables that it may hold. The smallest file:",
            example: "[services.poller]\ncommand = [\"python3\", \"poller.py\"]\n",
        },
    ),
    (
        "[sentinel]",
        Intro {
            about: "What holds for all services, and for `sentinel` itself.",
            example: "[sentinel]\nlog_dir = \"logs\"\nprotected_ports = [5000, 7000, 9000, 10000]\npass_env = [\"DATABASE_URL\", \"ALPACA_*\"]\n\n[services.poller]\ncommand = [\"python3\", \"poller.py\"]\n",
        },
    ),
    (
        "log",
        Intro {
            about: "How output is kept. `[logs]` holds for all services; `log` of one service says what differs.",
            example: "[logs]\nmax_size = \"50MiB\"\nmax_age = \"daily\"\nkeep_for = \"2w\"\n\n[services.noisy]\ncommand = [\"python3\", \"noisy.py\"]\nlog = { max_rate = \"2MiB/s\", max_total = \"200MiB\" }\n",
        },
    ),
    (
        "[services.NAME]",
        Intro {
            about: "One service. `[templates.NAME]` takes the same keys, for many.",
            example: "[templates.watchdog]\ncommand = [\"python3\", \"-m\", \"watchdog\", \"{instance}\", \"--port\", \"{port}\"]\nhealth = { tcp = \"127.0.0.1:{port}\" }\n\n[services.watchdog]                  # watchdog@BTC and watchdog@ETH\ntemplate = \"watchdog\"\ninstances = [\"BTC\", \"ETH\"]\nports = [\"8100+{index}\"]\n\n[services.main_app]\ncommand = \"python3 app.py --port 3000\"\nports = [3000]\nafter = [\"watchdog@BTC\"]\nlimits = { open_files = 65536 }\nmemory_max = \"2GiB\"\n",
        },
    ),
    (
        "ready",
        Intro {
            about: "Asked once for each run; whoever is `after` it waits. One kind of probe, beyond the ports that it must hold.",
            example: "[services.web]\ncommand = [\"python3\", \"app.py\"]\nports = [3000]\nready = { http = \"http://127.0.0.1:3000/health\" }\n\n[services.executor]\ncommand = [\"python3\", \"executor.py\"]\nready = { log = \"listening on .*:8001\" }\n\n[services.native]\ncommand = [\"python3\", \"native.py\"]\nready = { notify = true }\n",
        },
    ),
    (
        "health",
        Intro {
            about: "Asked again and again while it runs, by `status`, and at the end of a restart.",
            example: "[services.stream]\ncommand = [\"trade-stream\"]\nports = [8765]\n\n[services.stream.health]\nws = \"ws://127.0.0.1:8765\"\nsend = { action = \"health\" }\nexpect = { type = \"health\", healthy = true, silence_s = \"< 120 or null\" }\nevery = \"10s\"\nfailures = 3\n\n[services.executor]\ncommand = [\"python3\", \"executor.py\"]\nports = [8001]\nhealth = { http = \"http://127.0.0.1:8001/health\", status = 200, expect = { db = \"up\" } }\n",
        },
    ),
    (
        "a hop of via",
        Intro {
            about: "One probe of `via`, where it is a table of probes by name.",
            example: "[services.proxy]\ncommand = [\"browser-proxy\"]\nports = [8766]\n\n[services.proxy.health]\nws = \"ws://127.0.0.1:8766\"\nvia = { backend = { tcp = \"127.0.0.1:8765\" } }\n",
        },
    ),
    (
        "stop",
        Intro {
            about: "How it is asked to end, and how long it has.",
            example: "[services.poller]\ncommand = [\"python3\", \"poller.py\"]\nstop = { signal = \"SIGINT\", timeout = \"30s\" }\n",
        },
    ),
    (
        "backoff",
        Intro {
            about: "The pauses between tries after failures.",
            example: "[services.poller]\ncommand = [\"python3\", \"poller.py\"]\nbackoff = { min = \"1s\", max = \"1m\" }\n",
        },
    ),
    (
        "limits",
        Intro {
            about: "Resource limits, as `ulimit` has them.",
            example: "[services.poller]\ncommand = [\"python3\", \"poller.py\"]\nlimits = { open_files = 65536, core = 0, memory = \"8GiB\" }\n",
        },
    ),
    (
        "[schedules.NAME]",
        Intro {
            about: "What is done by the clock. `sentinel schedule` lists when, and how the last one went.",
            example: "[services.poller]\ncommand = [\"python3\", \"poller.py\"]\n\n[schedules.nightly]\ncron = \"0 4 * * 1-5\"\ntimezone = \"America/New_York\"\ndo = \"restart poller\"\nunless = \"market_open\"\nmissed = \"run\"\n",
        },
    ),
    (
        "[alerts]",
        Intro {
            about: "Whom to tell when something is wrong. `sentinel alert test` tries it.",
            example: "[alerts]\nwebhook = \"${ALERT_URL:-http://127.0.0.1:9093/}\"\nkinds = [\"fatal\", \"unhealthy\", \"silence\"]\n\n[services.poller]\ncommand = [\"python3\", \"poller.py\"]\n",
        },
    ),
    (
        "[alerts.to.NAME]",
        Intro {
            about: "One more target. It may want other kinds than the first.",
            example: "[alerts.to.pager]\ncommand = [\"logger\", \"-t\", \"pager\"]\nkinds = [\"fatal\"]\n\n[services.poller]\ncommand = [\"python3\", \"poller.py\"]\n",
        },
    ),
    (
        "[metrics]",
        Intro {
            about: "Numbers for Prometheus; `sentinel metrics` prints the same.",
            example: "[metrics]\nlisten = \"127.0.0.1:9109\"\n\n[services.poller]\ncommand = [\"python3\", \"poller.py\"]\n",
        },
    ),
    (
        "[web]",
        Intro {
            about: "What the pages of `main_app` may do.",
            example: "[web]\nactions = true                     # needs MAIN_APP_TOKEN in the env_file\n\n[services.main_app]\ncommand = [\"main-app\"]\nports = [3000]\n",
        },
    ),
];
