//! Any input as one tree, in its own order; a key that stands twice in a table is an error, not a loss.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A value of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// Nothing, as in `key:` of YAML.
    Empty,
    /// A string, a number or a boolean, as text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A table, in the order of the file.
    Table(Vec<(String, Node)>),
}

impl Node {
    /// The text of a scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Node::Text(text) => Some(text),
            Node::Empty | Node::List(_) | Node::Table(_) => None,
        }
    }

    /// The texts of a list, or of a lone scalar.
    #[must_use]
    pub fn texts(&self) -> Option<Vec<String>> {
        match self {
            Node::Text(text) => Some(vec![text.clone()]),
            Node::List(items) => items.iter().map(|item| item.text().map(str::to_owned)).collect(),
            Node::Empty => Some(Vec::new()),
            Node::Table(_) => None,
        }
    }

    /// The paths of all that is no table with something in it, below this.
    #[must_use]
    pub fn leaves(&self) -> Vec<(Vec<String>, &Node)> {
        let Node::Table(entries) = self else {
            return vec![(Vec::new(), self)];
        };
        if entries.is_empty() {
            return vec![(Vec::new(), self)];
        }
        let mut leaves = Vec::new();
        for (key, node) in entries {
            for (path, leaf) in node.leaves() {
                leaves.push(([vec![key.clone()], path].concat(), leaf));
            }
        }
        leaves
    }
}

impl Node {
    /// Whether there is nothing in it that could be taken out.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        match self {
            Node::Empty => true,
            Node::Text(_) => false,
            Node::List(items) => items.is_empty(),
            Node::Table(entries) => entries.is_empty(),
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Empty => Ok(()),
            Node::Text(text) => f.write_str(text),
            Node::List(items) => {
                let shown: Vec<String> = items.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", shown.join(", "))
            }
            Node::Table(entries) => {
                let shown: Vec<String> = entries
                    .iter()
                    .map(|(key, node)| format!("{key}: {node}"))
                    .collect();
                write!(f, "{{{}}}", shown.join(", "))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Empty)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Empty)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut table: Vec<(String, Node)> = Vec::new();
        while let Some((key, value)) = entries.next_entry::<Node, Node>()? {
            let key = key.to_string();
            if table.iter().any(|(known, _)| *known == key) {
                return Err(A::Error::custom(format!(
                    "the key `{key}` stands twice in one table"
                )));
            }
            table.push((key, value));
        }
        Ok(Node::Table(table))
    }
}
