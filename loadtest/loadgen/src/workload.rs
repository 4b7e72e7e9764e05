//! What is to be sent and read: a TOML file, or one of those that come with the program.
//!
//! A key that is not known is refused by name, because a workload with a misspelled key would measure something else.

mod named;
mod source;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::record::HEADER_BYTES;
use source::Wrong;

/// Largest count of anything here: it fits all that is computed with it.
/// What a generator may be late, unless a workload says something else.
pub(crate) const LAG_MS_MAX_BY_DEFAULT: u64 = 50;
const COUNT_MAX: u32 = 1_000_000;
const RATE_PER_SECOND_MAX: u64 = 10_000_000;
const SECONDS_MAX: u32 = 7 * 24 * 3600;
const RECORD_BYTES_MAX: usize = 1 << 20;

/// A workload, checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Its name in tables and results.
    pub name: String,
    /// What it is for, in a line.
    #[serde(default)]
    pub about: String,
    /// How the server is spoken to.
    #[serde(default)]
    pub protocol: Protocol,
    /// Topics, made anew for the run.
    #[serde(default = "one")]
    pub topics: u32,
    /// Partitions of each topic.
    pub partitions: u32,
    /// Producers, each with its own connection, its own sequences and an even share of the rate.
    pub connections: u32,
    /// Readers of each group, each with an even share of the partitions. 0: nothing is read, and only acknowledgements are checked.
    pub consumers: u32,
    /// Groups that each read everything; 0 where the late one is the only one.
    #[serde(default = "one")]
    pub groups: u32,
    /// One more group begins so many seconds after the schedule, at the beginning of all partitions.
    #[serde(default)]
    pub catch_up_after_seconds: Option<u32>,
    /// Bytes of a record's value.
    pub record_bytes: usize,
    /// The share of a value that no codec can make smaller.
    #[serde(default = "half")]
    pub incompressible: f64,
    /// `none`, `gzip`, `snappy`, `lz4` or `zstd`.
    #[serde(default)]
    pub compression: Compression,
    /// Bytes of a batch, at most.
    #[serde(default = "batch_bytes")]
    pub batch_bytes: usize,
    /// How long a batch waits for more records.
    #[serde(default)]
    pub linger_ms: u32,
    /// Which partition a record goes to.
    #[serde(default)]
    pub spread: Spread,
    /// Sent and checked before anything is measured, at the rate of the first stage.
    #[serde(default)]
    pub warm_up_seconds: u32,
    /// Records per second of all connections together; with `duration_seconds` a run of one stage.
    #[serde(default)]
    pub rate_per_second: Option<u64>,
    /// See `rate_per_second`.
    #[serde(default)]
    pub duration_seconds: Option<u32>,
    /// A run whose rate changes: a sweep, a burst.
    #[serde(default)]
    pub stages: Vec<Stage>,
    /// The run ends well after the first stage that is too much, unless that is the very first.
    #[serde(default)]
    pub until_saturated: bool,
    /// The generator's own lag behind the schedule that 999 of 1,000 records must stay below.
    #[serde(default = "lag_ms_max")]
    pub lag_ms_max: u64,
    /// How long to wait, after the schedule, for what is still on its way.
    #[serde(default = "drain_seconds")]
    pub drain_seconds: u32,
    /// Records that may be refused or not answered.
    #[serde(default)]
    pub errors_max: u64,
    /// A run fails whose server has so many MiB more at most in the last quarter than it had in the second.
    #[serde(default)]
    pub resident_growth_mebibytes_max: Option<f64>,
    /// A run whose p99 from intended send to receive is above fails.
    #[serde(default)]
    pub receive_p99_ms_max: Option<f64>,
    /// A run whose p99 from intended send to acknowledgement is above fails.
    #[serde(default)]
    pub acknowledge_p99_ms_max: Option<f64>,
    /// A run fails whose server asks more of its store for each GiB of values.
    #[serde(default)]
    pub store_requests_per_gibibyte_max: Option<f64>,
}

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Kafka, by librdkafka, as most programs do.
    #[default]
    KafkaLibrdkafka,
    /// Kafka, by connections of our own: many on few threads.
    KafkaRaw,
    /// HTTP/1.1: lines to append, events to read.
    Http,
}

/// The codec of batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// As they are.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// snappy.
    Snappy,
    /// lz4.
    Lz4,
    /// zstd.
    Zstd,
}

