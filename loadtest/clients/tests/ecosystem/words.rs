//! What goes into the word count and what must come out of it.
//!
//! Kafka Streams works at least once here: what an instance had not committed when it was killed is read again, and counted
//! again. So every line says how often it may count at most: once when it was dealt with, which is also when its offset is
//! committed, while no instance was killed, and once more for each kill that it lived through. The server's end is no reason
//! to count anything twice.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};

use crate::topics::Pair;

/// Different words; small, so that each is counted often, before and after a restart.
const WORDS: u64 = 40;
/// Windows that lines fall into, all of them all the time.
const MINUTES: u64 = 7;
const MINUTE_MS: i64 = 60_000;
/// Lines without a word, and lines of more words.
const BLANK_EVERY: u64 = 50;
const WORDS_IN_LINE_MAX: u64 = 6;
/// How many differences are told.
const TOLD_MAX: usize = 10;

/// A line by its number, which is its key.
#[derive(Clone, Copy, Debug)]
pub struct Line(pub u64);

impl Line {
    pub fn text(self) -> String {
        if self.0 % BLANK_EVERY == 7 {
            return String::new();
        }
        let words = (0..=self.0 % WORDS_IN_LINE_MAX).map(|place| format!("word{}", mixed(self.0, place) % WORDS));
        words.collect::<Vec<_>>().join(" ")
    }

    pub fn time_ms(self, base_ms: i64) -> i64 {
        let within = i64::try_from(mixed(self.0, 99) % 60_000).expect("less than a minute");
        self.window_ms(base_ms) + within
    }

    fn window_ms(self, base_ms: i64) -> i64 {
        base_ms / MINUTE_MS * MINUTE_MS + i64::try_from(self.0 % MINUTES).expect("a small number") * MINUTE_MS
    }
}

/// A number that has nothing to do with others like it.
fn mixed(number: u64, place: u64) -> u64 {
    let mixed = (number * 31 + place + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ (mixed >> 29)
}

/// How often something has to be there at least, and may be at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bounds {
    least: u64,
    most: u64,
}

impl Bounds {
    fn add(&mut self, kills: u64) {
        self.least += 1;
        self.most += 1 + kills;
    }
}

/// What must be in each of the three topics, by key.
#[derive(Default)]
pub struct Expected {
    base_ms: i64,
    loud: BTreeMap<String, Bounds>,
    counts: BTreeMap<String, Bounds>,
    totals: BTreeMap<String, Bounds>,
}

/// What is in them.
pub struct Found {
    pub loud: Vec<Pair>,
    pub counts: Vec<Pair>,
    pub totals: Vec<Pair>,
}

impl Expected {
    pub fn new(base_ms: i64) -> Expected {
        Expected { base_ms, ..Expected::default() }
    }

    /// `lines` were written, and `kills` of instances happened until they were dealt with.
    pub fn add(&mut self, lines: &[Line], kills: u64) {
        for line in lines {
            let text = line.text();
            if !text.is_empty() {
                self.loud.entry(format!("{}={}", line.0, text.to_uppercase())).or_default().add(kills);
            }
            let window = line.window_ms(self.base_ms);
            for word in text.split(' ') {
                self.counts.entry(format!("{word}@{window}")).or_default().add(kills);
                self.totals.entry(word.to_owned()).or_default().add(kills);
            }
        }
    }

    /// How many were counted more than once; an error that begins with `lost` when something is not there often enough.
    pub fn check(&self, found: &Found) -> anyhow::Result<u64> {
        let mut times: BTreeMap<String, u64> = BTreeMap::new();
        for (number, text) in &found.loud {
            *times.entry(format!("{number}={text}")).or_default() += 1;
        }
        let loud = compare("loud", &self.loud, &times)?;
        let counts = compare("counts", &self.counts, &last(&found.counts)?)?;
        let totals = compare("totals", &self.totals, &last(&found.totals)?)?;
        Ok(loud + counts + totals)
    }
}

