//! `tidelog consume`: records as they are, or as JSON, one a line.

use std::time::{Duration, Instant};

use clap::Args;
use tidelog::{Consumer, Record, Retries, Start};

use crate::exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::interruption::told_once;
use crate::output::Output;
use crate::progress::Progress;
use crate::server::ServerArguments;

pub(crate) const EXAMPLES: &str = "\
Examples:
  tidelog consume greetings                          what is there, and then it ends
  tidelog consume greetings --follow --from latest   what comes from now on, until Ctrl-C
  tidelog consume orders --from -15m --keys          of the last 15 minutes, key and value with a tab between them
  tidelog consume orders --json | jq .value          one JSON object a line, with everything
  tidelog consume orders --group readers --follow    go on where the group is, and note how far it has got

Reading goes on by itself after the connection was lost. --follow ends with exit code 0 at Ctrl-C, and nothing is half-written.
docs/cli.md tells more.";

/// How often a group's offsets are committed while records come.
const COMMIT_EVERY: Duration = Duration::from_secs(5);
/// For how long a server may be away while what is there is read. Who follows waits for ever.
const AWAY_MAX: Duration = Duration::from_secs(30);

/// `tidelog consume`.
#[derive(Debug, Args)]
pub struct ConsumeArguments {
    /// The topic.
    topic: String,
    /// Go on with what comes.
    #[arg(long, short)]
    follow: bool,
    /// Where to begin: earliest, latest, an offset (of one partition), @ and a time (milliseconds, or 2026-01-31T12:00:00Z), or
    /// -15m for so long ago.
    #[arg(long, value_name = "PLACE", default_value = "earliest", allow_hyphen_values = true)]
    from: Start,
    /// Go on behind the record that told this cursor, of a topic as a whole.
    #[arg(long, value_name = "CURSOR", conflicts_with_all = ["from", "partition", "group"])]
    cursor: Option<String>,
    /// This partition only.
    #[arg(long, short, value_name = "PARTITION")]
    partition: Option<u32>,
    /// As many records, and then end.
    #[arg(long, short = 'n', value_name = "COUNT")]
    limit: Option<u64>,
    /// Begin where this group is, and note how far it has got.
    #[arg(long, short, value_name = "GROUP")]
    group: Option<String>,
    /// Print keys, and a tab behind each.
    #[arg(long, short)]
    keys: bool,
    /// Print headers as name=value, with commas between them and a tab behind.
    #[arg(long, short = 'H')]
    headers: bool,
    /// Print partition:offset, and a tab behind.
    #[arg(long)]
    offsets: bool,
    /// Print each record as a line of JSON.
    #[arg(long, conflicts_with_all = ["keys", "headers", "offsets"])]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) async fn run(
    arguments: ConsumeArguments,
    output: &mut Output,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let mut reading = tokio::select! {
        reading = Reading::start(&arguments) => reading?,
        code = interrupt.told() => return Err(Failure::silent(code)),
    };
    let mut progress = Progress::of_records("read");
    let mut count = 0;
    let ended = loop {
        if arguments.limit.is_some_and(|limit| count >= limit) {
            break Ok(());
        }
        let record = match reading.consumer.next_ready() {
            Some(record) => Some(record),
            None => {
                // What was printed is seen while nothing comes.
                output.flush()?;
                reading.commit_now_and_then().await?;
                tokio::select! {
                    biased;
                    code = interrupt.told() => break Err(Failure::silent(if arguments.follow { exit::DONE } else { code })),
                    record = reading.consumer.next() => record,
                    // So that a group is noted when nothing comes either.
                    () = tokio::time::sleep(COMMIT_EVERY), if reading.has_group => continue,
                }
            }
        };
        let record = match record {
            Some(Ok(record)) => record,
            Some(Err(error)) => break Err(Failure::of_topic(&arguments.topic)(error)),
            None => break Ok(()),
        };
        print(&arguments, &record, output)?;
        count += 1;
        if !output.is_terminal() {
            progress.add(record.value.as_ref().map_or(0, |value| value.len() as u64));
        }
        // A stream that never pauses still ends when it is told to.
        if count.is_multiple_of(1_024) {
            tokio::task::yield_now().await;
            if let Some(code) = interrupt.is_told() {
                break Err(Failure::silent(if arguments.follow { exit::DONE } else { code }));
            }
        }
    };
    progress.end();
    output.flush()?;
    // What was printed is done with.
    reading.commit().await?;
    ended
}

/// A consumer, and what was noted of it.
struct Reading {
    consumer: Consumer,
    has_group: bool,
    committed_at: Instant,
}

impl Reading {
    async fn start(arguments: &ConsumeArguments) -> Result<Reading, Failure> {
        let client = arguments.server.client()?;
        let start = arguments.cursor.clone().map_or_else(|| arguments.from.clone(), Start::Cursor);
        let away_max = if arguments.follow { Duration::MAX } else { AWAY_MAX };
        let mut builder = client
            .consumer(&arguments.topic)
            .from(start)
            .follow(arguments.follow)
            .retries(Retries { give_up_after: away_max, ..Retries::default() })
            .on_interruption(told_once());
        if let Some(partition) = arguments.partition {
            builder = builder.partition(partition);
        }
        if let Some(group) = &arguments.group {
            builder = builder.group(group);
        }
        let consumer = builder.start().await.map_err(Failure::of_topic(&arguments.topic))?;
        let mut reading = Reading { consumer, has_group: arguments.group.is_some(), committed_at: Instant::now() };
        // What comes from here on is the group's, also when nothing is printed now.
        reading.commit().await?;
        Ok(reading)
    }

    async fn commit(&mut self) -> Result<(), Failure> {
        if self.has_group {
            self.committed_at = Instant::now();
            self.consumer
                .commit()
                .await
                .map_err(|error| Failure::from(error).after("cannot note how far the group is"))?;
        }
        Ok(())
    }

    async fn commit_now_and_then(&mut self) -> Result<(), Failure> {
        if self.committed_at.elapsed() >= COMMIT_EVERY { self.commit().await } else { Ok(()) }
    }
}

fn print(arguments: &ConsumeArguments, record: &Record, output: &mut Output) -> Result<(), Failure> {
    if arguments.json {
        let line = serde_json::to_string(record).map_err(|error| Failure::failed(error.to_string()))?;
        return Ok(output.json_line(&line)?);
    }
    if arguments.offsets {
        output.dim(&format!("{}:{}", record.partition, record.offset))?;
        output.bytes(b"\t")?;
    }
    if arguments.headers {
        for (place, header) in record.headers.iter().enumerate() {
            output.bytes(if place == 0 { b"" } else { b"," })?;
            output.data(&header.name)?;
            output.bytes(b"=")?;
            output.data(header.value.as_deref().unwrap_or_default())?;
        }
        output.bytes(b"\t")?;
    }
    if arguments.keys {
        output.data(record.key.as_deref().unwrap_or_default())?;
        output.bytes(b"\t")?;
    }
    output.data(record.value.as_deref().unwrap_or_default())?;
    Ok(output.bytes(b"\n")?)
}
