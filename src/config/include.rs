//! `include`: services.toml and the files it names, read as one text and merged into one tree.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::env_file::reason;
use super::report::{Finding, Report};

/// The tables that every file may add to; what else a file says, only services.toml may say.
const SHARED: [&str; 3] = ["services", "templates", "schedules"];

/// The texts of services.toml and of all that it includes, one after the other.
pub(super) struct Sources {
    text: String,
    /// Where each file starts in the text, and its name relative to the folder of services.toml.
    starts: Vec<(usize, String)>,
    /// The files, absolute; services.toml first.
    pub(super) files: Vec<PathBuf>,
    found: Vec<Finding>,
}

/// Reads what `include` names, from services.toml on. What cannot be read is reported by [`Sources::report`].
pub(super) fn gather(file: &Path, text: &str) -> Sources {
    let mut sources = Sources {
        text: String::new(),
        starts: Vec::new(),
        files: Vec::new(),
        found: Vec::new(),
    };
    let root = file.parent().unwrap_or(Path::new("/"));
    sources.take(file, text, root, &mut Vec::new());
    sources
}

impl Sources {
    /// A report over all files, with what went wrong until now.
    pub(super) fn report(&mut self) -> Report<'_> {
        let found = std::mem::take(&mut self.found);
        let report = Report::over(&self.text, self.starts.clone());
        found.into_iter().for_each(|finding| report.add(finding));
        report
    }

    fn take(&mut self, file: &Path, text: &str, root: &Path, above: &mut Vec<PathBuf>) {
        if !self.starts.is_empty() {
            self.text.push('\n');
        }
        let base = self.text.len();
        let shown = file.strip_prefix(root).unwrap_or(file).display().to_string();
        self.text.push_str(text);
        self.starts.push((base, shown));
        self.files.push(file.to_path_buf());
        above.push(file.to_path_buf());
        for (pattern, at) in patterns(text) {
            self.follow(&pattern, base + at, root, above);
        }
        above.pop();
    }

    /// Takes in every file that a pattern names, in the order of their names.
    fn follow(&mut self, pattern: &str, at: usize, root: &Path, above: &mut Vec<PathBuf>) {
        let folder = above.last().and_then(|file| file.parent()).unwrap_or(root);
        match matching(pattern, folder) {
            Ok(files) => {
                for file in files {
                    self.include(&file, at, root, above);
                }
            }
            Err((message, help)) => self.wrong(at, message, help),
        }
    }

    fn include(&mut self, file: &Path, at: usize, root: &Path, above: &mut Vec<PathBuf>) {
        let shown = file.strip_prefix(root).unwrap_or(file).display();
        let unreadable = |error: &std::io::Error| format!("`{shown}` cannot be read: {}", reason(error));
        let help = "let the user who runs sentinel read it, or take it out of `include`";
        let file = match file.canonicalize() {
            Ok(file) => file,
            Err(error) => return self.wrong(at, unreadable(&error), help),
        };
        if above.contains(&file) {
            let name = |file: &PathBuf| file.strip_prefix(root).unwrap_or(file).display().to_string();
            let circle: Vec<String> = above
                .iter()
                .skip_while(|above| **above != file)
                .map(name)
                .collect();
            let circle = format!("{} -> {}", circle.join(" -> "), name(&file));
            let message = format!("files include each other: {circle}");
            return self.wrong(at, message, "take one of them out of the other's `include`");
        }
        if self.files.contains(&file) {
            return;
        }
        let (bytes, trusted) = match super::read(&file) {
            Ok(read) => read,
            Err(error) => return self.wrong(at, unreadable(&error), help),
        };
        // What it says is run, like what services.toml says: the same must be true of it.
        if let Err((message, help)) = trusted {
            return self.wrong(at, message, help);
        }
        match String::from_utf8(bytes) {
            Ok(text) => self.take(&file, text.strip_prefix('\u{feff}').unwrap_or(&text), root, above),
            Err(_) => self.wrong(at, format!("`{shown}` is not UTF-8"), "save the file as UTF-8"),
        }
    }

    fn wrong(&mut self, at: usize, message: impl Into<String>, help: impl Into<String>) {
        self.found.push(Finding::new(at, message).help(help));
    }
}