/// The last count of each word. All of them are in one partition, so the last one read is the last one written.
fn last(pairs: &[Pair]) -> anyhow::Result<BTreeMap<String, u64>> {
    let parsed = pairs.iter().map(|(key, count)| Ok((key.clone(), count.parse().with_context(|| count.clone())?)));
    parsed.collect()
}

fn compare(topic: &str, expected: &BTreeMap<String, Bounds>, found: &BTreeMap<String, u64>) -> anyhow::Result<u64> {
    let (mut lost, mut too_many, mut more) = (Vec::new(), Vec::new(), 0);
    for (key, bounds) in expected {
        let found = found.get(key).copied().unwrap_or(0);
        let told = format!("{key}: {found} instead of {} to {}", bounds.least, bounds.most);
        if found < bounds.least {
            lost.push(told);
        } else if found > bounds.most {
            too_many.push(told);
        } else {
            more += found - bounds.least;
        }
    }
    let unknown: Vec<&String> = found.keys().filter(|key| !expected.contains_key(*key)).take(TOLD_MAX).collect();
    let told = |list: &[String]| list.iter().take(TOLD_MAX).cloned().collect::<Vec<_>>().join(", ");
    ensure!(lost.is_empty(), "lost: {} keys of {topic}: {}", lost.len(), told(&lost));
    ensure!(too_many.is_empty(), "repeated: {} keys of {topic}: {}", too_many.len(), told(&too_many));
    ensure!(unknown.is_empty(), "{topic} has what nobody wrote: {unknown:?}");
    Ok(more)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, value: &str) -> Pair {
        (key.to_owned(), value.to_owned())
    }

    /// What an application makes of `lines` that counts each `times` times.
    fn made_of(lines: &[Line], times: u64) -> Found {
        let mut expected = Expected::new(0);
        expected.add(lines, 0);
        let all = |bounds: &BTreeMap<String, Bounds>| -> Vec<Pair> {
            bounds.iter().map(|(key, bounds)| pair(key, &(bounds.least * times).to_string())).collect()
        };
        let loud = expected.loud.keys().flat_map(|key| {
            let (number, text) = key.split_once('=').unwrap();
            vec![pair(number, text); usize::try_from(times).unwrap()]
        });
        Found { loud: loud.collect(), counts: all(&expected.counts), totals: all(&expected.totals) }
    }

    fn lines(count: u64) -> Vec<Line> {
        (0..count).map(Line).collect()
    }

    #[test]
    fn what_is_counted_once_is_right_and_what_is_lost_is_told() {
        let mut expected = Expected::new(0);
        expected.add(&lines(100), 0);
        assert_eq!(expected.check(&made_of(&lines(100), 1)).unwrap(), 0);
        let said = expected.check(&made_of(&lines(99), 1)).unwrap_err().to_string();
        assert!(said.starts_with("lost: "), "{said}");
        let mut without_counts = made_of(&lines(100), 1);
        without_counts.counts.pop();
        let said = expected.check(&without_counts).unwrap_err().to_string();
        assert!(said.starts_with("lost: 1 keys of counts"), "{said}");
    }

    #[test]
    fn what_is_repeated_needs_a_kill() {
        let (mut calm, mut killed) = (Expected::new(0), Expected::new(0));
        calm.add(&lines(100), 0);
        killed.add(&lines(100), 1);
        let twice = made_of(&lines(100), 2);
        assert!(calm.check(&twice).unwrap_err().to_string().starts_with("repeated: "));
        assert!(killed.check(&twice).unwrap() > 0);
        assert!(killed.check(&made_of(&lines(100), 3)).is_err());
    }

    #[test]
    fn what_nobody_wrote_is_told() {
        let mut expected = Expected::new(0);
        expected.add(&lines(99), 0);
        assert!(expected.check(&made_of(&lines(100), 1)).is_err());
    }
}