/// Which partition a record goes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spread {
    /// A connection stays with a partition until a batch is full or its linger is over, as clients do with records without a key.
    #[default]
    Sticky,
    /// Each record to the next partition, as keys would have it.
    RoundRobin,
    /// A connection has partitions of its own, and takes them in turn.
    Own,
}

/// A part of the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Records per second of all connections together.
    pub rate_per_second: u64,
    /// How long.
    pub seconds: u32,
}

fn one() -> u32 {
    1
}

fn half() -> f64 {
    0.5
}

fn batch_bytes() -> usize {
    64 << 10
}

fn lag_ms_max() -> u64 {
    LAG_MS_MAX_BY_DEFAULT
}

fn drain_seconds() -> u32 {
    30
}

impl Workload {
    /// The workload of that name, or in that file, with some of its keys set to other values (`key=value` as in TOML).
    ///
    /// # Errors
    /// There is none, or it is not as it should be: the text says what would be.
    pub fn load(name_or_file: &str, set: &[String]) -> Result<Workload, Failure> {
        let text = match named::find(name_or_file) {
            Some(text) => text.to_owned(),
            None if name_or_file.ends_with(".toml") || Path::new(name_or_file).is_file() => {
                std::fs::read_to_string(name_or_file)
                    .map_err(|error| Failure::Refused(format!("{name_or_file}: {error}")))?
            }
            None => {
                let names = named::names().collect::<Vec<_>>().join(", ");
                return Err(Failure::Refused(format!(
                    "no workload is called {name_or_file:?}; there are {names}, and files"
                )));
            }
        };
        Workload::read(&text, set).map_err(|Wrong { line, text }| {
            let line = line.map_or(String::new(), |line| format!(":{line}"));
            Failure::Refused(format!("workload {name_or_file}{line}: {text}"))
        })
    }

    /// The names of those that come with the program, and what they are for.
    pub fn named() -> impl Iterator<Item = (&'static str, String)> {
        named::names().map(|name| {
            let about =
                named::find(name).and_then(|text| Workload::read(text, &[]).ok()).map(|workload| workload.about);
            (name, about.unwrap_or_default())
        })
    }

    fn read(text: &str, set: &[String]) -> Result<Workload, Wrong> {
        source::read(text, set)
    }

    /// The workload of a text in TOML.
    ///
    /// # Errors
    /// It is not as it should be: the text says what would be.
    pub fn parse(text: &str) -> Result<Workload, String> {
        Workload::read(text, &[]).map_err(|wrong| wrong.text)
    }

    /// Checks it as a whole; a rate and a duration become a stage.
    fn settle(&mut self) -> Result<(), Problem> {
        let is_one_rate = self.stages.is_empty();
        match (self.rate_per_second.take(), self.duration_seconds.take(), is_one_rate) {
            (Some(rate_per_second), Some(seconds), true) => self.stages = vec![Stage { rate_per_second, seconds }],
            (None, None, false) => {}
            (rate, duration, _) => {
                let key = match (rate, duration) {
                    (Some(_), _) => "rate_per_second",
                    (None, Some(_)) => "duration_seconds",
                    (None, None) => "stages",
                };
                let text =
                    "say either rate_per_second and duration_seconds, or [[stages]] with rate_per_second and seconds";
                return Err(Problem::of(key, text));
            }
        }
        let counts = [
            ("topics", self.topics, 1),
            ("partitions", self.partitions, 1),
            ("connections", self.connections, 1),
            ("consumers", self.consumers, 0),
            // A group that begins late may be the only one.
            ("groups", self.groups, u64::from(self.catch_up_after_seconds.is_none())),
        ];
        for (key, count, min) in counts {
            within(key, u64::from(count), min, u64::from(COUNT_MAX))?;
        }
        let places = u64::from(self.topics) * u64::from(self.partitions);
        if places > u64::from(COUNT_MAX) {
            let text = format!("topics × partitions is {places}; it must be between 1 and {COUNT_MAX}");
            return Err(Problem::of("partitions", text));
        }
        if u64::from(self.consumers) > places {
            let text =
                format!("consumers is {}; there are {places} partitions, so 0 to {places} would work", self.consumers);
            return Err(Problem::of("consumers", text));
        }
        within("record_bytes", self.record_bytes as u64, HEADER_BYTES as u64, RECORD_BYTES_MAX as u64)?;
        within("batch_bytes", self.batch_bytes as u64, 1024, 8 << 20)?;
        within("linger_ms", u64::from(self.linger_ms), 0, 60_000)?;
        within("warm_up_seconds", u64::from(self.warm_up_seconds), 0, u64::from(SECONDS_MAX))?;
        within("drain_seconds", u64::from(self.drain_seconds), 1, 3600)?;
        within("lag_ms_max", self.lag_ms_max, 1, 60_000)?;
        for (index, stage) in self.stages.iter().enumerate() {
            let keys = if is_one_rate {
                ["rate_per_second".to_owned(), "duration_seconds".to_owned()]
            } else {
                [format!("stages[{index}].rate_per_second"), format!("stages[{index}].seconds")]
            };
            within(&keys[0], stage.rate_per_second, 1, RATE_PER_SECOND_MAX)?;
            within(&keys[1], u64::from(stage.seconds), 1, u64::from(SECONDS_MAX))?;
        }
        self.settle_what_goes_together()
    }