/// The patterns of a file's `include`, each with its place. What is no array of strings is reported when the
/// whole is decoded.
fn patterns(text: &str) -> Vec<(String, usize)> {
    if !text.contains("include") {
        return Vec::new();
    }
    let (root, _) = DeTable::parse_recoverable(text);
    let list = root
        .get_ref()
        .get("include")
        .and_then(|list| list.get_ref().as_array());
    list.into_iter()
        .flatten()
        .filter_map(|item| Some((item.get_ref().as_str()?.to_owned(), item.span().start)))
        .collect()
}

/// The files that a pattern means; a name without wildcards means just that file.
fn matching(pattern: &str, folder: &Path) -> Result<Vec<PathBuf>, (String, String)> {
    if !pattern.contains(['*', '?', '[']) {
        let file = folder.join(pattern);
        let help = format!(
            "create it, or take it out; it was looked for at {}",
            file.display()
        );
        return match file.is_file() {
            true => Ok(vec![file]),
            false => Err((format!("there is no file `{pattern}`"), help)),
        };
    }
    let whole = match pattern.starts_with('/') {
        true => pattern.to_owned(),
        false => format!("{}/{pattern}", glob::Pattern::escape(&folder.to_string_lossy())),
    };
    let found = glob::glob(&whole).map_err(|error| {
        let message = format!("`{pattern}` is not a pattern: {}", error.msg);
        (message, "write one like \"services.d/*.toml\"".to_owned())
    })?;
    let mut files: Vec<PathBuf> = found
        .filter_map(Result::ok)
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    Ok(files)
}

/// One tree of all files' trees: what may stand in each is joined, by name.
pub(super) fn merged<'t>(trees: Vec<DeTable<'t>>, report: &Report<'_>) -> DeTable<'t> {
    let mut trees = trees.into_iter();
    let mut whole = trees.next().unwrap_or_default();
    for tree in trees {
        for (key, value) in tree {
            let name: &str = key.get_ref();
            match (name, SHARED.contains(&name)) {
                ("include", _) => {}
                (_, true) => join(&mut whole, key, value, report),
                (_, false) => {
                    let message = format!("`{name}` can only stand in services.toml itself");
                    let help = format!("an included file may hold {}", SHARED.join(", "));
                    report.add(Finding::new(key.span().start, message).help(help));
                }
            }
        }
    }
    whole
}

type Key<'t> = Spanned<toml::de::DeString<'t>>;

fn join<'t>(whole: &mut DeTable<'t>, key: Key<'t>, value: Spanned<DeValue<'t>>, report: &Report<'_>) {
    let known = whole.get_mut(&**key.get_ref()).map(Spanned::get_mut);
    let (Some(DeValue::Table(known)), DeValue::Table(_)) = (known, value.get_ref()) else {
        // The first of its kind, or of a wrong type, which is told when it is read.
        whole.insert(key, value);
        return;
    };
    let DeValue::Table(entries) = value.into_inner() else {
        return;
    };
    for (name, entry) in entries {
        match known.get_key_value(&**name.get_ref()) {
            None => {
                known.insert(name, entry);
            }
            Some((other, _)) => {
                let message = format!("`{}` is declared twice", name.get_ref());
                let help = format!(
                    "it is also at {}; give one of them another name",
                    report.place(other.span().start)
                );
                report.add(Finding::new(name.span().start, message).help(help));
            }
        }
    }
}

/// The tree of a text that starts at byte `base`: every place counted from the start of all texts.
pub(super) fn shifted(table: DeTable<'_>, base: usize) -> DeTable<'_> {
    if base == 0 {
        return table;
    }
    table
        .into_iter()
        .map(|(key, value)| (moved(key, base), shifted_value(value, base)))
        .collect()
}

fn shifted_value(value: Spanned<DeValue<'_>>, base: usize) -> Spanned<DeValue<'_>> {
    let span = value.span();
    let inner = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(shifted(table, base)),
        DeValue::Array(items) => {
            DeValue::Array(items.into_iter().map(|item| shifted_value(item, base)).collect())
        }
        plain @ (DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_)) => plain,
        plain @ (DeValue::Boolean(_) | DeValue::Datetime(_)) => plain,
    };
    moved(Spanned::new(span, inner), base)
}

fn moved<T>(spanned: Spanned<T>, base: usize) -> Spanned<T> {
    let span = spanned.span();
    Spanned::new(base + span.start..base + span.end, spanned.into_inner())
}
