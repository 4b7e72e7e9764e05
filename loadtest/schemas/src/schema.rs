//! The table, parsed.

use std::iter::Peekable;
use std::str::Lines;

const TABLE: &str = include_str!("table.txt");

/// A range of versions, both ends included; empty when `max` is below `min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The first.
    pub min: i16,
    /// The last.
    pub max: i16,
}

impl Versions {
    const NONE: Versions = Versions { min: 0, max: -1 };

    /// Whether `version` is one of them.
    #[must_use]
    pub fn has(self, version: i16) -> bool {
        (self.min..=self.max).contains(&version)
    }

    /// As Kafka writes them: `3+`, `0-2`, `4`, `none`.
    fn parse(text: &str) -> Versions {
        let number = |text: &str| text.parse().expect("a version");
        match (text, text.strip_suffix('+'), text.split_once('-')) {
            ("none" | "", _, _) => Versions::NONE,
            (_, Some(from), _) => Versions { min: number(from), max: i16::MAX },
            (_, _, Some((min, max))) => Versions { min: number(min), max: number(max) },
            (one, _, _) => Versions { min: number(one), max: number(one) },
        }
    }
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One byte.
    Bool,
    /// A big-endian number.
    Int {
        /// How many.
        bytes: usize,
        /// Whether it has a sign.
        signed: bool,
    },
    /// Of 64 bits.
    Float,
    /// Sixteen bytes.
    Uuid,
    /// With its length.
    Text,
    /// With their length.
    Bytes,
    /// Record batches, with their length.
    Records,
    /// Fields.
    Struct(Vec<Field>),
    /// Elements, with their count.
    Array(Box<Kind>),
}

/// One field of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Kafka's name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// The versions that have it.
    pub versions: Versions,
    /// Those in which it may be null.
    pub nullable: Versions,
    /// What it names, if it names something: `topicName`, `groupId`, …
    pub entity: Option<String>,
    /// When it is not said.
    pub default: Option<String>,
    /// Its number as a tagged field, and the versions in which it is one.
    pub tag: Option<(u32, Versions)>,
}

impl Field {
    /// Its number, where it is a tagged field.
    #[must_use]
    pub fn tag_in(&self, version: i16) -> Option<u32> {
        self.tag.filter(|(_, versions)| versions.has(version)).map(|(tag, _)| tag)
    }
}

/// A request or an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Those that there are.
    pub versions: Versions,
    /// Those with compact lengths and tagged fields.
    pub flexible: Versions,
    /// A structure.
    pub body: Kind,
}

/// An API with both of its messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// Its number.
    pub key: i16,
    /// Kafka's name.
    pub name: String,
    /// What is asked.
    pub request: Message,
    /// What is answered.
    pub answer: Message,
}

/// All of them, by key.
///
/// # Panics
/// When the table is not one that this crate's program makes.
#[must_use]
pub fn apis() -> Vec<Api> {
    let mut lines = TABLE.lines().peekable();
    let mut apis = Vec::new();
    while let Some(line) = lines.next() {
        let mut words = line.split(' ');
        assert_eq!(words.next(), Some("api"), "{line}");
        let key = words.next().and_then(|key| key.parse().ok()).expect("a key");
        let name = words.next().expect("a name").to_owned();
        apis.push(Api { key, name, request: message(&mut lines, "request"), answer: message(&mut lines, "response") });
    }
    apis
}

fn message(lines: &mut Peekable<Lines>, what: &str) -> Message {
    let line = lines.next().unwrap_or_default();
    let words: Vec<&str> = line.split(' ').collect();
    assert!(words.len() == 3 && words[0] == what, "{line}");
    let (versions, flexible) = (Versions::parse(words[1]), Versions::parse(words[2]));
    Message { versions, flexible, body: Kind::Struct(fields(lines, 1)) }
}

fn fields(lines: &mut Peekable<Lines>, depth: usize) -> Vec<Field> {
    let mut fields = Vec::new();
    let is_here = |line: &&str| line.len() - line.trim_start().len() == depth;
    while let Some(line) = lines.next_if(|line| is_here(line)) {
        let mut words = line.trim_start().split(' ');
        let mut word = || words.next().expect("name, kind and versions");
        let (name, kind, versions) = (word().to_owned(), word(), Versions::parse(word()));
        let element = kind.trim_start_matches("[]");
        let single = if element == "{}" { Kind::Struct(self::fields(lines, depth + 1)) } else { single(element) };
        let kind = if kind == element { single } else { Kind::Array(Box::new(single)) };
        let mut field =
            Field { name, kind, versions, nullable: Versions::NONE, entity: None, default: None, tag: None };
        for word in words {
            let (sign, rest) = word.split_at(1);
            match sign {
                "?" => field.nullable = Versions::parse(rest),
                "@" => field.entity = Some(rest.to_owned()),
                "=" => field.default = Some(rest.to_owned()),
                _ => {
                    let (tag, versions) = rest.split_once(':').expect("a tag with its versions");
                    field.tag = Some((tag.parse().expect("a tag"), Versions::parse(versions)));
                }
            }
        }
        fields.push(field);
    }
    fields
}

fn single(name: &str) -> Kind {
    let int = |bytes, signed| Kind::Int { bytes, signed };
    match name {
        "bool" => Kind::Bool,
        "int8" => int(1, true),
        "int16" => int(2, true),
        "uint16" => int(2, false),
        "int32" => int(4, true),
        "uint32" => int(4, false),
        "int64" => int(8, true),
        "float64" => Kind::Float,
        "uuid" => Kind::Uuid,
        "string" => Kind::Text,
        "bytes" => Kind::Bytes,
        "records" => Kind::Records,
        other => panic!("a field of type {other}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        let apis = apis();
        assert!(apis.len() >= 70, "{} APIs", apis.len());
        let fetch = apis.iter().find(|api| api.name == "Fetch").unwrap();
        let Kind::Struct(fields) = &fetch.request.body else { panic!("a structure") };
        let cluster = &fields[0];
        assert_eq!((cluster.name.as_str(), cluster.tag_in(12), cluster.tag_in(11)), ("ClusterId", Some(0), None));
        assert!(cluster.nullable.has(12));
        let topics = fields.iter().find(|field| field.name == "Topics").unwrap();
        let Kind::Array(topic) = &topics.kind else { panic!("an array") };
        let Kind::Struct(fields) = &**topic else { panic!("of structures") };
        assert_eq!(fields.iter().map(|field| &*field.name).collect::<Vec<_>>(), ["Topic", "TopicId", "Partitions"]);
        assert_eq!(fields[0].entity.as_deref(), Some("topicName"));
        assert!(fields[0].versions.has(12) && !fields[0].versions.has(13) && fields[1].versions.has(13));
    }
}
