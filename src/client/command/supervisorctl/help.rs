//! What supervisorctl says of its words, and what to do instead of those that sentinel has no use for.

use crate::client::error::Error;
use crate::exit::ExitCode;

use super::Call;
use super::wording::Name;

/// Every word, in the columns in which supervisorctl lists them.
const WORDS: [[&str; 7]; 3] = [
    ["add", "exit", "open", "reload", "restart", "start", "tail"],
    ["avail", "fg", "pid", "remove", "shutdown", "status", "update"],
    ["clear", "maintail", "quit", "reread", "signal", "stop", "version"],
];

impl Call<'_> {
    /// All words, or how one is used.
    pub(super) fn help(&mut self, topics: &[String]) -> Result<(), Error> {
        let Some(topic) = topics.first() else {
            let mut lines = String::from(
                "\ndefault commands (type help <topic>):\n=====================================\n",
            );
            for row in WORDS {
                let width = |column: usize| WORDS.iter().map(|row| row[column].len()).max().unwrap_or(0);
                let cells = row.iter().enumerate();
                let cells: Vec<String> = cells
                    .map(|(column, word)| format!("{word:0$}", width(column)))
                    .collect();
                lines.push_str(&format!("{}\n", cells.join("  ")));
            }
            return self.say(&lines, ExitCode::Ok);
        };
        let known = topic == "help" || WORDS.iter().flatten().any(|word| word == topic);
        let line = if known {
            usage(topic)
        } else {
            format!("*** No help on {topic}")
        };
        self.say(&line, ExitCode::Ok)
    }

    /// The words that sentinel has no use for: their own complaints, then what to do instead.
    pub(super) async fn instead(&mut self, verb: &str, arguments: &[String]) -> Result<(), Error> {
        let line = match (verb, arguments.first()) {
            ("fg", None) => format!("ERROR: no process name supplied\n{}", usage("fg")),
            ("fg", Some(name)) => {
                let Some(status) = self.up().await? else {
                    return Ok(());
                };
                let name = Name::parse(name);
                match status.services.iter().find(|service| name.means(service)) {
                    None => "ERROR: bad process name supplied".into(),
                    Some(service) => format!(
                        "ERROR: sentinel gives services no terminal; to follow one: sentinel logs {} -f",
                        service.name
                    ),
                }
            }
            (_, Some(url)) if url.starts_with("http://") || url.starts_with("unix://") => {
                "ERROR: there is one supervisor for each services.toml: sentinel -c FILE supervisorctl".into()
            }
            _ => "ERROR: url must be http:// or unix://".into(),
        };
        self.say(&line, ExitCode::Failed)
    }
}

/// The lines below an error about a word's arguments, as supervisorctl has them.
pub(super) fn usage(verb: &str) -> String {
    match verb {
        "start" | "stop" | "restart" => change(verb),
        "signal" => "signal <signal name> <name>\t\tSignal a process\nsignal <signal name> <gname>:*\t\tSignal all processes in a group\nsignal <signal name> <name> <name>\tSignal multiple processes or groups\nsignal <signal name> all\t\tSignal all processes".into(),
        "tail" => "tail [-f] <name> [stdout|stderr] (default stdout)\nEx:\ntail -f <name>\t\tContinuous tail of named process stdout\n\t\t\tCtrl-C to exit.\ntail -100 <name>\tlast 100 *bytes* of process stdout\ntail <name> stderr\tlast 1600 *bytes* of process stderr".into(),
        "status" => "status <name>\t\tGet status for a single process\nstatus <gname>:*\tGet status for all processes in a group\nstatus <name> <name>\tGet status for multiple named processes\nstatus\t\t\tGet all process status info".into(),
        "add" => "add <name> [...]\tActivates any updates in config for process/group".into(),
        "remove" => "remove <name> [...]\tRemoves process/group from active config".into(),
        "clear" => "clear <name>\t\tClear a process' log files.\nclear <name> <name>\tClear multiple process' log files\nclear all\t\tClear all process' log files".into(),
        "update" => "update\t\t\tReload config and add/remove as necessary, and will restart affected programs\nupdate all\t\tReload config and add/remove as necessary, and will restart affected programs\nupdate <gname> [...]\tUpdate specific groups".into(),
        "pid" => "pid\t\t\tGet the PID of supervisord.\npid <name>\t\tGet the PID of a single child process by name.\npid all\t\t\tGet the PID of every child process, one per line.".into(),
        "maintail" => "maintail -f \tContinuous tail of supervisor main log file (Ctrl-C to exit)\nmaintail -100\tlast 100 *bytes* of supervisord main log file\nmaintail\tlast 1600 *bytes* of supervisor main log file\n".into(),
        "fg" => "fg <process>\tConnect to a process in foreground mode\n\t\tCtrl-C to exit".into(),
        "open" => "open <url>\tConnect to a remote supervisord process.\n\t\t(for UNIX domain socket, use unix:///socket/path)".into(),
        "version" => "version\t\t\tShow the version of the remote supervisord process".into(),
        "avail" => "avail\t\t\tDisplay all configured processes".into(),
        "reread" => "reread \t\t\tReload the daemon's configuration files without add/remove".into(),
        "shutdown" => "shutdown \tShut the remote supervisord down.".into(),
        "reload" => "reload \t\tRestart the remote supervisord.".into(),
        "exit" | "quit" => format!("{verb}\tExit the supervisor shell."),
        _ => "help\t\tPrint a list of available actions\nhelp <action>\tPrint help for <action>".into(),
    }
}

fn change(verb: &str) -> String {
    let title = format!("{}{}", verb[..1].to_uppercase(), &verb[1..]);
    let (tabs, note) = match verb {
        "restart" => (
            "\t",
            "\nNote: restart does not reread config files. For that, see reread and update.",
        ),
        _ => ("\t\t", ""),
    };
    format!(
        "{verb} <name>\t\t{title} a process\n{verb} <gname>:*{tabs}{title} all processes in a group\n\
         {verb} <name> <name>\t{title} multiple processes or groups\n{verb} all\t\t{title} all processes{note}"
    )
}
