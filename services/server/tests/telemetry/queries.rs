//! What a query in PromQL asks for: names of metrics, the labels that it selects by, and those that it groups by. It knows as
//! much of the language as dashboards and alerts use, and stops at what it does not know.

use std::collections::BTreeSet;

/// What a query asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Each with the labels that it is selected by.
    pub metrics: Vec<(String, Vec<String>)>,
    /// Labels that the result has, as far as the query says.
    pub groups: BTreeSet<String>,
}

const WORDS: &[&str] =
    &["and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "group_left", "group_right"];
const AGGREGATIONS: &[&str] = &["sum", "min", "max", "avg", "count", "topk", "bottomk", "quantile", "group", "stddev"];

impl Query {
    /// Reads a query.
    ///
    /// # Panics
    /// When it cannot.
    pub fn read(text: &str) -> Query {
        let mut query = Query::default();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if first.is_ascii_alphabetic() || first == '_' {
                let (word, after) = split_word(rest);
                rest = after;
                let next = rest.trim_start();
                if matches!(word, "by" | "on" | "without" | "ignoring") {
                    let (labels, after) = inside(next, '(', ')');
                    query.groups.extend(labels.split(',').map(|label| label.trim().to_owned()));
                    rest = after;
                } else if !WORDS.contains(&word) && !AGGREGATIONS.contains(&word) && !next.starts_with('(') {
                    let mut labels = Vec::new();
                    if next.starts_with('{') {
                        let (selector, after) = inside(next, '{', '}');
                        labels = labels_of(selector);
                        rest = after;
                    }
                    query.metrics.push((word.to_owned(), labels));
                }
            } else if first == '[' {
                rest = inside(rest, '[', ']').1;
            } else if first.is_ascii_digit() {
                rest = rest.trim_start_matches(|it: char| it.is_ascii_alphanumeric() || it == '.');
            } else {
                assert!(" \n()+-*/<>=!,".contains(first), "{first:?} in {text}");
                rest = &rest[1..];
            }
        }
        query.groups.remove("");
        query
    }
}

fn split_word(text: &str) -> (&str, &str) {
    let end = text.find(|it: char| !it.is_ascii_alphanumeric() && it != '_' && it != ':').unwrap_or(text.len());
    text.split_at(end)
}

/// What is between the brackets at the beginning, and what is behind. Brackets within quotes are none.
fn inside(text: &str, open: char, close: char) -> (&str, &str) {
    let text = text.strip_prefix(open).unwrap_or_else(|| panic!("{open} expected before {text}"));
    let mut quoted = false;
    for (at, it) in text.char_indices() {
        match it {
            '"' => quoted = !quoted,
            _ if it == close && !quoted => return (&text[..at], &text[at + 1..]),
            _ => {}
        }
    }
    panic!("{close} is missing in {text}")
}

fn labels_of(mut selector: &str) -> Vec<String> {
    let mut labels = Vec::new();
    loop {
        selector = selector.trim_start_matches([' ', ',']);
        if selector.is_empty() {
            return labels;
        }
        let (label, after) = split_word(selector);
        let value = after.trim_start_matches(['=', '!', '~', ' ']);
        assert!(!label.is_empty() && value.len() < after.len(), "{selector}");
        labels.push(label.to_owned());
        let value = value.strip_prefix('"').and_then(|value| value.split_once('"'));
        selector = value.unwrap_or_else(|| panic!("a value is missing in {selector}")).1;
    }
}

/// The labels that a legend of Grafana's shows: `{{label}}`.
pub fn legend(text: &str) -> Vec<String> {
    text.split("{{").skip(1).map(|it| it.split("}}").next().expect("one at least").trim().to_owned()).collect()
}

fn check(text: &str, metrics: &[(&str, &[&str])], groups: &[&str]) {
    let query = Query::read(text);
    let metrics = metrics
        .iter()
        .map(|(name, labels)| ((*name).to_owned(), labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>()));
    assert_eq!(query.metrics, metrics.collect::<Vec<_>>(), "{text}");
    assert_eq!(query.groups, groups.iter().map(|label| (*label).to_owned()).collect(), "{text}");
}

#[test]
fn queries_are_read() {
    check("a_total", &[("a_total", &[])], &[]);
    check("rate(a_total{x=\"(}\", y!~\"b|c\"}[5m]) > 0.5", &[("a_total", &["x", "y"])], &[]);
    check(
        "histogram_quantile(0.99, sum by (le, api) (rate(s_bucket{i=~\"$i\"}[$__rate_interval]))) / 2e3",
        &[("s_bucket", &["i"])],
        &["le", "api"],
    );
    check("max by (job) (a) == 0 or b - c offset 5m", &[("a", &[]), ("b", &[]), ("c", &[])], &["job"]);
    check("sum(a) without (x) + time()", &[("a", &[])], &["x"]);
    assert_eq!(legend("p99 of {{api}} at {{ instance }}"), ["api", "instance"]);
}

#[test]
#[should_panic(expected = "is missing")]
fn what_is_no_query_is_not_read() {
    Query::read("rate(a{x=\"1\"[5m])");
}
