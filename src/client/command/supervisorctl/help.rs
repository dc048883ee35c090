//! What supervisorctl says of its words, and what to do instead of those that sentinel has no use for.

use crate::client::error::Error;
use crate::exit::ExitCode;

use super::Call;

const WORDS: [&str; 13] = [
    "avail", "exit", "help", "maintail", "pid", "quit", "reread", "restart", "shutdown", "signal", "start",
    "status", "stop",
];

impl Call<'_> {
    /// All words, or how one is used.
    pub(super) fn help(&mut self, topics: &[String]) -> Result<(), Error> {
        let Some(topic) = topics.first() else {
            let lines = format!(
                "\ndefault commands (type help <topic>):\n=====================================\n{}\ntail  update  version\n",
                WORDS.join("  ")
            );
            return self.say(&lines, ExitCode::Ok);
        };
        let known =
            WORDS.contains(&topic.as_str()) || ["tail", "update", "version"].contains(&topic.as_str());
        let line = if known {
            usage(topic)
        } else {
            format!("*** No help on {topic}")
        };
        self.say(&line, ExitCode::Ok)
    }
}

/// The lines below an error about a word's arguments, as supervisorctl has them.
pub(super) fn usage(verb: &str) -> String {
    match verb {
        "start" | "stop" | "restart" => change(verb),
        "signal" => "signal <signal name> <name>\t\tSignal a process\nsignal <signal name> <gname>:*\t\tSignal all processes in a group\nsignal <signal name> <name> <name>\tSignal multiple processes or groups\nsignal <signal name> all\t\tSignal all processes".into(),
        "tail" => "tail [-f] <name> [stdout|stderr] (default stdout)\nEx:\ntail -f <name>\t\tContinuous tail of named process stdout\n\t\t\tCtrl-C to exit.\ntail -100 <name>\tlast 100 *bytes* of process stdout\ntail <name> stderr\tlast 1600 *bytes* of process stderr".into(),
        "status" => "status <name>\t\tGet status for a single process\nstatus <gname>:*\tGet status for all processes in a group\nstatus <name> <name>\tGet status for multiple named processes\nstatus\t\t\tGet all process status info".into(),
        "shutdown" => "shutdown \tShut the remote supervisord down.".into(),
        "reload" => "reload \t\tRestart the remote supervisord.".into(),
        _ => format!("{verb}: as supervisorctl has it; see `sentinel help supervisorctl`"),
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

/// What to do instead of a word that sentinel has no use for.
pub(super) fn instead(verb: &str) -> String {
    let why = match verb {
        "add" | "remove" => "all that differs is added and removed at once: `update`",
        "clear" => "logs end by themselves: they are rotated and capped",
        "fg" => "sentinel gives services no terminal: `sentinel logs NAME -f` follows one",
        "open" => "there is one supervisor for each services.toml: `sentinel -c FILE`",
        _ => "a supervisor is restarted with its services: `sentinel restart`",
    };
    format!("ERROR: `{verb}` is not here: {why}")
}
