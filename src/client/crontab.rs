//! The user's crontab: our marked block in it, and the program that reads and writes it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a crontab is given when `crontab` cannot.
#[derive(Debug)]
pub enum NoCrontab {
    /// There is no such program.
    Missing,
    /// It said no.
    Failed(String),
    /// It could not be run.
    Io(io::Error),
}

/// cron's own PATH, as Debian, Red Hat and the BSDs have it.
const USUAL_PATH: [&str; 2] = ["/usr/bin:/bin", "/bin:/usr/bin"];

/// Our lines for one services.toml.
#[derive(Clone, Debug)]
pub struct Block {
    /// sentinel, absolute.
    pub program: PathBuf,
    /// services.toml, absolute.
    pub config: PathBuf,
    /// The PATH that services are to have.
    pub search: Option<String>,
    /// When all is restarted; empty: never.
    pub weekly: String,
    /// When a missing supervisor is started; empty: never.
    pub watch: String,
    /// When the status is mailed unless all is well; empty: never.
    pub report: String,
}

impl Block {
    fn first(config: &Path) -> String {
        format!("# sentinel: begin {}", config.display())
    }

    fn last(config: &Path) -> String {
        format!("# sentinel: end {}", config.display())
    }

    /// The block, with its first and last line.
    #[must_use]
    pub fn text(&self) -> String {
        let config = &self.config;
        let mut lines = vec![
            Self::first(config),
            "# `sentinel cron remove` takes these lines out. Exit code 75 and \"skipped:\" are no failure."
                .to_owned(),
        ];
        let search = self.search.as_deref().filter(|path| !USUAL_PATH.contains(path));
        let search = search.map_or_else(String::new, |path| format!("PATH={} ", quoted(path)));
        let program = quoted(&self.program.to_string_lossy());
        let call = format!("{program} -c {}", quoted(&config.to_string_lossy()));
        for (when, prefix, what) in [
            (&self.weekly, &search, "-q restart emergency --unless market_open"),
            (&self.watch, &search, "-q start --if-absent"),
            (&self.report, &String::new(), "status --unless-ok"),
        ] {
            if !when.is_empty() {
                lines.push(format!("{when} {prefix}{call} {what}"));
            }
        }
        lines.push(Self::last(config));
        lines.join("\n") + "\n"
    }

    /// This crontab with the block: in its old place, or at the end. Other lines stay to the byte.
    #[must_use]
    pub fn put_into(&self, crontab: &[u8]) -> Vec<u8> {
        let text = self.text();
        match find(crontab, &self.config) {
            Some((start, end)) => [&crontab[..start], text.as_bytes(), &crontab[end..]].concat(),
            None => {
                let open = !crontab.is_empty() && !crontab.ends_with(b"\n");
                let gap: &[u8] = if open { b"\n" } else { b"" };
                [crontab, gap, text.as_bytes()].concat()
            }
        }
    }

    /// This crontab without the block of this services.toml.
    #[must_use]
    pub fn taken_out_of(crontab: &[u8], config: &Path) -> Vec<u8> {
        match find(crontab, config) {
            Some((start, end)) => [&crontab[..start], &crontab[end..]].concat(),
            None => crontab.to_vec(),
        }
    }
}

/// From the block's first byte to the byte after it. Without its last line it is none of ours any more.
fn find(crontab: &[u8], config: &Path) -> Option<(usize, usize)> {
    let (first, last) = (Block::first(config), Block::last(config));
    let (mut at, mut start) = (0, None);
    for line in crontab.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        if text == first.as_bytes() {
            start = Some(at);
        }
        at += line.len();
        if let Some(start) = start.filter(|_| text == last.as_bytes()) {
            return Some((start, at));
        }
    }
    None
}

/// For the shell that cron runs a line with, and for cron, to which a bare `%` is a line break.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@,=".contains(c);
    let text = match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    };
    // Inside single quotes a shell would keep the backslash, but cron takes it away before.
    text.replace('%', r"\%")
}

