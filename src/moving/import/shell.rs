//! Command lines that a shell would run: as plain words where that means the same, else as a shell's script.

use super::super::draft::literal;

/// What is left of a command line once it is taken apart.
pub struct CommandLine {
    /// Variables set in front of it.
    pub env: Vec<(String, String)>,
    /// Program and arguments.
    pub words: Vec<String>,
}

/// `text` as words, or `shell -c text` when it says things that only a shell understands.
pub fn command_line(text: &str, shell: &str) -> CommandLine {
    let plain = (!needs_shell(text))
        .then(|| shlex::split(text))
        .flatten()
        .filter(|words| !words.is_empty());
    let Some(words) = plain else {
        let script = vec![shell.to_owned(), "-c".to_owned(), literal(text)];
        return CommandLine {
            env: Vec::new(),
            words: script,
        };
    };
    let assigned = words.iter().take_while(|word| assignment(word).is_some()).count();
    if assigned == words.len() {
        return CommandLine {
            env: Vec::new(),
            words: vec![shell.to_owned(), "-c".to_owned(), literal(text)],
        };
    }
    let env = words[..assigned]
        .iter()
        .filter_map(|word| assignment(word))
        .collect();
    let mut words: Vec<String> = words[assigned..].iter().map(|word| literal(word)).collect();
    // `exec` is a shell's way of saying what is so here anyway.
    if words.len() > 1 && words[0] == "exec" {
        words.remove(0);
    }
    CommandLine { env, words }
}

fn assignment(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let named =
        !name.is_empty() && name.chars().all(legal) && !name.starts_with(|c: char| c.is_ascii_digit());
    named.then(|| (name.to_owned(), literal(value)))
}

/// Whether a shell would do more than split it into words.
fn needs_shell(text: &str) -> bool {
    const BUILTINS: [&str; 7] = [".", "source", "cd", "export", "ulimit", "set", "eval"];
    let (mut single, mut double, mut escaped) = (false, false, false);
    let first = text.split_whitespace().next().unwrap_or_default();
    if BUILTINS.contains(&first) {
        return true;
    }
    for c in text.chars() {
        let quoted = single || double;
        match c {
            _ if escaped => escaped = false,
            '\\' if !single => escaped = true,
            '\'' if !double => single = !single,
            '"' if !single => double = !double,
            '$' | '`' if !single => return true,
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '*' | '?' | '[' | ']' | '#' | '~' | '!' | '{' | '}'
            | '\n'
                if !quoted =>
            {
                return true;
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        command_line(text, "sh").words
    }

    #[test]
    fn plain_words_need_no_shell() {
        assert_eq!(words("node server.js 'a b'"), ["node", "server.js", "a b"]);
        assert_eq!(words("exec ./run --x"), ["./run", "--x"]);
        assert_eq!(words("grep 'a|b' file"), ["grep", "a|b", "file"]);
    }

    #[test]
    fn variables_in_front_become_the_environment() {
        let line = command_line("A=1 B='x y' run it", "sh");
        assert_eq!(line.words, ["run", "it"]);
        assert_eq!(line.env, [("A".into(), "1".into()), ("B".into(), "x y".into())]);
    }

    #[test]
    fn what_only_a_shell_understands_goes_to_one_unchanged() {
        for text in [
            "a | b",
            "cd x && ./run",
            "echo $HOME",
            "ls *.py",
            "echo \"$X\"",
            "cd /tmp",
            "A=1",
        ] {
            assert_eq!(words(text), ["sh", "-c", text], "{text}");
        }
        assert_eq!(words("echo ${HOME}"), ["sh", "-c", "echo $${HOME}"]);
    }
}
