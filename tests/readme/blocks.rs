//! The fenced blocks and the commands in a Markdown text.

/// A fenced block.
#[derive(Debug)]
pub struct Block {
    /// What stands behind the opening fence: `sh`, `toml`, `console` …
    pub kind: String,
    pub body: String,
    /// The line of the opening fence.
    pub line: usize,
}

/// A command of a `console` block and what it is said to print.
#[derive(Debug, Default)]
pub struct Session {
    pub command: String,
    pub output: String,
}

/// Every fenced block.
pub fn of(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in text.lines().enumerate() {
        match (open.take(), line.strip_prefix("```")) {
            (None, Some(kind)) => {
                open = Some(Block {
                    kind: kind.into(),
                    body: String::new(),
                    line: index + 1,
                });
            }
            (None, None) => {}
            (Some(block), Some(_)) => blocks.push(block),
            (Some(mut block), None) => {
                block.body.push_str(line);
                block.body.push('\n');
                open = Some(block);
            }
        }
    }
    assert!(open.is_none(), "a block is never closed: {open:?}");
    blocks
}

impl Block {
    /// The commands of a `console` block.
    pub fn sessions(&self) -> Vec<Session> {
        let mut sessions: Vec<Session> = Vec::new();
        for line in self.body.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                sessions.push(Session {
                    command: command.into(),
                    ..Session::default()
                });
            } else if let Some(session) = sessions.last_mut() {
                session.output.push_str(line);
                session.output.push('\n');
            }
        }
        sessions
    }

    /// The commands of a `sh` block, without their comments.
    pub fn commands(&self) -> Vec<&str> {
        let bare = self
            .body
            .lines()
            .map(|line| line.split(" #").next().unwrap_or_default().trim());
        bare.filter(|line| !line.is_empty()).collect()
    }
}

/// Every `sentinel …` between backticks, or started from a folder in a crontab or a unit file.
pub fn mentioned(text: &str) -> Vec<String> {
    let prose = text.split('`').filter(|part| part.starts_with("sentinel "));
    let hosts = text.lines().filter_map(|line| {
        let (_, command) = line.split_once("/opt/sentinel/")?;
        Some(command.split("||").next().unwrap_or(command))
    });
    prose
        .chain(hosts)
        .map(|command| command.trim().to_string())
        .collect()
}
