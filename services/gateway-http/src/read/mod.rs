//! Reading records: `from.rs` is where to begin, `source.rs` reads (`rope.rs` is what was read), `encode.rs` writes a record as
//! JSON and `arrow.rs` many as columns, `page.rs` answers as a whole and `follow.rs` in pieces, `cursor.rs` is where to go on in
//! a topic.

mod arrow;
mod cursor;
mod encode;
mod follow;
mod from;
mod page;
mod rope;
mod source;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName};
use axum::response::Response;
use tidelog_catalog_api::TopicView;
use tidelog_http_api::{Problem, Record, RecordPage};
use tidelog_model::{PartitionId, mutant};

pub(crate) use self::follow::HEARTBEAT;

use self::arrow::Chosen;
use self::encode::Framing;
pub(crate) use self::encode::ValueFormat;
use self::follow::{Bounds, Follow};
pub(crate) use self::from::{From, PLACES};
use self::source::Source;
use crate::errors::{self, Code};
use crate::gateway::Shared;
use crate::memory::TakerOf;
use crate::negotiate::{self, ARROW, EVENT_STREAM, JSON, NDJSON};
use crate::problem::Refused;
use crate::query::Query;
use crate::topics::{Named, partition_of};

/// What a browser says when it comes back to a stream of events.
const LAST_EVENT_ID_NAME: &str = "last-event-id";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static(LAST_EVENT_ID_NAME);
/// Records in an answer as a whole.
const PAGE_RECORDS_MAX: u64 = 10_000;
const PAGE_RECORDS_DEFAULT: u64 = 1_000;
/// Bytes of one.
const PAGE_BYTES_MAX: u64 = 8 << 20;
const PAGE_BYTES_DEFAULT: u64 = 1 << 20;
/// The longest wait at the tail that can be asked for.
const WAIT_MS_MAX: u64 = 300_000;
/// Partitions that are read as one: a cursor names the place in each.
const MERGED_PARTITIONS_MAX: u32 = 256;

