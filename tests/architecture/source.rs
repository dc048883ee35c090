//! Rust files read simply: production code without comments and tests, and the paths it names.

use std::fs;
use std::path::Path;

/// One file, its path relative to the workspace.
pub struct Source {
    pub path: String,
    pub text: String,
}

/// What a path in code begins with.
#[derive(Debug, PartialEq, Eq)]
pub enum Layer {
    /// A module of this crate: what follows `crate::`, or a chain of `super::` that reaches the root.
    Ours(String),
    /// Another crate, or a name in scope.
    Other(String),
}

/// The production code of sentinel.
pub fn of_sentinel() -> Vec<Source> {
    let without_root = |file: &Source| file.path != "src/lib.rs";
    let mut files = read(&["src"], true);
    files.retain(without_root);
    files
}

/// The production code of every worker.
pub fn of_workers() -> Vec<Source> {
    read(&["workers"], true)
}

/// All production code.
pub fn of_everything() -> Vec<Source> {
    read(&["src", "workers"], true)
}

/// All code.
pub fn of_everything_with_tests() -> Vec<Source> {
    read(&["src", "workers", "tests", "benches"], false)
}

fn read(folders: &[&str], production: bool) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in folders {
        walk(root, &root.join(folder), &mut files);
    }
    assert!(!files.is_empty(), "no Rust files in {folders:?}");
    if production {
        files.retain(|file| !is_test(&file.path));
        for file in &mut files {
            file.text = code(&file.text);
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a readable folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            if entry.file_name() != "target" {
                walk(root, &path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path.strip_prefix(root).expect("inside").display().to_string();
            let text = fs::read_to_string(&path).expect("UTF-8");
            files.push(Source { path: relative, text });
        }
    }
}

/// Test code by its place: `#[cfg(test)] mod sample;` is the one other name in use.
fn is_test(path: &str) -> bool {
    path.split('/')
        .any(|part| matches!(part, "test" | "tests" | "test.rs" | "tests.rs" | "sample.rs"))
}

/// The text with tests, comments and the inside of string literals blanked; lines keep their numbers.
fn code(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    let mut skipping = false;
    let all: Vec<&str> = text.lines().collect();
    for (index, line) in all.iter().enumerate() {
        let opens = *line == "#[cfg(test)]" && all.get(index + 1).is_some_and(|next| next.ends_with('{'));
        skipping |= opens;
        lines.push(if skipping { "" } else { line });
        // rustfmt closes what stands at the left margin at the left margin.
        skipping &= *line != "}";
    }
    blank(&lines.join("\n"))
}

/// Blanks comments and the text of strings. Raw strings end at the first quote: good enough for a
/// look at names, since what follows is a string again and blanked as well.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        match c {
            '\n' => out.push('\n'),
            '\\' if quoted => {
                if chars.next() == Some('\n') {
                    out.push('\n');
                }
            }
            '"' => {
                quoted = !quoted;
                out.push('"');
            }
            _ if quoted => {}
            '\'' if chars.peek() == Some(&'"') => {
                // The character literal '"'.
                chars.nth(1);
            }
            '/' if chars.peek() == Some(&'/') => {
                while chars.peek().is_some_and(|&next| next != '\n') {
                    chars.next();
                }
            }
            c => out.push(c),
        }
    }
    out
}

impl Source {
    /// The module of `src/` that this file belongs to.
    pub fn layer(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        inside
            .split('/')
            .next()
            .map_or(inside, |first| first.trim_end_matches(".rs"))
    }

    /// The lines in which this word or path stands by itself.
    pub fn lines_with(&self, word: &str) -> Vec<usize> {
        self.positions(word).map(|at| self.line(at)).collect()
    }

