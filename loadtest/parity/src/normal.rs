//! Which fields are random by nature, or each server's own affair, and what stands in their place.
//!
//! An id is replaced by the number of its first appearance in the script, so that it is still seen when one answer names
//! another topic, producer or member than the other system's does.

use std::collections::BTreeMap;

use kafka_protocol::messages::ApiKey;

use crate::batches;
use crate::tree::Tree;

/// What is done with a field.
enum Rule {
    /// Only that it is there counts.
    Any,
    /// The same id is the same placeholder; the values named are no ids and stay.
    Id(&'static str, &'static [&'static str]),
    /// Record batches, which have fields of their own.
    Batches,
}

const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// By the name that the schema gives a field, in whichever answer. What is not here is compared as it is.
const RULES: &[(&str, Rule)] = &[
    // How much to slow down is decided by quotas, of which none is set; that both say 0 is not a promise.
    ("throttle_time_ms", Rule::Any),
    ("cluster_id", Rule::Any),
    ("port", Rule::Any),
    // For people. Without an error there is none.
    ("error_message", Rule::Any),
    ("batch_index_error_message", Rule::Any),
    ("documentation", Rule::Any),
    ("log_dir", Rule::Any),
    ("total_bytes", Rule::Any),
    ("usable_bytes", Rule::Any),
    ("last_fetch_timestamp", Rule::Any),
    ("last_caught_up_timestamp", Rule::Any),
    ("replica_directory_id", Rule::Any),
    ("log_end_offset", Rule::Any),
    ("topic_id", Rule::Id("topic", &[NIL])),
    ("producer_id", Rule::Id("producer", &["-1"])),
    ("member_id", Rule::Id("member", &["\"\""])),
    // The leader of a group, in JoinGroup: a member's id.
    ("leader", Rule::Id("member", &["\"\""])),
    ("session_id", Rule::Id("session", &["0"])),
    ("client_instance_id", Rule::Id("instance", &[NIL])),
    ("subscription_id", Rule::Id("subscription", &["0"])),
    ("records", Rule::Batches),
];

/// What Kafka says where there is no error, beside nothing.
const EMPTY_MESSAGES: &[&str] = &["\"\"", "\"NONE\""];

/// Arrays that have no order, because Kafka goes through a hash map: by API and field, and what their elements are put in the
/// order of before ids are numbered.
const UNORDERED: &[(ApiKey, &str, &str)] = &[
    (ApiKey::ApiVersions, "supported_features", "name"),
    (ApiKey::ApiVersions, "finalized_features", "name"),
    (ApiKey::Metadata, "topics", "name"),
    (ApiKey::CreateTopics, "topics", "name"),
    (ApiKey::DeleteTopics, "responses", "name"),
    (ApiKey::Produce, "partition_responses", "index"),
    (ApiKey::ListOffsets, "partitions", "partition_index"),
    (ApiKey::ListGroups, "groups", "group_id"),
    (ApiKey::DescribeLogDirs, "partitions", "partition_index"),
    (ApiKey::DescribeConfigs, "configs", "name"),
    (ApiKey::DescribeConfigs, "results", "resource_name"),
    (ApiKey::GetTelemetrySubscriptions, "requested_metrics", ""),
    (ApiKey::ListConfigResources, "config_resources", "resource_name"),
    (ApiKey::DescribeClientQuotas, "entries", "entity"),
    (ApiKey::DescribeClientQuotas, "entity", "entity_type"),
    (ApiKey::DescribeClientQuotas, "values", "key"),
    (ApiKey::AlterClientQuotas, "entries", "entity"),
    (ApiKey::AlterClientQuotas, "entity", "entity_type"),
    // Members are known by ids that are random, so by what they know.
    (ApiKey::JoinGroup, "members", "metadata"),
];

/// Puts arrays that have no order into one.
pub fn put_in_order(api: i16, tree: &mut Tree) {
    match tree {
        Tree::Leaf(_) => {}
        Tree::Items(items) => items.iter_mut().for_each(|item| put_in_order(api, item)),
        Tree::Fields(fields) => {
            for (name, value) in fields {
                put_in_order(api, value);
                let by = UNORDERED.iter().find(|(of, field, _)| *of as i16 == api && field == name);
                if let (Tree::Items(items), Some((.., by))) = (value, by) {
                    items.sort_by_key(|item| format!("{:?}", item.field(by).unwrap_or(item)));
                }
            }
        }
    }
}

/// The ids that appeared so far in one script.
#[derive(Debug, Default)]
pub struct Names {
    /// What names that the script made up begin with. It is left out, so that all versions of a script read alike.
    prefix: String,
    seen: BTreeMap<(&'static str, String), String>,
    numbered: BTreeMap<&'static str, usize>,
}

impl Names {
    /// For a script whose names begin with `prefix`.
    #[must_use]
    pub fn after(prefix: String) -> Names {
        Names { prefix, ..Names::default() }
    }

    /// Gives an id the placeholder that it will have.
    pub fn call(&mut self, kind: &'static str, value: &str, name: &str) {
        let name = name.replace(&self.prefix, "");
        self.seen.entry((kind, value.to_owned())).or_insert_with(|| format!("<{kind} {name}>"));
    }

    /// The placeholder of an id.
    fn of(&mut self, kind: &'static str, value: &str) -> String {
        let count = self.numbered.entry(kind).or_default();
        let numbered = || {
            *count += 1;
            format!("<{kind} {count}>")
        };
        self.seen.entry((kind, value.to_owned())).or_insert_with(numbered).clone()
    }
}

/// Replaces what cannot be the same on two systems.
#[must_use]
pub fn normal(tree: Tree, names: &mut Names) -> Tree {
    match tree {
        Tree::Leaf(text) if !names.prefix.is_empty() => Tree::Leaf(text.replace(&names.prefix, "")),
        Tree::Leaf(_) => tree,
        Tree::Items(items) => Tree::Items(items.into_iter().map(|item| normal(item, names)).collect()),
        Tree::Fields(fields) => {
            name_topic(&fields, names);
            // What an error says is for people, and whether it says anything: Kafka has a text with some errors only.
            let in_error = fields.iter().any(|(name, value)| name == "error_code" && *value != Tree::leaf("0"));
            let one = |(name, value): (String, Tree)| {
                if in_error && name.ends_with("error_message") {
                    return (name, Tree::leaf("<error_message>"));
                }
                if name == "error_message" && EMPTY_MESSAGES.iter().any(|empty| value == Tree::leaf(*empty)) {
                    return (name, Tree::leaf("null"));
                }
                let value = match RULES.iter().find(|(field, _)| *field == name) {
                    Some((_, rule)) => replaced(rule, &name, value, names),
                    None => normal(value, names),
                };
                (name, value)
            };
            Tree::Fields(fields.into_iter().map(one).collect())
        }
    }
}

/// A topic's id that stands beside its name is called by it.
fn name_topic(fields: &[(String, Tree)], names: &mut Names) {
    let field = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.brief());
    if let (Some(id), Some(name)) = (field("topic_id"), field("name")) {
        let name = name.trim_matches('"');
        if id != NIL && name != "null" && !name.is_empty() {
            names.call("topic", &id, name);
        }
    }
}

fn replaced(rule: &Rule, field: &str, value: Tree, names: &mut Names) -> Tree {
    let Tree::Leaf(text) = &value else { return normal(value, names) };
    match rule {
        _ if text == "null" => value,
        Rule::Any => Tree::leaf(format!("<{field}>")),
        Rule::Id(kind, exempt) if !exempt.contains(&text.as_str()) => Tree::leaf(names.of(kind, text)),
        Rule::Id(..) => value,
        Rule::Batches => normal(batches::read(&unescaped(text)), names),
    }
}

/// The bytes that print themselves as `text`: `b"a\x00"`.
fn unescaped(text: &str) -> Vec<u8> {
    let inner = text.strip_prefix("b\"").and_then(|rest| rest.strip_suffix('"')).unwrap_or_default();
    let mut bytes = Vec::with_capacity(inner.len());
    let mut letters = inner.bytes();
    while let Some(letter) = letters.next() {
        bytes.push(match (letter, if letter == b'\\' { letters.next() } else { None }) {
            (_, Some(b'0')) => 0,
            (_, Some(b't')) => b'\t',
            (_, Some(b'n')) => b'\n',
            (_, Some(b'r')) => b'\r',
            (_, Some(b'x')) => {
                let digits = [letters.next(), letters.next()];
                let digit = |letter: Option<u8>| letter.and_then(|letter| char::from(letter).to_digit(16)).unwrap_or(0);
                (digit(digits[0]) * 16 + digit(digits[1])) as u8
            }
            (_, Some(other)) => other,
            (plain, None) => plain,
        });
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(fields: &[(&str, &str)]) -> Tree {
        Tree::Fields(fields.iter().map(|(name, value)| ((*name).to_owned(), Tree::leaf(*value))).collect())
    }

    #[test]
    fn ids_are_numbered_as_they_appear() {
        let mut names = Names::default();
        let mut check = |given: &[(&str, &str)], expected: &[(&str, &str)]| {
            assert_eq!(normal(fields(given), &mut names), fields(expected));
        };
        check(&[("leader", "\"b\""), ("member_id", "\"a\"")], &[("leader", "<member 1>"), ("member_id", "<member 2>")]);
        check(&[("member_id", "\"b\""), ("error_code", "3")], &[("member_id", "<member 1>"), ("error_code", "3")]);
        check(&[("member_id", "\"\""), ("topic_id", NIL)], &[("member_id", "\"\""), ("topic_id", NIL)]);
        check(&[("error_message", "null"), ("port", "9")], &[("error_message", "null"), ("port", "<port>")]);
    }

    #[test]
    fn bytes_are_read_back_from_how_they_print() {
        let all: Vec<u8> = (0..=255).collect();
        let printed = format!("{:?}", bytes::Bytes::from(all.clone()));
        assert_eq!(unescaped(&printed), all);
    }
}
