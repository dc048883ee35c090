//! supervisord.conf 4.x: programs with all their numbers, groups, includes; the rest is named and left.
//!
//! Key by key after supervisor's own documentation of its configuration file, and `options.py` of 4.3.

mod environment;
mod expand;
mod program;

use std::path::PathBuf;

use super::super::ledger::{Branch, Fate};
use super::super::node::Node;
use super::{Import, Source, Unreadable, ini, read};
use expand::Expansions;

/// What holds for every program: `[supervisord] environment`, and the groups.
#[derive(Debug, Default)]
struct General {
    environment: Vec<(String, String)>,
    /// Program and the group that it is in.
    groups: Vec<(String, String)>,
}

pub(super) fn import(import: &mut Import<'_>, source: &Source) -> Result<(), Unreadable> {
    let mut files = vec![(source.clone(), ini::supervisord(source)?)];
    for included in includes(import, source, &files[0].1) {
        let file = read::file(&included)?;
        let sections = ini::supervisord(&file)?;
        files.push((file, sections));
    }
    let mut general = General::default();
    let mut programs = Vec::new();
    for (file, sections) in files {
        for (name, pairs) in sections {
            let section = section(import, &file, &name, pairs);
            match name
                .split_once(':')
                .map_or((name.as_str(), ""), |(kind, of)| (kind, of.trim()))
            {
                ("program", program) => programs.push((file.clone(), program.to_owned(), section)),
                ("group", group) => group_of(import, &mut general, group, section),
                ("supervisord", _) => settings(import, &mut general, &file, section),
                ("include", _) => {
                    section.close(&mut import.ledger, "supervisord reads no other key of [include]");
                }
                (kind, _) => section.close(&mut import.ledger, no_equivalent(kind)),
            }
        }
    }
    for (file, name, section) in programs {
        program::import(import, &file, &name, section, &general);
    }
    Ok(())
}

/// One section; of a key that is repeated, the last counts, and the earlier ones are reported.
fn section(import: &mut Import<'_>, file: &Source, name: &str, pairs: Vec<(String, String)>) -> Branch {
    let mut table: Vec<(String, Node)> = Vec::new();
    for (key, value) in pairs {
        if key == "files" && name == "include" {
            import.record(
                file,
                &[name, &key],
                &value,
                Fate::Carried("the files it names were read too".into()),
            );
            continue;
        }
        if let Some(index) = table.iter().position(|(known, _)| *known == key) {
            let (_, earlier) = table.remove(index);
            let why = Fate::Left("the same key stands again further down, and that one counts".into());
            let shown = if super::super::secrets::in_text(&earlier.to_string()) {
                "(not shown)".into()
            } else {
                earlier.to_string()
            };
            import.record(file, &[name, &key], &shown, why);
        }
        table.push((key, Node::Text(value)));
    }
    Branch::root(
        &file.shown,
        Node::Table(vec![(name.to_owned(), Node::Table(table))]),
    )
    .enter(name)
    .unwrap_or_else(|| Branch::root(&file.shown, Node::Empty))
}

fn includes(import: &mut Import<'_>, source: &Source, sections: &ini::Sections) -> Vec<PathBuf> {
    let patterns = sections
        .iter()
        .filter(|(name, _)| name == "include")
        .flat_map(|(_, pairs)| pairs)
        .filter(|(key, _)| key == "files")
        .flat_map(|(_, value)| value.split_whitespace());
    let expansions = Expansions::of(source, import.environment);
    let mut files = Vec::new();
    for pattern in patterns {
        let found = expansions
            .now(pattern)
            .and_then(|pattern| read::matching(&source.folder.join(pattern).to_string_lossy()));
        match found {
            Ok(found) if found.is_empty() => {
                import.draft.remarks.push(format!(
                    "{}: [include] `{pattern}` means no file here",
                    source.shown
                ));
            }
            Ok(found) => files.extend(found),
            Err(why) => import
                .draft
                .remarks
                .push(format!("{}: [include] `{pattern}`: {why}", source.shown)),
        }
    }
    files
}

fn group_of(import: &mut Import<'_>, general: &mut General, group: &str, mut section: Branch) {
    let to = "`group` of each of these services";
    let programs = section
        .carry_text(&mut import.ledger, "programs", to)
        .unwrap_or_default();
    let programs: Vec<&str> = programs
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    import.draft.remarks.push(format!(
        "instead of `supervisorctl restart {group}:*` write `sentinel restart @{group}`"
    ));
    general.groups.extend(
        programs
            .iter()
            .map(|program| ((*program).to_owned(), group.to_owned())),
    );
    section.leave(&mut import.ledger, "priority", PRIORITY);
    section.close(&mut import.ledger, "supervisord reads no other key of a group");
}

const PRIORITY: &str =
    "a number is no reason: say what a service needs with `after`, and it starts when that is ready";

fn settings(import: &mut Import<'_>, general: &mut General, file: &Source, mut section: Branch) {
    let expansions = Expansions::of(file, import.environment);
    let environment = section.carry(
        &mut import.ledger,
        "environment",
        "`env` of every service",
        |node| environment::parse(node.text().unwrap_or_default(), &expansions),
    );
    general.environment.extend(environment.unwrap_or_default());
    for (key, why) in [
        (
            "nodaemon",
            "`sentinel run` stays in the foreground, `sentinel start` does not",
        ),
        ("logfile", "sentinel's own log is sentinel.log in `log_dir`"),
        ("logfile_maxbytes", ROTATION),
        ("logfile_backups", ROTATION),
        ("childlogdir", "the logs of all services are in `log_dir`"),
        (
            "pidfile",
            "`sentinel status --json` names the supervisor's pid, and a lock keeps a second one away",
        ),
        ("user", "sentinel runs as the user who starts it"),
        ("umask", "write `umask` into the services that need it"),
        (
            "directory",
            "a relative path in services.toml is relative to the file itself",
        ),
        ("loglevel", "RUST_LOG sets it"),
        ("minfds", "sentinel takes the limits that it is started with"),
        ("minprocs", "sentinel takes the limits that it is started with"),
        ("identifier", "a house is known by its folder"),
        ("nocleanup", "no logs are removed at a start"),
        ("strip_ansi", "logs are kept as they are"),
        ("silent", "sentinel prints no log to its terminal"),
    ] {
        section.leave(&mut import.ledger, key, why);
    }
    section.close(&mut import.ledger, "sentinel has no such setting");
}

const ROTATION: &str = "sentinel.log is rotated as `[logs]` says";

fn no_equivalent(section: &str) -> &'static str {
    match section {
        "unix_http_server" | "inet_http_server" => {
            "sentinel is asked over its own socket, which only its user may open; for browsers there are the pages of `main-app`"
        }
        "supervisorctl" => "`sentinel` finds its supervisor by services.toml",
        "rpcinterface" => "there are no XML-RPC plug-ins; scripts read `--json`",
        "eventlistener" => {
            "not carried over: sentinel speaks no event listener protocol; scripts read `--json`"
        }
        "fcgi-program" => {
            "not carried over: FastCGI wants its socket as descriptor 0; sentinel hands over `sockets` as systemd does"
        }
        "ctlplugin" => "supervisorctl's plug-ins have no place in sentinel",
        _ => "supervisord does not know this section either",
    }
}