    /// Every path of code that leaves its module, with its line.
    pub fn imports(&self) -> Vec<(usize, Layer)> {
        let mut found = Vec::new();
        for at in self.positions("crate::") {
            self.heads(at + "crate::".len(), |name| {
                found.push((self.line(at), Layer::Ours(name)));
            });
        }
        let chain = "super::".repeat(self.depth());
        for at in self
            .positions(&chain)
            .filter(|&at| !self.text[..at].ends_with(':'))
        {
            // A longer chain, from a test inside the file, was cut with the tests.
            self.heads(at + chain.len(), |name| {
                found.push((self.line(at), Layer::Ours(name)));
            });
        }
        for at in self.positions("use ") {
            self.heads(at + "use ".len(), |name| {
                found.push((self.line(at), Layer::Other(name)));
            });
        }
        if self.path == "src/main.rs" {
            for at in self.positions("sentinel::") {
                self.heads(at + "sentinel::".len(), |name| {
                    found.push((self.line(at), Layer::Ours(name)));
                });
            }
        }
        found
    }

    /// How many `super::` lead from here to the root of the crate.
    fn depth(&self) -> usize {
        let parts = self.path.split("src/").last().unwrap_or_default();
        let depth = parts.split('/').count();
        if parts.ends_with("/mod.rs") {
            depth - 1
        } else {
            depth
        }
    }

    fn line(&self, at: usize) -> usize {
        self.text[..at].matches('\n').count() + 1
    }

    /// Where a word stands that is no part of a longer one.
    fn positions<'s>(&'s self, word: &'s str) -> impl Iterator<Item = usize> + 's {
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        self.text
            .match_indices(word)
            .map(|(at, _)| at)
            .filter(move |&at| {
                let before = self.text[..at].chars().next_back();
                let after = self.text[at + word.len()..].chars().next();
                let open = word.chars().next_back().is_some_and(is_name);
                let inside = before.is_some_and(is_name) || open && after.is_some_and(is_name);
                !inside
            })
    }

    /// The first name after a prefix, or each first name of a group in braces.
    fn heads(&self, at: usize, mut each: impl FnMut(String)) {
        let rest = &self.text[at..];
        let Some(group) = rest.strip_prefix('{') else {
            return each(head(rest));
        };
        let mut depth = 0_u32;
        let mut item = String::new();
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => each(head(std::mem::take(&mut item).trim_start())),
                c if depth == 0 => item.push(c),
                _ => {}
            }
        }
        let last = head(item.trim_start());
        if !last.is_empty() {
            each(last);
        }
    }
}

fn head(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

#[test]
fn names_are_found_where_they_are_used_and_nowhere_else() {
    let source = |path: &str, text: &str| Source {
        path: path.into(),
        text: code(text),
    };
    let ours = |source: &Source| -> Vec<(usize, String)> {
        let imports = source.imports().into_iter();
        imports
            .filter_map(|(line, layer)| match layer {
                Layer::Ours(name) => Some((line, name)),
                Layer::Other(_) => None,
            })
            .collect()
    };
    let text = "//! crate::no\nuse crate::{\n    api::{Event, Mode},\n    lock,\n};\nlet s = \"crate::no\"; // crate::no\nlet c = ('\"', crate::yes::F);\n#[cfg(test)]\nmod tests {\n    use crate::no;\n}\nfn f(x: crate::after::X) {}\n";
    let names =
        [(2, "api"), (2, "lock"), (7, "yes"), (12, "after")].map(|(line, name)| (line, name.to_string()));
    assert_eq!(ours(&source("src/client/look.rs", text)), names);

    let climbing = "use super::sibling;\nuse super::super::daemon::driver;\n";
    assert_eq!(
        ours(&source("src/client/look.rs", climbing)),
        [(2, "daemon".to_string())]
    );
    assert_eq!(
        ours(&source("src/client/mod.rs", "use super::daemon;"))[0].1,
        "daemon"
    );

    let denied = source(
        "src/supervisor/x.rs",
        "let a = Instants; let b = my_tokio; tokio::spawn(f)\nstd::time::Instant::now()\n",
    );
    assert_eq!(denied.lines_with("Instant"), [2]);
    assert_eq!(denied.lines_with("Instant::now"), [2]);
    assert_eq!(denied.lines_with("tokio"), [1]);
}
