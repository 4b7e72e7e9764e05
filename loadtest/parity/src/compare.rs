//! Two trees field by field.

use std::collections::BTreeSet;

use crate::tree::Tree;

/// What elements of an array are known by: the first of these that all of them have, each with another value.
const KEYS: &[&str] =
    &["name", "topic", "topic_id", "group_id", "key", "api_key", "partition_index", "partition", "index", "broker_id"];
/// Written where one side has nothing.
pub const ABSENT: &str = "absent";

/// One field that is not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlike {
    /// From the answer down: `topics[orders].partitions[0].error_code`.
    pub field: String,
    pub ours: String,
    pub theirs: String,
}

/// Every field in which the answers differ, in the order of the schema.
#[must_use]
pub fn compare(ours: &Tree, theirs: &Tree) -> Vec<Unlike> {
    let mut found = Vec::new();
    walk(String::new(), Some(ours), Some(theirs), &mut found);
    found
}

fn walk(path: String, ours: Option<&Tree>, theirs: Option<&Tree>, found: &mut Vec<Unlike>) {
    match (ours, theirs) {
        (Some(Tree::Fields(a)), Some(Tree::Fields(b))) => {
            let names = a.iter().chain(b).map(|(name, _)| name.as_str());
            for name in once_each(names) {
                let below = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                walk(below, ours.and_then(|tree| tree.field(name)), theirs.and_then(|tree| tree.field(name)), found);
            }
        }
        (Some(Tree::Items(a)), Some(Tree::Items(b))) => items(&path, a, b, found),
        _ if ours == theirs => {}
        _ => {
            let brief = |tree: Option<&Tree>| tree.map_or_else(|| ABSENT.to_owned(), Tree::brief);
            found.push(Unlike { field: path, ours: brief(ours), theirs: brief(theirs) });
        }
    }
}

fn items(path: &str, ours: &[Tree], theirs: &[Tree], found: &mut Vec<Unlike>) {
    let (Some(our_keys), Some(their_keys)) = keys(ours, theirs) else {
        for index in 0..ours.len().max(theirs.len()) {
            walk(format!("{path}[{index}]"), ours.get(index), theirs.get(index), found);
        }
        return;
    };
    for key in once_each(our_keys.iter().chain(&their_keys).map(String::as_str)) {
        let at = |keys: &[String]| keys.iter().position(|other| other == key);
        let (a, b) = (at(&our_keys).map(|at| &ours[at]), at(&their_keys).map(|at| &theirs[at]));
        walk(format!("{path}[{}]", key.trim_matches('"')), a, b, found);
    }
    let common = |keys: &[String], others: &[String]| {
        keys.iter().filter(|key| others.contains(key)).cloned().collect::<Vec<_>>()
    };
    let (our_order, their_order) = (common(&our_keys, &their_keys), common(&their_keys, &our_keys));
    if our_order != their_order {
        let (ours, theirs) = (our_order.join(" "), their_order.join(" "));
        found.push(Unlike { field: format!("{path}.order"), ours, theirs });
    }
}

/// The key of each element of both arrays, or nothing when elements are not told apart by one.
fn keys(ours: &[Tree], theirs: &[Tree]) -> (Option<Vec<String>>, Option<Vec<String>>) {
    let by = |items: &[Tree], key: &str| {
        let keys: Option<Vec<String>> = items.iter().map(|item| item.field(key).map(Tree::brief)).collect();
        keys.filter(|keys| keys.iter().collect::<BTreeSet<_>>().len() == keys.len())
    };
    let mut both = KEYS.iter().map(|key| (by(ours, key), by(theirs, key)));
    both.find(|both| both.0.is_some() && both.1.is_some()).unwrap_or((None, None))
}

fn once_each<'n>(names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let mut seen = BTreeSet::new();
    names.filter(|name| seen.insert(*name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str, code: &str) -> Tree {
        Tree::Fields(vec![("name".to_owned(), Tree::leaf(name)), ("code".to_owned(), Tree::leaf(code))])
    }

    fn check(ours: Vec<Tree>, theirs: Vec<Tree>, expected: &[(&str, &str, &str)]) {
        let answer = |items| Tree::Fields(vec![("topics".to_owned(), Tree::Items(items))]);
        let found = compare(&answer(ours), &answer(theirs));
        let found: Vec<_> =
            found.iter().map(|one| (one.field.as_str(), one.ours.as_str(), one.theirs.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn elements_are_found_by_their_names() {
        let (a, b) = (topic("\"a\"", "0"), topic("\"b\"", "0"));
        check(vec![a.clone(), b.clone()], vec![a.clone(), b.clone()], &[]);
        check(vec![a.clone(), b.clone()], vec![b.clone()], &[("topics[a]", "present", "absent")]);
        check(
            vec![a.clone(), b.clone()],
            vec![topic("\"b\"", "3"), a.clone()],
            &[("topics[b].code", "0", "3"), ("topics.order", "\"a\" \"b\"", "\"b\" \"a\"")],
        );
        check(vec![a.clone(), a.clone()], vec![a.clone()], &[("topics[1]", "present", "absent")]);
    }

    #[test]
    fn nothing_is_not_an_empty_list() {
        let found = compare(&Tree::leaf("null"), &Tree::Items(Vec::new()));
        assert_eq!((found[0].ours.as_str(), found[0].theirs.as_str()), ("null", "[]"));
    }
}