    fn settle_what_goes_together(&self) -> Result<(), Problem> {
        if self.protocol == Protocol::Http && self.compression != Compression::None {
            let text = "compression is for Kafka's batches; with protocol = \"http\" say compression = \"none\"";
            return Err(Problem::of("compression", text));
        }
        if !(0.0..=1.0).contains(&self.incompressible) {
            let text = format!("incompressible is {}; it must be between 0 and 1", self.incompressible);
            return Err(Problem::of("incompressible", text));
        }
        for (key, bound) in self.bounds() {
            if let Some(bound) = bound.filter(|bound| !(bound.is_finite() && *bound >= 0.0)) {
                return Err(Problem::of(key, format!("{key} is {bound}; it must be a number, 0 or more")));
            }
        }
        let needs_consumers = [
            ("receive_p99_ms_max", self.receive_p99_ms_max.is_some()),
            ("catch_up_after_seconds", self.catch_up_after_seconds.is_some()),
        ];
        if let Some((key, _)) = needs_consumers.iter().find(|(_, is_said)| *is_said && self.consumers == 0) {
            return Err(Problem::of(key, format!("{key} needs consumers; say consumers = 1")));
        }
        if self.receive_p99_ms_max.is_some() && self.groups == 0 {
            let text = "receive_p99_ms_max is of groups at the tail; say groups = 1";
            return Err(Problem::of("receive_p99_ms_max", text));
        }
        let seconds = self.stages.iter().map(|stage| u64::from(stage.seconds)).sum::<u64>();
        let sent = seconds + u64::from(self.warm_up_seconds);
        match self.catch_up_after_seconds {
            // Where it is the only one, it may begin when nothing is sent any more.
            Some(after) if self.groups == 0 => {
                within("catch_up_after_seconds", u64::from(after), 0, sent + u64::from(self.drain_seconds) - 1)
            }
            Some(after) => within("catch_up_after_seconds", u64::from(after), 0, sent - 1),
            None => Ok(()),
        }
    }

    fn bounds(&self) -> [(&'static str, Option<f64>); 4] {
        [
            ("receive_p99_ms_max", self.receive_p99_ms_max),
            ("acknowledge_p99_ms_max", self.acknowledge_p99_ms_max),
            ("store_requests_per_gibibyte_max", self.store_requests_per_gibibyte_max),
            ("resident_growth_mebibytes_max", self.resident_growth_mebibytes_max),
        ]
    }

    /// Whether a number that is too large fails the run.
    #[must_use]
    pub fn has_bounds(&self) -> bool {
        self.bounds().iter().any(|(_, bound)| bound.is_some())
    }

    /// All partitions of all topics.
    #[must_use]
    pub fn places(&self) -> u32 {
        self.topics * self.partitions
    }

    /// Groups that read everything, the late one too.
    #[must_use]
    pub fn groups_in_all(&self) -> u32 {
        if self.consumers == 0 { 0 } else { self.groups + u32::from(self.catch_up_after_seconds.is_some()) }
    }
}

/// A value that cannot be.
#[derive(Debug)]
struct Problem {
    /// As the text has it: `partitions`, `stages[0].seconds`.
    key: String,
    text: String,
}

impl Problem {
    fn of(key: &str, text: impl Into<String>) -> Problem {
        Problem { key: key.to_owned(), text: text.into() }
    }
}

fn within(key: &str, value: u64, min: u64, max: u64) -> Result<(), Problem> {
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err(Problem::of(key, format!("{key} is {value}; it must be between {min} and {max}")))
    }
}

#[cfg(test)]
#[path = "workload_test.rs"]
mod tests;
