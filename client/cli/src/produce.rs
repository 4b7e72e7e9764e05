//! `tidelog produce`: a record a line.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{FutureExt, StreamExt};
use tidelog::{NewRecord, RecordPlace};

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::lines::{self, Line};
use crate::output::Output;
use crate::progress::Progress;
use crate::server::ServerArguments;

pub(crate) const EXAMPLES: &str = "\
Examples:
  echo hello | tidelog produce greetings
  tidelog produce orders --key-separator : < lines-like-key:value
  tidelog produce orders --json --file orders.ndjson     lines like {\"key\":\"k\",\"value\":{\"any\":\"json\"}}
  tidelog produce images --whole --file cat.png --key cat --header type=image/png

What was stored is said on standard error at the end; with --json the place of each record is a line on standard output.
Ctrl-C stops reading, and what was read is stored. docs/cli.md tells more.";

/// Records that are not settled yet: their answers wait here in the order of their lines.
const UNSETTLED_MAX: usize = 50_000;

/// Which line, how many bytes it has, and what becomes of its record.
type Settling = BoxFuture<'static, (String, u64, Result<RecordPlace, tidelog::Error>)>;

/// `tidelog produce`.
#[derive(Debug, Args)]
pub struct ProduceArguments {
    /// The topic. One that is not there is created, if the server allows that.
    topic: String,
    /// Read this file, or - for standard input. May be said more than once.
    #[arg(long, short, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Each input is one record, rather than each line.
    #[arg(long, conflicts_with_all = ["json", "key_separator"])]
    whole: bool,
    /// Lines are JSON, with key, value, headers, partition and timestamp as docs/http.md has them; and the place of each record
    /// is printed as JSON.
    #[arg(long, conflicts_with = "key_separator")]
    json: bool,
    /// What stands between key and value. Without it lines have no keys.
    #[arg(long, short = 'K', value_name = "TEXT")]
    key_separator: Option<String>,
    /// The key of every record that has none of its own.
    #[arg(long, short, value_name = "TEXT")]
    key: Option<String>,
    /// A header of every record. May be said more than once.
    #[arg(long, short = 'H', value_name = "NAME=VALUE")]
    header: Vec<String>,
    /// The partition of every record; else the key decides, and records without one are spread.
    #[arg(long, short, value_name = "PARTITION")]
    partition: Option<u32>,
    /// How long records wait for others to be sent with, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    linger_ms: u64,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) async fn run(
    mut arguments: ProduceArguments,
    output: &mut Output,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let shape = Shape::of(&mut arguments)?;
    let client = arguments.server.client()?;
    let producer = client.producer(&arguments.topic).linger(Duration::from_millis(arguments.linger_ms)).build();
    // Before anything is read, so that a server that is away, or has no such topic, is told at once.
    let ready = async { producer.ready().await.map_err(Failure::of_topic(&arguments.topic)) };
    interrupt.or(ready).await?;
    let mut lines = lines::read(std::mem::take(&mut arguments.file), arguments.whole);
    let mut settling = FuturesOrdered::<Settling>::new();
    let mut report =
        Report { topic: arguments.topic.clone(), progress: Progress::of_records("stored"), ..Report::default() };
    let mut ended = None;
    let mut is_reading = true;
    while is_reading || !settling.is_empty() {
        tokio::select! {
            biased;
            Some((line, bytes, settled)) = settling.next(), if !settling.is_empty() => {
                let place = match settled {
                    Ok(place) => place,
                    Err(error) => {
                        let failure = Failure::of_topic(&arguments.topic)(error).after(&line);
                        is_reading = false;
                        report.failed.get_or_insert(failure);
                        continue;
                    }
                };
                report.stored(place, bytes);
                if arguments.json {
                    let text = serde_json::to_string(&place).map_err(|error| Failure::failed(error.to_string()))?;
                    output.line(&text)?;
                    if settling.is_empty() {
                        output.flush()?;
                    }
                }
            }
            code = interrupt.told(), if is_reading => {
                is_reading = false;
                ended = Some(Failure::silent(code));
            }
            came = lines.recv(), if is_reading && settling.len() < UNSETTLED_MAX => {
                let Some(came) = came else { is_reading = false; continue };
                let taken = match came.map_err(Failure::failed).and_then(|line| Ok((shape.record(&line)?, line))) {
                    Ok((None, _)) => continue,
                    Ok((Some(record), line)) => {
                        let said = format!("{} line {}", line.source, line.number);
                        let bytes = line.bytes.len() as u64;
                        // Waits while there is no room. What it waits for is settled by tasks of its own.
                        let sent = producer.send(record).await;
                        sent.map(|delivery| (said.clone(), bytes, delivery))
                            .map_err(|error| Failure::of_topic(&arguments.topic)(error).after(&said))
                    }
                    Err(failure) => Err(failure),
                };
                match taken {
                    Ok((said, bytes, delivery)) => settling.push_back(async move { (said, bytes, delivery.await) }.boxed()),
                    Err(failure) => {
                        is_reading = false;
                        report.failed.get_or_insert(failure);
                    }
                }
            }
        }
    }
    output.flush()?;
    report.told()?;
    ended.map_or(Ok(()), Err)
}

/// How a line becomes a record.
struct Shape {
    json: bool,
    separator: Option<Vec<u8>>,
    key: Option<String>,
    headers: Vec<(String, String)>,
    partition: Option<u32>,
}

impl Shape {
    fn of(arguments: &mut ProduceArguments) -> Result<Shape, Failure> {
        let mut headers = Vec::new();
        for text in &arguments.header {
            let header = text.split_once('=').filter(|(name, _)| !name.is_empty());
            let (name, value) = header
                .ok_or_else(|| Failure::usage(format!("{text:?} is no header; NAME=VALUE works, like trace=4711")))?;
            headers.push((name.to_owned(), value.to_owned()));
        }
        if arguments.key_separator.as_deref() == Some("") {
            return Err(Failure::usage("the key separator is empty; : works, or any text"));
        }
        Ok(Shape {
            json: arguments.json,
            separator: arguments.key_separator.take().map(String::into_bytes),
            key: arguments.key.take(),
            headers,
            partition: arguments.partition,
        })
    }

    /// The record of a line; none of an empty line of JSON.
    fn record(&self, line: &Line) -> Result<Option<NewRecord>, Failure> {
        let wrong = |why: String| Failure::failed(format!("{} line {}: {why}", line.source, line.number));
        let (mut record, has_key, has_partition) = if self.json {
            let text = std::str::from_utf8(&line.bytes).map_err(|_| wrong("it is not UTF-8 text".to_owned()))?;
            if text.trim().is_empty() {
                return Ok(None);
            }
            let record = NewRecord::from_json(text).map_err(|error| wrong(error.to_string()))?;
            let (has_key, has_partition) = (record.has_key(), record.has_partition());
            (record, has_key, has_partition)
        } else if let Some(separator) = &self.separator {
            let at = line.bytes.windows(separator.len()).position(|window| window == separator).ok_or_else(|| {
                let separator = String::from_utf8_lossy(separator);
                wrong(format!("there is no {separator:?} between key and value"))
            })?;
            let (key, value) = (&line.bytes[..at], &line.bytes[at + separator.len()..]);
            (NewRecord::new(value.to_vec()).key(key.to_vec()), true, false)
        } else {
            (NewRecord::new(line.bytes.clone()), false, false)
        };
        if let (Some(key), false) = (&self.key, has_key) {
            record = record.key(key.clone());
        }
        for (name, value) in &self.headers {
            record = record.header(name.clone(), value.clone());
        }
        if let (Some(partition), false) = (self.partition, has_partition) {
            record = record.partition(partition);
        }
        Ok(Some(record))
    }
}

/// What was stored, by partition.
#[derive(Default)]
struct Report {
    topic: String,
    places: BTreeMap<u32, (u64, u64, u64)>,
    progress: Progress,
    failed: Option<Failure>,
}

impl Report {
    fn stored(&mut self, place: RecordPlace, bytes: u64) {
        let (count, _, last) = self.places.entry(place.partition).or_insert((0, place.offset, place.offset));
        (*count, *last) = (*count + 1, place.offset);
        self.progress.add(bytes);
    }

    /// Says on standard error what is stored, and gives back what failed.
    fn told(self) -> Result<(), Failure> {
        self.progress.end();
        let stored = self.words();
        match self.failed {
            Some(failure) => Err(failure.and(&stored)),
            None => {
                eprintln!("{stored}");
                Ok(())
            }
        }
    }

    fn words(&self) -> String {
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

    fn shape() -> Shape {
        Shape { json: false, separator: None, key: None, headers: Vec::new(), partition: None }
    }

    fn line(text: &str) -> Line {
        Line { source: "x".to_owned(), number: 7, bytes: text.as_bytes().to_vec() }
    }

    #[test]
    fn lines_become_records() {
        let check = |shape: &Shape, text: &str, record: NewRecord| {
            assert_eq!(shape.record(&line(text)).unwrap(), Some(record), "{text}");
        };
        check(&shape(), "a:b", NewRecord::new("a:b"));
        check(&shape(), "", NewRecord::new(""));
        let keyed = Shape { separator: Some(b"::".to_vec()), ..shape() };
        check(&keyed, "a::b::c", NewRecord::new("b::c").key("a"));
        let more = Shape {
            key: Some("k".to_owned()),
            headers: vec![("h".to_owned(), "v".to_owned())],
            partition: Some(2),
            ..shape()
        };
        check(&more, "a", NewRecord::new("a").key("k").header("h", "v").partition(2));
        let json = Shape { json: true, ..more };
        check(&json, r#"{"key":"own","partition":1}"#, NewRecord::null().key("own").header("h", "v").partition(1));
        assert_eq!(json.record(&line("  ")).unwrap(), None);
    }

    #[test]
    fn a_line_that_is_wrong_is_named() {
        let check = |shape: Shape, text: &str, says: &str| {
            let failure = shape.record(&line(text)).unwrap_err();
            let text = failure.text().unwrap();
            assert!(text.starts_with("x line 7: ") && text.contains(says), "{text}");
        };
        check(Shape { separator: Some(b":".to_vec()), ..shape() }, "a", "no \":\"");
        check(Shape { json: true, ..shape() }, "{", "EOF");
    }

    #[test]
    fn what_is_stored_is_told() {
        let mut report = Report { topic: "t".to_owned(), ..Report::default() };
        assert_eq!(report.words(), "nothing is stored in t");
        report.stored(RecordPlace { partition: 1, offset: 5 }, 1);
        assert_eq!(report.words(), "1 record stored in t: partition 1, offset 5");
        report.stored(RecordPlace { partition: 1, offset: 7 }, 1);
        assert_eq!(report.words(), "2 records stored in t: partition 1, offsets 5 to 7");
        report.stored(RecordPlace { partition: 0, offset: 0 }, 1);
        assert_eq!(report.words(), "3 records stored in 2 partitions of t");
    }
}
