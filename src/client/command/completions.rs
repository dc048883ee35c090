//! `sentinel completions`: clap's scripts, in which the names of services are asked for when they are needed.

use std::collections::BTreeSet;

use clap::{Command as Words, CommandFactory, ValueHint};
use clap_complete::{Shell as Script, generate};

use crate::cli::{Cli, Shell};
use crate::client::error::Error;
use crate::client::house;
use crate::exit::ExitCode;

use super::Caller;

/// The commands whose words are names of services.
const NAMED: [&str; 6] = ["restart", "start", "stop", "status", "flush", "logs"];

pub(super) fn run(caller: &Caller, shell: Shell) -> Result<ExitCode, Error> {
    let script = match shell {
        Shell::Bash => bash(&script(Script::Bash)),
        Shell::Zsh => zsh(&script(Script::Zsh)),
        Shell::Fish => fish(&script(Script::Fish)),
    };
    caller.terminal.print(&script)?;
    Ok(ExitCode::Ok)
}

/// One name per line, then the groups. Silent without a services.toml: nobody wants an error in the middle of a line that is typed.
pub(super) fn names(caller: &Caller) -> Result<ExitCode, Error> {
    let config = house::locate(&caller.flags)
        .ok()
        .and_then(|paths| house::read(&paths).ok());
    let groups: BTreeSet<&str> = config
        .iter()
        .flat_map(|config| &config.services)
        .filter_map(|spec| spec.group.as_deref())
        .collect();
    let names = config.iter().flat_map(house::names);
    let lines: String = names
        .chain(groups.into_iter().map(|group| format!("@{group}")))
        .map(|name| format!("{name}\n"))
        .collect();
    caller.terminal.print(&lines)?;
    Ok(ExitCode::Ok)
}

fn script(shell: Script) -> String {
    let mut script = Vec::new();
    // `Other` keeps zsh from offering files where a service is meant.
    let hinted = NAMED.iter().fold(shown(), |command, name| {
        command.mut_subcommand(name, |sub| {
            sub.mut_args(|arg| {
                if arg.is_positional() {
                    arg.value_hint(ValueHint::Other)
                } else {
                    arg
                }
            })
        })
    });
    let mut hinted = hinted;
    generate(shell, &mut hinted, "sentinel", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Our commands without the hidden ones, which clap would offer too.
fn shown() -> Words {
    let all = Cli::command();
    let shown = all.get_subcommands().filter(|sub| !sub.is_hide_set());
    Words::new("sentinel")
        .about(all.get_about().cloned().unwrap_or_default())
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(all.is_disable_help_subcommand_set())
        .args(all.get_arguments().cloned())
        .subcommands(shown.cloned())
}

/// Asks the words typed so far for `-c FILE`, so that the names are those of that file.
const ASK: &str = r#"
_sentinel_names() {
    local word before= file=
    for word in "$@"; do
        case $before in -c | --config) file=$word ;; esac
        case $word in --config=*) file=${word#--config=} ;; esac
        before=$word
    done
    if [ -n "$file" ]; then command sentinel --config "$file" names; else command sentinel names; fi 2>/dev/null
}
"#;

/// clap's function first; then the names, when the command takes some and no option is being typed.
/// Bash breaks words at `@`: what stands before the break is part of the name, and not typed again.
fn bash(script: &str) -> String {
    let wrapper = r#"
_sentinel_live() {
    _sentinel "$@"
    local current=${COMP_WORDS[COMP_CWORD]} word typed=${COMP_LINE:0:COMP_POINT}
    typed=${typed##* }
    case $typed in *"$current") ;; *) typed=$current ;; esac
    case $current in -*) return 0 ;; esac
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in
        NAMED)
            local more=
            case $word in
            restart) more="master full quick emergency force" ;;
            logs) more=sentinel ;;
            esac
            COMPREPLY=($(compgen -W "$more $(_sentinel_names "${COMP_WORDS[@]}")" -- "$typed"))
            COMPREPLY=("${COMPREPLY[@]#"${typed%"$current"}"}")
            return 0
            ;;
        esac
    done
}
complete -F _sentinel_live sentinel
"#;
    format!("{script}{ASK}{}", wrapper.replace("NAMED", &NAMED.join(" | ")))
}

/// clap's `_default` for the words of these commands becomes a function that asks.
fn zsh(script: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in script.lines() {
        let names = line.starts_with("'*::services -- ")
            || line.starts_with("'*::words -- ")
            || line.starts_with("'*::targets -- ");
        let hint = line.rfind(":_default").or_else(|| line.rfind(":' "));
        lines.push(match hint.filter(|_| names) {
            Some(at) => format!("{}:_sentinel_services' \\", &line[..at]),
            None => line.to_owned(),
        });
    }
    let functions = "
_sentinel_services() {
    # $words begins after the command by now; the whole line is what says which it is, and of which file.
    local -a names modes line
    line=(${(z)BUFFER})
    (( $line[(I)restart] )) && modes=(master full quick emergency force)
    (( $line[(I)logs] )) && modes=(sentinel)
    (( $#modes )) && _describe 'mode' modes
    names=(${(f)\"$(_sentinel_names $line)\"})
    _describe 'service' names
}
";
    // The script ends with a call of itself; the functions must be there before.
    let text = lines.join("\n");
    match text.split_once('\n') {
        Some((compdef, rest)) => format!("{compdef}\n{ASK}{functions}{rest}\n"),
        None => text,
    }
}

/// What stands in place of files after a command, for fish, whose rules join by themselves.
fn fish(script: &str) -> String {
    let rule = |command: &str, words: &str| {
        format!("complete -c sentinel -n '__fish_seen_subcommand_from {command}' -f -a '{words}'\n")
    };
    let named = NAMED
        .iter()
        .map(|name| rule(name, "(command sentinel names 2>/dev/null)"));
    let modes = rule("restart", "master full quick emergency force");
    let own = rule("logs", "sentinel");
    let all = Cli::command();
    // The words of an argument that is one of a few, which clap writes for options alone.
    let chosen = ["completions", "export"].into_iter().map(|command| {
        let arguments = all
            .find_subcommand(command)
            .into_iter()
            .flat_map(Words::get_positionals);
        let words: Vec<String> = arguments
            .flat_map(clap::Arg::get_possible_values)
            .map(|value| value.get_name().to_owned())
            .collect();
        rule(command, &words.join(" "))
    });
    let rules: String = named.chain([modes, own]).chain(chosen).collect();
    format!("{script}{rules}")
}
