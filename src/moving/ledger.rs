//! What became of every key of an input: carried, or left with the reason. The only way to a key's value.

use super::node::Node;
use super::secrets;

/// What became of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stands in services.toml, here, or is so anyway.
    Carried(String),
    /// It does not, because.
    Left(String),
}

/// One key of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The file, as the caller named it.
    pub file: String,
    /// The tables that lead to the key, and the key.
    pub path: Vec<String>,
    /// Its value; not shown when the key looks secret.
    pub value: String,
    /// What became of it.
    pub fate: Fate,
    /// The service that it belongs to, by its new name.
    pub service: Option<String>,
}

/// The fates of all keys of all inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// In the order in which they were decided.
    pub entries: Vec<Entry>,
}

/// A table of an input whose keys are taken one by one.
#[derive(Clone, Debug)]
pub struct Branch {
    /// The file, as the caller named it.
    pub file: String,
    /// The tables that lead here.
    pub path: Vec<String>,
    /// The service that this is about, by its new name.
    pub service: Option<String>,
    entries: Vec<(String, Node)>,
}

impl Branch {
    /// A whole file.
    #[must_use]
    pub fn root(file: &str, node: Node) -> Self {
        Self::below(file, Vec::new(), None, node)
    }

    fn below(file: &str, path: Vec<String>, service: Option<String>, node: Node) -> Self {
        let entries = match node {
            Node::Table(entries) => entries,
            // A list of tables, as PM2's `apps`: its items are keys by number.
            Node::List(items) => items
                .into_iter()
                .enumerate()
                .map(|(i, item)| (i.to_string(), item))
                .collect(),
            Node::Empty => Vec::new(),
            text @ Node::Text(_) => vec![(String::new(), text)],
        };
        Self {
            file: file.to_owned(),
            path,
            service,
            entries,
        }
    }

    /// The keys that are still here.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.entries.iter().map(|(key, _)| key.clone()).collect()
    }

    /// A value that is only looked at; its key stays here.
    #[must_use]
    pub fn peek(&self, key: &str) -> Option<&Node> {
        self.entries
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, node)| node)
    }

    /// Takes a key and what `read` makes of it: carried to `to`, or left with the reason that `read` gives.
    pub fn carry<T>(
        &mut self,
        ledger: &mut Ledger,
        key: &str,
        to: &str,
        read: impl FnOnce(&Node) -> Result<T, String>,
    ) -> Option<T> {
        let node = self.remove(key)?;
        let (value, fate) = match read(&node) {
            Ok(value) => (Some(value), Fate::Carried(to.to_owned())),
            Err(why) => (None, Fate::Left(why)),
        };
        self.record(ledger, key, &node, &fate);
        value
    }

    /// Takes a key whose value, as text, goes to `to`.
    pub fn carry_text(&mut self, ledger: &mut Ledger, key: &str, to: &str) -> Option<String> {
        let text = |node: &Node| {
            node.text()
                .map(str::to_owned)
                .ok_or_else(|| "a text was expected".to_owned())
        };
        self.carry(ledger, key, to, text)
    }

    /// Takes a key that has no equivalent.
    pub fn leave(&mut self, ledger: &mut Ledger, key: &str, why: &str) {
        if let Some(node) = self.remove(key) {
            self.record(ledger, key, &node, &Fate::Left(why.to_owned()));
        }
    }

    /// Takes a table; what is in it is decided there. One with nothing in it stays here, to be reported.
    pub fn enter(&mut self, key: &str) -> Option<Branch> {
        if self.peek(key).is_none_or(Node::is_bare) {
            return None;
        }
        let node = self.remove(key)?;
        let path = [self.path.clone(), vec![key.to_owned()]].concat();
        Some(Self::below(&self.file, path, self.service.clone(), node))
    }

    /// Reports all that was not taken.
    pub fn close(mut self, ledger: &mut Ledger, why: &str) {
        for key in self.keys() {
            self.leave(ledger, &key, why);
        }
    }

    fn remove(&mut self, key: &str) -> Option<Node> {
        let index = self.entries.iter().position(|(name, _)| name == key)?;
        Some(self.entries.remove(index).1)
    }

    fn record(&self, ledger: &mut Ledger, key: &str, node: &Node, fate: &Fate) {
        for (below, leaf) in node.leaves() {
            let leaf = match leaf {
                Node::List(items) if items.len() == 1 => &items[0],
                leaf => leaf,
            };
            let path = [self.path.clone(), vec![key.to_owned()], below].concat();
            let value = if secrets::in_path(&path) || secrets::in_text(&leaf.to_string()) {
                "(not shown)".to_owned()
            } else {
                leaf.to_string()
            };
            ledger.entries.push(Entry {
                file: self.file.clone(),
                path,
                value,
                fate: fate.clone(),
                service: self.service.clone(),
            });
        }
    }
}
