//! What became of records that were to be appended, said at the end.

use std::collections::BTreeMap;

use tidelog::{Error, RecordPlace};

use crate::escape::shown;
use crate::failure::Failure;
use crate::progress::Progress;

/// What was stored, by partition, and what was not.
pub(crate) struct Report {
    topic: String,
    places: BTreeMap<u32, (u64, u64, u64)>,
    progress: Progress,
    /// The first failure.
    failure: Option<Failure>,
    uncertain: Lines,
    unstored: Lines,
    /// Whether it was not waited for what was on its way any more.
    pub(crate) is_given_up: bool,
}

/// How many records, and the lines of the first and the last.
#[derive(Default)]
struct Lines {
    count: u64,
    first: String,
    last: String,
}

impl Lines {
    fn add(&mut self, line: &str) {
        if self.count == 0 {
            line.clone_into(&mut self.first);
        }
        self.count += 1;
        line.clone_into(&mut self.last);
    }

    fn words(&self) -> String {
        let Lines { count, first, last } = self;
        if *count == 1 { format!("1 record ({first})") } else { format!("{count} records ({first} to {last})") }
    }
}

impl Report {
    pub(crate) fn new(topic: &str) -> Report {
        Report {
            topic: topic.to_owned(),
            places: BTreeMap::new(),
            progress: Progress::of_records("stored"),
            failure: None,
            uncertain: Lines::default(),
            unstored: Lines::default(),
            is_given_up: false,
        }
    }

    pub(crate) fn stored(&mut self, place: RecordPlace, bytes: u64) {
        let (count, _, last) = self.places.entry(place.partition).or_insert((0, place.offset, place.offset));
        (*count, *last) = (*count + 1, place.offset);
        self.progress.add(bytes);
    }

    pub(crate) fn failed(&mut self, line: &str, error: Error) {
        let lines = if error.may_have_happened() { &mut self.uncertain } else { &mut self.unstored };
        lines.add(line);
        self.failure.get_or_insert_with(|| Failure::of_topic(&self.topic)(error).after(line));
    }

    /// Says on standard error what is stored, and gives back what failed: a record, or something else `behind` all of them. Who
    /// was `interrupted` ends with that code in any case.
    pub(crate) fn told(mut self, behind: Option<Failure>, interrupted: Option<u8>) -> Result<(), Failure> {
        self.progress.end();
        let words = self.words();
        match (self.failure.take().or(behind), interrupted) {
            (Some(failure), code) => Err(failure.and(&words).with_code(code)),
            (None, code) => {
                eprintln!("{}", shown(&words));
                code.map_or(Ok(()), |code| Err(Failure::silent(code)))
            }
        }
    }

    fn words(&self) -> String {
        let mut words = self.stored_words();
        if self.uncertain.count > 0 {
            words.push_str(&format!("; not known whether stored: {}", self.uncertain.words()));
        }
        if self.unstored.count > 0 {
            words.push_str(&format!("; not stored: {}", self.unstored.words()));
        }
        words
    }

    fn stored_words(&self) -> String {
        let records = self.places.values().map(|(count, _, _)| count).sum::<u64>();
        let noun = if records == 1 { "record" } else { "records" };
        let topic = &self.topic;
        match self.places.iter().next() {
            None => format!("nothing is stored in {topic}"),
            Some((partition, (1, first, _))) if self.places.len() == 1 => {
                format!("1 record stored in {topic}: partition {partition}, offset {first}")
            }
            Some((partition, (_, first, last))) if self.places.len() == 1 => {
                format!("{records} {noun} stored in {topic}: partition {partition}, offsets {first} to {last}")
            }
            Some(_) => format!("{records} {noun} stored in {} partitions of {topic}", self.places.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_told() {
        let mut report = Report::new("t");
        assert_eq!(report.words(), "nothing is stored in t");
        report.stored(RecordPlace { partition: 1, offset: 5 }, 1);
        assert_eq!(report.words(), "1 record stored in t: partition 1, offset 5");
        report.stored(RecordPlace { partition: 1, offset: 7 }, 1);
        assert_eq!(report.words(), "2 records stored in t: partition 1, offsets 5 to 7");
        report.stored(RecordPlace { partition: 0, offset: 0 }, 1);
        assert_eq!(report.words(), "3 records stored in 2 partitions of t");
    }

    #[test]
    fn what_is_not_stored_is_told_with_its_lines() {
        let mut report = Report::new("t");
        let error = Error::NoAnswer { server: "http://x".into(), waited_ms: 7, may_have_happened: true };
        report.failed("x line 3", error.clone());
        for line in ["x line 4", "x line 5"] {
            report.failed(line, Error::EarlierFailed { cause: error.clone().into() });
        }
        let words = "nothing is stored in t; not known whether stored: 1 record (x line 3); \
            not stored: 2 records (x line 4 to x line 5)";
        assert_eq!(report.words(), words);
        let failure = report.told(Some(Failure::failed("later")), Some(130)).unwrap_err();
        let text = failure.text().unwrap();
        assert!(text.starts_with("x line 3: http://x has not answered") && text.ends_with(words), "{text}");
        assert_eq!(failure.code(), 130);
    }
}
