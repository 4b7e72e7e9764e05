//! `tidelog produce`: a record a line.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{FutureExt, StreamExt};
use tidelog::{Delivery, NewRecord, RecordPlace};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::interruption::told_once;
use crate::lines::{self, Line};
use crate::output::Output;
use crate::report::Report;
use crate::server::ServerArguments;

pub(crate) const EXAMPLES: &str = "\
Examples:
  echo hello | tidelog produce greetings
  tidelog produce orders --key-separator : < lines-like-key:value
  tidelog produce orders --json --file orders.ndjson     lines like {\"key\":\"k\",\"value\":{\"any\":\"json\"}}
  tidelog produce images --whole --file cat.png --key cat --header type=image/png

What was stored is said on standard error at the end; with --json the place of each record is a line on standard output.
Ctrl-C stops reading, and what was read is stored, unless that takes long. docs/cli.md tells more.";

/// Records that are not settled yet: their answers wait here in the order of their lines.
const UNSETTLED_MAX: usize = 50_000;

/// Which line, how many bytes it has, and what becomes of its record.
type Settling = BoxFuture<'static, (String, u64, Result<RecordPlace, tidelog::Error>)>;

/// The same of one that is not taken yet.
type Sending<'a> = BoxFuture<'a, (String, u64, Result<Delivery, tidelog::Error>)>;

/// How long what is on its way is waited for when the command is to end, other than with its input.
const PATIENCE: Duration = Duration::from_secs(10);

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
    let linger = Duration::from_millis(arguments.linger_ms);
    let producer = client.producer(&arguments.topic).linger(linger).refused_alone(false).on_interruption(told_once());
    let producer = producer.build();
    // Before anything is read, so that a server that is away, or has no such topic, is told at once.
    let ready = async { producer.ready().await.map_err(Failure::of_topic(&arguments.topic)) };
    interrupt.or(ready).await?;
    let mut lines = lines::read(std::mem::take(&mut arguments.file), arguments.whole);
    let mut settling = FuturesOrdered::<Settling>::new();
    let mut sending = None::<Sending<'_>>;
    let mut report = Report::new(&arguments.topic);
    // What is wrong with a line is behind all that is on its way, whose failures are told first.
    let mut behind = None::<Failure>;
    let mut unprinted = None::<Failure>;
    let mut interrupted = None;
    let mut is_reading = true;
    let mut gives_up_at = None::<Instant>;
    // Once something has failed nothing more is sent, also while what came before it is still on its way to elsewhere.
    let failed = Arc::new(Notify::new());
    while is_reading || sending.is_some() || !settling.is_empty() {
        let gives_up = async { tokio::time::sleep_until(gives_up_at.unwrap_or_else(Instant::now)).await };
        tokio::select! {
            biased;
            () = failed.notified() => {
                (is_reading, sending) = (false, None);
                gives_up_at.get_or_insert_with(patience);
            }
            code = interrupt.told(), if interrupted.is_none() => {
                (is_reading, interrupted) = (false, Some(code));
                gives_up_at.get_or_insert_with(patience);
            }
            () = gives_up, if gives_up_at.is_some() && !report.is_given_up => {
                producer.abort();
                (sending, report.is_given_up) = (None, true);
            }
            sent = async { sending.as_mut().expect("it is looked at below").await }, if sending.is_some() => {
                sending = None;
                match sent {
                    (line, bytes, Ok(delivery)) => {
                        let failed = failed.clone();
                        settling.push_back(settled(line, bytes, delivery, failed).boxed());
                    }
                    (line, _, Err(error)) => {
                        is_reading = false;
                        behind = Some(Failure::of_topic(&arguments.topic)(error).after(&line));
                    }
                }
            }
            Some((line, bytes, settled)) = settling.next(), if !settling.is_empty() => match settled {
                Ok(place) => {
                    report.stored(place, bytes);
                    let is_printed = arguments.json && unprinted.is_none();
                    if is_printed && let Err(error) = print(output, place, settling.is_empty()) {
                        (is_reading, sending, unprinted) = (false, None, Some(error));
                        gives_up_at.get_or_insert_with(patience);
                    }
                }
                Err(error) => report.failed(&line, error),
            },
            came = lines.recv(), if is_reading && sending.is_none() && settling.len() < UNSETTLED_MAX => {
                let Some(came) = came else { is_reading = false; continue };
                match came.map_err(Failure::failed).and_then(|line| Ok((shape.record(&line)?, line))) {
                    Ok((None, _)) => {}
                    Ok((Some(record), line)) => {
                        let (said, bytes) = (format!("{} line {}", line.source, line.number), line.bytes.len() as u64);
                        let producer = &producer;
                        // Waits while there is no room. What it waits for is settled by tasks of its own.
                        sending = Some(async move { (said, bytes, producer.send(record).await) }.boxed());
                    }
                    Err(failure) => (is_reading, behind) = (false, Some(failure)),
                }
            }
        }
    }
    if let (Err(error), true) = (output.flush(), unprinted.is_none()) {
        unprinted = Some(cannot_print(&error));
    }
    report.told(unprinted.or(behind), interrupted)
}

/// When what is on its way is given up, from now on.
fn patience() -> Instant {
    Instant::now() + PATIENCE
}

/// What becomes of a record; that it failed is told at once, and here in its turn.
async fn settled(
    line: String,
    bytes: u64,
    delivery: Delivery,
    failed: Arc<Notify>,
) -> (String, u64, Result<RecordPlace, tidelog::Error>) {
    let place = delivery.await;
    if place.is_err() {
        failed.notify_one();
    }
    (line, bytes, place)
}

/// Prints a record's place, and hands it over when nothing comes soon.
fn print(output: &mut Output, place: RecordPlace, is_last: bool) -> Result<(), Failure> {
    let text = serde_json::to_string(&place).map_err(|error| Failure::failed(error.to_string()))?;
    let printed = output.line(&text).and_then(|()| if is_last { output.flush() } else { Ok(()) });
    printed.map_err(|error| cannot_print(&error))
}

/// Not to be read any more is no success here: what is not printed is not known to be stored, and lines are left over.
fn cannot_print(error: &io::Error) -> Failure {
    Failure::failed(format!("standard output is gone: {error}"))
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
        check(Shape { json: true, ..shape() }, "no", "is no JSON: expected ident, column 2");
        check(Shape { json: true, ..shape() }, "{\"a\":1}", "unknown field `a`");
    }
}