/// Reads a partition.
///
/// As JSON it is one page; as NDJSON or Arrow IPC all there is; as `text/event-stream` it goes on as records come. An event's
/// id is its record's offset, and a client that says it as `Last-Event-ID` goes on after it. An Arrow IPC stream has columns
/// `partition` (int32), `offset` (int64), `timestamp` (timestamp in milliseconds, UTC), `key` and `value` (binary, nullable) and
/// `headers` (list of struct of `name`, utf8, and `value`, binary and nullable).
#[utoipa::path(
    get,
    path = "/v1/topics/{topic}/partitions/{partition}/records",
    operation_id = "read_partition",
    tag = "records",
    params(
        ("topic" = String, Path, min_length = 1, max_length = 249, pattern = "^[a-zA-Z0-9._-]+$", example = "greetings",
            description = "The topic's name."),
        ("partition" = u32, Path, example = 0, description = "The partition's number."),
        ("from" = Option<String>, Query, pattern = "^(earliest|latest|[0-9]+|@[0-9]+|@[0-9]{4}-.+)$", example = "earliest",
            description = "`earliest` (unless said), `latest`, an offset, or `@` and a time: milliseconds since 1970 or RFC 3339."),
        ("limit" = Option<u64>, Query, minimum = 1, description = "Records at most; of JSON 1,000 unless said, and 10,000 at most."),
        ("max_bytes" = Option<u64>, Query, minimum = 1,
            description = "Bytes of records at most, but one record at least; of JSON 1 MiB unless said, and 8 MiB at most."),
        ("wait_ms" = Option<u64>, Query, maximum = 300_000,
            description = "How long to wait for more at the end; not at all unless said, and for ever with events."),
        ("value_format" = Option<ValueFormat>, Query, description = "How values are written; as text unless said."),
        ("columns" = Option<String>, Query,
            description = "Of an Arrow IPC stream: its columns, with commas between them; all of them unless said."),
        ("last-event-id" = Option<String>, Header, nullable = false, description = "Of events: go on after this offset."),
    ),
    responses(
        (status = 200, description = "Records. As NDJSON each line is a `Record`, and so is the data of each event.", content(
            (RecordPage = "application/json"),
            (Record = "application/x-ndjson"),
            (String = "text/event-stream", example = "id: 0\ndata: {\"partition\":0,\"offset\":0,\"timestamp\":1769860800000,\"value\":\"hello\"}\n\n"),
            (inline(crate::produce::Bytes) = "application/vnd.apache.arrow.stream"),
        )),
        (status = "4XX", description = "As the problem says.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "As the problem says.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn partition_records(
    State(shared): State<Arc<Shared>>,
    Named((name, partition)): Named<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    TakerOf(taker): TakerOf,
) -> Result<Response, Refused> {
    let accepted = negotiate::accept(&headers, &[JSON, NDJSON, EVENT_STREAM, ARROW])?;
    let known = ["from", "limit", "max_bytes", "wait_ms", "value_format", "columns"];
    let query = Query::parse(query.as_deref(), &known)?;
    let wanted = Wanted::of(&query, accepted, false)?;
    let mut from = From::of(query.text("from"))?;
    if accepted == EVENT_STREAM
        && !mutant!("http-last-event-forgotten")
        && let Some(id) = headers.get(LAST_EVENT_ID)
    {
        from = From::after_event(id)?;
    }
    let topic = shared.topic(&name).await?;
    let partition = partition_of(&topic, &partition)?;
    let next = from.resolve(&shared, partition).await?;
    let source = Source::of_partition(&shared, partition, next);
    match accepted {
        JSON => page::answer(&shared, source, &wanted, taker).await,
        _ => Ok(Follow::begin(&shared, source, wanted, taker)?.response()),
    }
}

/// Reads all partitions of a topic as one.
///
/// Records of a partition come in order; of two partitions the order is chance. Each record tells a cursor, with which a
/// later request goes on exactly after it. An event's id is its cursor. An Arrow IPC stream has a column `cursor` (utf8,
/// nullable) beside those of a partition: the last row of each record batch has one, and the others have none.
#[utoipa::path(
    get,
    path = "/v1/topics/{topic}/records",
    operation_id = "read_topic",
    tag = "records",
    params(
        ("topic" = String, Path, min_length = 1, max_length = 249, pattern = "^[a-zA-Z0-9._-]+$", example = "greetings",
            description = "The topic's name."),
        ("from" = Option<String>, Query, pattern = "^(earliest|latest|@[0-9]+|@[0-9]{4}-.+)$", example = "earliest",
            description = "`earliest` (unless said), `latest`, or `@` and a time: milliseconds since 1970 or RFC 3339."),
        ("cursor" = Option<String>, Query, description = "Go on after the record that told this; instead of `from`."),
        ("limit" = Option<u64>, Query, minimum = 1, description = "Records at most."),
        ("max_bytes" = Option<u64>, Query, minimum = 1, description = "Bytes of records at most, but one record at least."),
        ("wait_ms" = Option<u64>, Query, maximum = 300_000,
            description = "How long to wait for more at the end; not at all unless said, and for ever with events."),
        ("value_format" = Option<ValueFormat>, Query, description = "How values are written; as text unless said."),
        ("columns" = Option<String>, Query,
            description = "Of an Arrow IPC stream: its columns, with commas between them; all of them unless said. `cursor` is \
                           always there."),
        ("last-event-id" = Option<String>, Header, nullable = false, description = "Of events: go on after this cursor."),
    ),
    responses(
        (status = 200, description = "Records, each a line or the data of an event.", content(
            (Record = "application/x-ndjson"),
            (String = "text/event-stream", example = "id: 0\ndata: {\"partition\":0,\"offset\":0,\"timestamp\":1769860800000,\"value\":\"hello\"}\n\n"),
            (inline(crate::produce::Bytes) = "application/vnd.apache.arrow.stream"),
        )),
        (status = "4XX", description = "As the problem says.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "As the problem says.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn topic_records(
    State(shared): State<Arc<Shared>>,
    Named(name): Named<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    TakerOf(taker): TakerOf,
) -> Result<Response, Refused> {
    let accepted = negotiate::accept(&headers, &[NDJSON, EVENT_STREAM, ARROW])?;
    let known = ["from", "cursor", "limit", "max_bytes", "wait_ms", "value_format", "columns"];
    let query = Query::parse(query.as_deref(), &known)?;
    let wanted = Wanted::of(&query, accepted, true)?;
    let from = From::of(query.text("from"))?;
    if let From::Offset(_) = from {
        let detail = "an offset belongs to one partition; earliest, latest, @ and a time, or a cursor work here";
        return Err(Refused::parameter(Code::InvalidParameter, "from", detail));
    }
    let mut cursor = query.text("cursor").map(|text| ("cursor", text));
    if cursor.is_some() && query.text("from").is_some() {
        let detail = "from and cursor are both there; say where to begin, or where to go on";
        return Err(Refused::parameter(Code::InvalidParameter, "cursor", detail));
    }
    if accepted == EVENT_STREAM
        && let Some(id) = headers.get(LAST_EVENT_ID)
    {
        cursor = Some((LAST_EVENT_ID_NAME, id.to_str().unwrap_or_default()));
    }
    if cursor.is_some() {
        // Another node may have given it out, and may know more: partitions that were added, or how far they have got.
        shared.parts.catalog.read_barrier().await.map_err(|error| errors::of_catalog(&error))?;
    }
    let topic = shared.topic(&name).await?;
    check_merged(&topic)?;
    let nexts = match cursor {
        Some(cursor) => cursor::resolve(cursor, &topic, &*shared.parts.catalog)?,
        None => {
            let mut nexts = Vec::with_capacity(topic.partitions as usize);
            for index in 0..topic.partitions {
                nexts.push(from.resolve(&shared, PartitionId { topic: topic.id, index }).await?);
            }
            nexts
        }
    };
    let source = Source::of_topic(&shared, topic.id, nexts);
    Ok(Follow::begin(&shared, source, wanted, taker)?.response())
}

/// Checks that the topic's partitions can be read as one.
fn check_merged(topic: &TopicView) -> Result<(), Refused> {
    if topic.partitions <= MERGED_PARTITIONS_MAX {
        return Ok(());
    }
    let detail = format!(
        "the topic has {} partitions, and {MERGED_PARTITIONS_MAX} are read as one; read them one by one",
        topic.partitions
    );
    Err(Refused::new(Code::TooManyPartitions, detail))
}

/// How much is wanted, and in which form.
pub(super) struct Wanted {
    bounds: Bounds,
    framing: Framing,
    value_format: ValueFormat,
    /// Of columns.
    chosen: Chosen,
}

impl Wanted {
    fn of(query: &Query, accepted: &str, is_topic: bool) -> Result<Wanted, Refused> {
        let is_page = accepted == JSON;
        let limit = query.number("limit", 1..=if is_page { PAGE_RECORDS_MAX } else { u64::MAX })?;
        let bytes_max = query.number("max_bytes", 1..=if is_page { PAGE_BYTES_MAX } else { u64::MAX })?;
        let wait = query.number("wait_ms", 0..=WAIT_MS_MAX)?.map(Duration::from_millis);
        let value_format = ValueFormat::of(query.text("value_format"))?;
        let (framing, wait) = match accepted {
            JSON => (Framing::List, Some(wait.unwrap_or_default())),
            NDJSON => (Framing::Lines, Some(wait.unwrap_or_default())),
            ARROW => (Framing::Columns, Some(wait.unwrap_or_default())),
            _ => (Framing::Events, wait),
        };
        let default = |page| if is_page { page } else { u64::MAX };
        let bounds = Bounds {
            records_left: limit.unwrap_or(default(PAGE_RECORDS_DEFAULT)),
            bytes_left: bytes_max.unwrap_or(default(PAGE_BYTES_DEFAULT)),
            wait,
        };
        let of_others = if framing == Framing::Columns { "value_format" } else { "columns" };
        if query.text(of_others).is_some() {
            let detail = format!("{of_others} says nothing about {accepted}; leave it out");
            return Err(Refused::parameter(Code::InvalidParameter, of_others, detail));
        }
        let chosen = Chosen::of(query.text("columns"), is_topic)?;
        Ok(Wanted { bounds, framing, value_format, chosen })
    }
}
