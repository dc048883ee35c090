//! PURE: which paths a pattern of `watch` means, and which folders they can be in.

use std::path::{Component, Path, PathBuf};

/// Folders that tools fill by themselves. A pattern sees into them only where it spells their name.
const IGNORED: [&str; 7] = [
    ".git",
    ".hg",
    ".svn",
    "target",
    "node_modules",
    "__pycache__",
    ".sentinel",
];

/// An absolute pattern: `*` and `?` within a name, `**` for any number of folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// `**`: any names, in any number.
    Deep,
    /// One name.
    Name(String),
}

impl Pattern {
    /// Takes an absolute pattern, as the configuration has it.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let segment = |part: &str| match part {
            "**" => Segment::Deep,
            name => Segment::Name(name.to_owned()),
        };
        let mut segments: Vec<Segment> = Vec::new();
        for part in text.split('/').filter(|part| !part.is_empty() && *part != ".") {
            match part {
                ".." => drop(segments.pop()),
                part => segments.push(segment(part)),
            }
        }
        Self(segments)
    }

    /// Whether it means this file. A pattern that ends with a plain name means all below a folder of that name.
    #[must_use]
    pub fn matches(&self, path: &Path) -> bool {
        let names = names(path);
        let is_temporary = names.last().is_some_and(|name| is_temporary(name));
        !is_temporary && (matches(&self.0, &names) || self.names_folder() && self.is_above(&names))
    }

    /// Whether something below this folder can be meant.
    #[must_use]
    pub fn reaches(&self, folder: &Path) -> bool {
        let names = names(folder);
        reaches(&self.0, &names) || self.names_folder() && (matches(&self.0, &names) || self.is_above(&names))
    }

    /// The folder that everything meant is in, as far as that is spelled out.
    #[must_use]
    pub fn base(&self) -> PathBuf {
        let plain = self.0.iter().map_while(|segment| match segment {
            Segment::Name(name) if !is_wild(name) => Some(name),
            Segment::Name(_) | Segment::Deep => None,
        });
        let mut base = PathBuf::from("/");
        base.extend(plain);
        if self.names_folder() {
            base.pop();
        }
        base
    }

    fn names_folder(&self) -> bool {
        matches!(self.0.last(), Some(Segment::Name(name)) if !is_wild(name))
    }

    /// Whether the path is below the folder that this names.
    fn is_above(&self, names: &[&str]) -> bool {
        let mut deep = self.0.clone();
        deep.push(Segment::Deep);
        matches(&deep, names)
    }
}

fn names(path: &Path) -> Vec<&str> {
    let name = |component| match component {
        Component::Normal(name) => name_of(name),
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
    };
    path.components().filter_map(name).collect()
}

/// A name that is not UTF-8 is matched by `*` at least.
fn name_of(name: &std::ffi::OsStr) -> Option<&str> {
    Some(name.to_str().unwrap_or("\u{fffd}"))
}

fn is_wild(name: &str) -> bool {
    name.contains(['*', '?'])
}

/// What editors write and remove beside the file itself.
fn is_temporary(name: &str) -> bool {
    name.ends_with('~')
        || name.ends_with(".swp")
        || name.ends_with(".swx")
        || name.starts_with(".#")
        || name == "4913"
}

fn matches(pattern: &[Segment], names: &[&str]) -> bool {
    match (pattern, names) {
        ([], []) => true,
        ([Segment::Deep], [_, ..]) => names.iter().all(|name| !IGNORED.contains(name)),
        ([Segment::Deep, rest @ ..], names) => {
            !rest.is_empty() && matches(rest, names)
                || deeper(names).is_some_and(|deeper| matches(pattern, deeper))
        }
        ([Segment::Name(wanted), rest @ ..], [name, names @ ..]) => {
            fits(wanted, name) && matches(rest, names)
        }
        ([], [_, ..]) | ([Segment::Name(_), ..], []) => false,
    }
}

