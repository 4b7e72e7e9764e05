//! An answer as a tree of fields.
//!
//! The codec's structs have no way to walk their fields, except that each prints itself in the form that `derive(Debug)`
//! makes. That form is read here, so that no field of any answer, present or future, can be forgotten.

use std::fmt::Debug;

use anyhow::{Context, bail, ensure};

/// Deepest nesting that is read. Kafka's answers have five levels.
const DEPTH_MAX: usize = 32;

/// A value in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// A number, a text in quotes, `null` and the like.
    Leaf(String),
    /// Fields with their names, as they stand in the schema.
    Fields(Vec<(String, Tree)>),
    /// The elements of an array.
    Items(Vec<Tree>),
}

impl Tree {
    /// What `value` prints, as a tree.
    ///
    /// # Errors
    /// It does not print itself as `derive(Debug)` would.
    pub fn of(value: &impl Debug) -> anyhow::Result<Tree> {
        let text = format!("{value:?}");
        let mut reader = Reader { text: &text, depth: 0 };
        let tree = reader.value().with_context(|| format!("reading {text}"))?;
        ensure!(reader.text.is_empty(), "{:?} follows the value in {text}", reader.text);
        Ok(tree)
    }

    /// A value without parts.
    #[must_use]
    pub fn leaf(text: impl Into<String>) -> Tree {
        Tree::Leaf(text.into())
    }

    /// The field called `name`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Tree> {
        match self {
            Tree::Fields(fields) => fields.iter().find(|(field, _)| field == name).map(|(_, value)| value),
            Tree::Leaf(_) | Tree::Items(_) => None,
        }
    }

    /// In few characters, for a line of a report.
    #[must_use]
    pub fn brief(&self) -> String {
        match self {
            Tree::Leaf(text) => text.clone(),
            Tree::Items(items) if items.is_empty() => "[]".to_owned(),
            Tree::Items(items) => format!("{} items", items.len()),
            Tree::Fields(_) => "present".to_owned(),
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    depth: usize,
}

impl Reader<'_> {
    fn value(&mut self) -> anyhow::Result<Tree> {
        self.depth += 1;
        ensure!(self.depth < DEPTH_MAX, "nested too deeply");
        let tree = self.value_here();
        self.depth -= 1;
        tree
    }

    fn value_here(&mut self) -> anyhow::Result<Tree> {
        if self.take("[") {
            return Ok(Tree::Items(self.until("]", Reader::value)?));
        }
        if self.take("{") {
            return Ok(Tree::Fields(self.until("}", Reader::entry)?));
        }
        let quoted_from = usize::from(self.text.starts_with('b'));
        if self.text[quoted_from..].starts_with('"') {
            return Ok(Tree::leaf(self.quoted(quoted_from)?));
        }
        let end = self.text.find([',', ' ', '(', ')', '{', '}', '[', ']']).unwrap_or(self.text.len());
        ensure!(end > 0, "a value is missing before {:?}", self.text);
        let (word, rest) = self.text.split_at(end);
        self.text = rest;
        if self.take(" { ") {
            return Ok(Tree::Fields(self.until(" }", Reader::entry)?));
        }
        // A wrapper says no more than what is in it: Some(5), TopicName("a").
        if self.take("(") {
            let inner = self.value()?;
            ensure!(self.take(")"), "no end of {word}(");
            return Ok(inner);
        }
        Ok(Tree::leaf(if word == "None" { "null" } else { word }))
    }

    /// `name: value`.
    fn entry(&mut self) -> anyhow::Result<(String, Tree)> {
        let (name, rest) = self.text.split_once(": ").context("a field without a value")?;
        let name = name.to_owned();
        self.text = rest;
        Ok((name, self.value()?))
    }

    fn until<T>(&mut self, end: &str, mut one: impl FnMut(&mut Self) -> anyhow::Result<T>) -> anyhow::Result<Vec<T>> {
        let mut found = Vec::new();
        while !self.take(end) {
            if !found.is_empty() {
                ensure!(self.take(", "), "no comma before {:?}", self.text);
            }
            found.push(one(self)?);
        }
        Ok(found)
    }

    /// A text with its quotes, still escaped.
    fn quoted(&mut self, from: usize) -> anyhow::Result<String> {
        let mut escaped = false;
        for (at, letter) in self.text.char_indices().skip(from + 1) {
            match letter {
                '"' if !escaped => {
                    let (text, rest) = self.text.split_at(at + 1);
                    self.text = rest;
                    return Ok(text.to_owned());
                }
                '\\' => escaped = !escaped,
                _ => escaped = false,
            }
        }
        bail!("no end of a text")
    }

    fn take(&mut self, token: &str) -> bool {
        match self.text.strip_prefix(token) {
            Some(rest) => {
                self.text = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug)]
    #[allow(dead_code)]
    struct Name(String);

    #[derive(Debug)]
    #[allow(dead_code)]
    struct Outer {
        code: i16,
        name: Option<Name>,
        none: Option<i32>,
        empty: Vec<i32>,
        inner: Vec<Inner>,
        bytes: bytes::Bytes,
        tags: BTreeMap<i32, bytes::Bytes>,
    }

    #[derive(Debug)]
    #[allow(dead_code)]
    struct Inner {
        id: uuid::Uuid,
    }

    #[test]
    fn every_field_is_found() {
        let outer = Outer {
            code: -3,
            name: Some(Name("a \"quoted\", { odd ] \\ name".to_owned())),
            none: None,
            empty: Vec::new(),
            inner: vec![Inner { id: uuid::Uuid::nil() }, Inner { id: uuid::Uuid::max() }],
            bytes: bytes::Bytes::from_static(b"\x00\"x"),
            tags: BTreeMap::from([(4, bytes::Bytes::from_static(b"t"))]),
        };
        let id = |text: &str| Tree::Fields(vec![("id".to_owned(), Tree::leaf(text))]);
        let expected = [
            ("code", Tree::leaf("-3")),
            ("name", Tree::leaf(r#""a \"quoted\", { odd ] \\ name""#)),
            ("none", Tree::leaf("null")),
            ("empty", Tree::Items(Vec::new())),
            (
                "inner",
                Tree::Items(vec![
                    id("00000000-0000-0000-0000-000000000000"),
                    id("ffffffff-ffff-ffff-ffff-ffffffffffff"),
                ]),
            ),
            ("bytes", Tree::leaf(r#"b"\0\"x""#)),
            ("tags", Tree::Fields(vec![("4".to_owned(), Tree::leaf(r#"b"t""#))])),
        ];
        let expected = expected.map(|(name, tree)| (name.to_owned(), tree)).to_vec();
        assert_eq!(Tree::of(&outer).unwrap(), Tree::Fields(expected));
    }
}