/// The present crontab; a user without one has an empty one.
///
/// # Errors
/// There is no `crontab`, or it refuses.
pub fn read() -> Result<Vec<u8>, NoCrontab> {
    let output = program().arg("-l").output().map_err(not_run)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    if said.to_lowercase().contains("no crontab") {
        return Ok(Vec::new());
    }
    Err(NoCrontab::Failed(one_line(&said)))
}

/// Replaces the crontab.
///
/// # Errors
/// There is no `crontab`, or it refuses.
pub fn write(text: &[u8]) -> Result<(), NoCrontab> {
    let mut child = program()
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(not_run)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that refuses may not read it all; its exit code tells.
        let _ = stdin.write_all(text);
    }
    let output = child.wait_with_output().map_err(NoCrontab::Io)?;
    match output.status.success() {
        true => Ok(()),
        false => Err(NoCrontab::Failed(one_line(&String::from_utf8_lossy(
            &output.stderr,
        )))),
    }
}

fn program() -> Command {
    let mut command = Command::new("crontab");
    // Its words are compared.
    command.env("LC_ALL", "C").stdin(Stdio::null());
    command
}

fn not_run(error: io::Error) -> NoCrontab {
    match error.kind() {
        io::ErrorKind::NotFound => NoCrontab::Missing,
        _ => NoCrontab::Io(error),
    }
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> Block {
        Block {
            program: "/opt/sentinel/sentinel".into(),
            config: "/srv/o'brien 100%/services.toml".into(),
            search: Some("/opt/venv/bin:/usr/bin:/bin".into()),
            weekly: "15 5 * * 0".into(),
            watch: "*/5 * * * *".into(),
            report: "0 7 * * *".into(),
        }
    }

    #[test]
    fn the_block_to_the_letter() {
        let call = r"/opt/sentinel/sentinel -c '/srv/o'\''brien 100\%/services.toml'";
        assert_eq!(
            block().text(),
            format!(
                "# sentinel: begin /srv/o'brien 100%/services.toml\n\
                 # `sentinel cron remove` takes these lines out. Exit code 75 and \"skipped:\" are no failure.\n\
                 15 5 * * 0 PATH=/opt/venv/bin:/usr/bin:/bin {call} -q restart emergency --unless market_open\n\
                 */5 * * * * PATH=/opt/venv/bin:/usr/bin:/bin {call} -q start --if-absent\n\
                 0 7 * * * {call} status --unless-ok\n\
                 # sentinel: end /srv/o'brien 100%/services.toml\n"
            )
        );
        let bare = Block {
            search: Some("/usr/bin:/bin".into()),
            weekly: String::new(),
            report: String::new(),
            ..block()
        };
        assert_eq!(bare.text().lines().count(), 4);
        assert!(bare.text().contains(&format!("\n*/5 * * * * {call} -q start")));
    }

    #[test]
    fn other_lines_stay_to_the_byte() {
        for before in [
            &b""[..],
            b"MAILTO=a@b\n\n# x\n0 1 * * * y %z\n",
            b"no end",
            b"\xff\xfe\n",
            b"\n\n",
        ] {
            let with = block().put_into(before);
            assert_eq!(block().put_into(&with), with, "once is enough");
            let changed = Block {
                watch: "* * * * *".into(),
                ..block()
            };
            let after = [&with[..], b"* * * * * later\n"].concat();
            let both = changed.put_into(&after);
            assert!(both.ends_with(b"services.toml\n* * * * * later\n"));
            let without = Block::taken_out_of(&both, &block().config);
            let mut expected = before.to_vec();
            if before == b"no end" {
                expected.push(b'\n');
            }
            expected.extend(b"* * * * * later\n");
            assert_eq!(without, expected);
        }
    }

    #[test]
    fn what_is_not_whole_is_not_ours() {
        let mut torn = block().put_into(b"a\n");
        torn.truncate(torn.len() - 8);
        assert_eq!(Block::taken_out_of(&torn, &block().config), torn);
        let other = block().put_into(b"");
        assert_eq!(
            Block::taken_out_of(&other, Path::new("/other/services.toml")),
            other
        );
    }
}