/// The pattern goes on below these folders.
fn reaches(pattern: &[Segment], names: &[&str]) -> bool {
    match (pattern, names) {
        ([], _) => false,
        ([_, ..], []) => true,
        ([Segment::Deep, rest @ ..], names) => {
            reaches(rest, names) || deeper(names).is_some_and(|deeper| reaches(pattern, deeper))
        }
        ([Segment::Name(wanted), rest @ ..], [name, names @ ..]) => {
            fits(wanted, name) && reaches(rest, names)
        }
    }
}

/// The names after the first, unless that is a folder that `**` does not enter.
fn deeper<'n, 's>(names: &'n [&'s str]) -> Option<&'n [&'s str]> {
    let (first, rest) = names.split_first()?;
    (!IGNORED.contains(first)).then_some(rest)
}

fn fits(wanted: &str, name: &str) -> bool {
    if !is_wild(wanted) {
        return wanted == name;
    }
    let (wanted, name_chars): (Vec<char>, Vec<char>) = (wanted.chars().collect(), name.chars().collect());
    !IGNORED.contains(&name) && fits_chars(&wanted, &name_chars)
}

fn fits_chars(wanted: &[char], name: &[char]) -> bool {
    // Where the last `*` stands, and how much of the name it has taken: on a mismatch it takes one more.
    let (mut at, mut of_name, mut star) = (0, 0, None);
    while of_name < name.len() {
        match wanted.get(at) {
            Some('*') => {
                star = Some((at, of_name));
                at += 1;
            }
            Some(&one) if one == '?' || one == name[of_name] => (at, of_name) = (at + 1, of_name + 1),
            Some(_) | None => match star {
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    (at, of_name) = (place + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    wanted[at..].iter().all(|&left| left == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Pattern::parse(pattern).matches(Path::new(path))
    }

    #[test]
    fn patterns_mean_what_people_mean() {
        for (pattern, path, expected) in [
            ("/h/src/**", "/h/src/app.py", true),
            ("/h/src/**", "/h/src/a/b/app.py", true),
            ("/h/src/**", "/h/src", false),
            ("/h/src/**", "/h/srcs/app.py", false),
            ("/h/src/**/*.py", "/h/src/app.py", true),
            ("/h/src/**/*.py", "/h/src/a/b/app.py", true),
            ("/h/src/**/*.py", "/h/src/a/b/app.txt", false),
            ("/h/*.json", "/h/a.json", true),
            ("/h/*.json", "/h/a/b.json", false),
            ("/h/app.py", "/h/app.py", true),
            ("/h/src", "/h/src/a/b.py", true),
            ("/h/a?c*e", "/h/abcdde", true),
            ("/h/a?c*e", "/h/abcddf", false),
            ("/h/x/../src/**", "/h/src/a", true),
            ("/h/**/test/**", "/h/a/test/b", true),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn what_tools_and_editors_write_is_not_meant() {
        for path in [
            "/h/.git/index",
            "/h/a/target/debug/x",
            "/h/node_modules/x/y.js",
            "/h/app.py~",
            "/h/.app.py.swp",
        ] {
            assert!(!matches("/h/**", path), "{path}");
        }
        assert!(
            matches("/h/target/app", "/h/target/app"),
            "but what is spelled out is"
        );
    }

    #[test]
    fn only_folders_that_can_hold_something_are_reached() {
        for (pattern, folder, expected) in [
            ("/h/src/**", "/h", true),
            ("/h/src/**", "/h/src/a/b", true),
            ("/h/src/**", "/h/doc", false),
            ("/h/src/**", "/h/src/node_modules", false),
            ("/h/*.json", "/h", true),
            ("/h/*.json", "/h/a", false),
            ("/h/src", "/h/src/a", true),
            ("/h/**/x/*.py", "/h/a/b", true),
        ] {
            let reaches = Pattern::parse(pattern).reaches(Path::new(folder));
            assert_eq!(reaches, expected, "{pattern} {folder}");
        }
    }

    #[test]
    fn the_base_is_what_is_spelled_out() {
        for (pattern, base) in [
            ("/h/src/**", "/h/src"),
            ("/h/*.py", "/h"),
            ("/h/src/app.py", "/h/src"),
        ] {
            assert_eq!(Pattern::parse(pattern).base(), Path::new(base), "{pattern}");
        }
    }
}
