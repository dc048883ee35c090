//! A process's command in a few words for people, without the arguments that may hold secrets.

use super::procfs::read_into;

/// The longest name shown, in characters.
const LONGEST: usize = 60;

/// Programs whose first argument says more than they do.
const INTERPRETERS: [&str; 14] = [
    "python", "pypy", "node", "deno", "bun", "ruby", "perl", "php", "bash", "dash", "sh", "zsh", "java",
    "lua",
];

/// What a person calls the process: `trade-stream`, `python3 server.py`, `python3 -m http.server`.
///
/// At most 60 characters, without control characters. Empty when the process is gone. Processes choose
/// it themselves: show it, never decide by it what may be killed.
#[must_use]
pub fn command(pid: i32) -> String {
    let mut text = Vec::new();
    let _ = read_into(&format!("/proc/{pid}/cmdline"), &mut text);
    if text.iter().all(|&byte| byte == 0) {
        // A kernel thread or a zombie has no arguments, but a name.
        text.clear();
        let _ = read_into(&format!("/proc/{pid}/comm"), &mut text);
        return printable(String::from_utf8_lossy(&text).trim());
    }
    let text = String::from_utf8_lossy(&text);
    let arguments: Vec<&str> = text.split('\0').collect();
    printable(&short(&arguments))
}

/// `argv[0]`'s file name, and the script's for an interpreter.
fn short(arguments: &[&str]) -> String {
    let program = file_name(title(arguments.first().unwrap_or(&"")));
    if !is_interpreter(program) {
        return program.to_string();
    }
    match script(program, &arguments[1..]) {
        Some(script) => format!("{program} {script}"),
        None => program.to_string(),
    }
}

/// The program in a title that a process gave itself: `nginx: master process …`, `chrome --type=…`.
fn title(argument: &str) -> &str {
    let end = [": ", " -"].iter().filter_map(|mark| argument.find(mark)).min();
    argument[..end.unwrap_or(argument.len())].trim_start_matches('-')
}

fn file_name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

/// `python3.12` is python, `shred` is not sh.
fn is_interpreter(program: &str) -> bool {
    let bare = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    INTERPRETERS.contains(&bare)
}

/// What the interpreter runs. Nothing after an option that is not known to stand alone, since it may
/// be that option's value or, after `-c` or `-e`, code.
fn script(program: &str, arguments: &[&str]) -> Option<String> {
    let mut rest = arguments.iter();
    loop {
        match *rest.next()? {
            "-m" if program.starts_with("py") => return Some(format!("-m {}", plain(rest.next()?)?)),
            "-jar" => return Some(file_name(plain(rest.next()?)?).to_string()),
            "-u" | "-O" | "-OO" | "-B" | "-E" | "-I" | "-s" | "-S" | "--" if program.starts_with("py") => {}
            option if option.starts_with('-') => return None,
            path => return Some(file_name(plain(path)?).to_string()),
        }
    }
}

/// A path or module name; not code, an address or an assignment.
fn plain(argument: &str) -> Option<&str> {
    let legal = |c: char| c.is_alphanumeric() || "_-./@+ ".contains(c);
    (!argument.is_empty() && argument.chars().all(legal)).then_some(argument)
}

/// Cut to length and safe on a terminal.
fn printable(text: &str) -> String {
    let safe = |c: char| if c.is_control() { '?' } else { c };
    text.chars().take(LONGEST).map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::{command, printable, short};
    use std::process::Command;

    #[test]
    fn people_recognise_it_and_secrets_stay_out() {
        let cases: [(&[&str], &str); 22] = [
            (&["/usr/bin/trade-stream", "--key", "SECRET"], "trade-stream"),
            (
                &["/usr/bin/python3", "/srv/app/server.py", "--key=SECRET"],
                "python3 server.py",
            ),
            (&["python3.12", "-u", "server.py"], "python3.12 server.py"),
            (
                &["python3", "-m", "http.server", "8000"],
                "python3 -m http.server",
            ),
            (&["python3", "-X", "SECRET", "server.py"], "python3"),
            (&["python3", "-c", "print('SECRET')"], "python3"),
            (&["python3"], "python3"),
            (
                &["/venv/bin/python", "/venv/bin/uvicorn", "app:main"],
                "python uvicorn",
            ),
            (&["node", "--inspect=SECRET", "x.js"], "node"),
            (&["node", "/app/index.js"], "node index.js"),
            (&["bash", "-c", "SECRET"], "bash"),
            (&["-bash"], "bash"),
            (&["sh", "./run.sh", "SECRET"], "sh run.sh"),
            (&["java", "-jar", "/opt/a.jar"], "java a.jar"),
            (&["java", "-cp", "SECRET", "Main"], "java"),
            (&["nginx: master process /usr/sbin/nginx -g SECRET"], "nginx"),
            (&["sshd: user@pts/0"], "sshd"),
            (&["/opt/chrome/chrome --token=/SECRET"], "chrome"),
            (&["shred", "SECRET"], "shred"),
            (&["python3", "http://user:SECRET@host/"], "python3"),
            (&["/opt/My App/server"], "server"),
            (&[], ""),
        ];
        for (arguments, expected) in cases {
            assert_eq!(short(arguments), expected, "{arguments:?}");
        }
    }

    #[test]
    fn it_cannot_steer_a_terminal() {
        assert_eq!(printable("a\x1b[2J\nb"), "a?[2J?b");
        assert_eq!(printable(&"é".repeat(99)).chars().count(), 60);
    }

    #[test]
    fn a_zombie_still_has_a_name() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let (mut before, deadline) = (
            command(pid),
            std::time::Instant::now() + std::time::Duration::from_secs(60),
        );
        // Until its exec is done a child shows our own command.
        while before != "sleep" && std::time::Instant::now() < deadline {
            before = command(pid);
        }
        assert_eq!(before, "sleep");
        child.kill().unwrap();
        while crate::process::Table::read().unwrap().get(pid).unwrap().state != 'Z' {
            assert!(std::time::Instant::now() < deadline);
        }
        assert_eq!(command(pid), "sleep");
        child.wait().unwrap();
        assert_eq!(command(pid), "");
    }
}
