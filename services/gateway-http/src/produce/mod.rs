//! Appending records: `input.rs` is what a record may look like, `batches.rs` gathers records and appends them, `whole.rs`,
//! `lines.rs` and `arrow/` are the bodies they come in, `flow.rs` appends what comes bit by bit, `conditions.rs` is what an
//! append asks to hold, `report.rs` is what is answered of lines and rows.

mod arrow;
mod batches;
mod conditions;
mod flow;
mod input;
mod json_text;
mod lines;
mod report;
mod whole;

use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use axum::response::Response;
use tidelog_http_api::{Appended, Problem, RecordsInput};
use utoipa::openapi::schema::{Schema, Type};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

pub use arrow::read_arrow;
pub(crate) use json_text::{check_text, check_text_within, json_error};

use conditions::Asked;
use input::Rules;

use crate::body::Arriving;
use crate::encoding;
use crate::gateway::Shared;
use crate::memory::Taker;
use crate::negotiate::{self, ARROW, JSON, NDJSON, OCTETS};
use crate::problem::Refused;
use crate::query::Query;
use crate::topics::{self, Named};

/// Names the parameters of one record sent as bytes.
const OCTETS_PARAMETERS: [&str; 4] = ["key", "key_base64", "partition", "timestamp"];

/// Appends records.
///
/// A topic that is not there is created, unless the server is told otherwise. The answer is a success only when every record
/// is stored. Of lines and of rows of an Arrow stream, those before one that is refused are stored, and the problem tells where.
#[utoipa::path(
    post,
    path = "/v1/topics/{topic}/records",
    operation_id = "append_records",
    tag = "records",
    params(
        ("topic" = String, Path, min_length = 1, max_length = 249, pattern = "^[a-zA-Z0-9._-]+$", example = "greetings",
            description = "The topic's name."),
        ("key" = Option<String>, Query, description = "Of one record sent as bytes: its key."),
        ("key_base64" = Option<String>, Query, description = "Of one record sent as bytes: its key as base64."),
        ("partition" = Option<u32>, Query, description = "The partition of all records that do not say one."),
        ("timestamp" = Option<i64>, Query, minimum = 0,
            description = "Of one record sent as bytes: its time, in milliseconds since 1970."),
        ("expected-offset" = Option<u64>, Header, nullable = false, minimum = 0,
            description = "Append only if the partition ends here. All records go to one partition."),
        ("fencing-token" = Option<u64>, Header, nullable = false, minimum = 0,
            description = "Append only if the partition has seen no higher token; from then on it has seen this one."),
        ("idempotency-key" = Option<String>, Header, nullable = false, pattern = "^[!-~]{1,128}$",
            description = "Store the request once, however often it is sent. The body is taken as a whole, 8 MiB at most."),
        ("producer-id" = Option<i64>, Header, nullable = false, minimum = 0,
            description = "Append in this producer's sequence, once. All records go to one partition."),
        ("producer-epoch" = Option<i16>, Header, nullable = false, minimum = 0, maximum = 32_767, description = "The producer's epoch."),
        ("producer-sequence" = Option<i32>, Header, nullable = false, minimum = 0,
            description = "The first record's place in what the producer appends to the partition, from 0."),
        ("content-encoding" = Option<String>, Header, nullable = false, description = "`gzip` or `zstd`: the body is unfolded as it comes."),
    ),
    request_body(description = "JSON: an object with records. NDJSON: a record a line, any length. Bytes: one record's value. \
        Arrow IPC stream: a record a row, of columns `key` and `value` (binary or string), `timestamp` (timestamp, or int64 in \
        milliseconds), `headers` (list of struct of `name` and `value`) and `partition` (an integer), each optional, but not \
        both `key` and `value`.", content(
        (RecordsInput = "application/json"),
        (String = "application/x-ndjson", example = "{\"value\":\"hello\"}\n{\"value\":\"again\"}\n"),
        (inline(Bytes) = "application/octet-stream"),
        (inline(Bytes) = "application/vnd.apache.arrow.stream"),
    )),
    responses(
        (status = 200, description = "All of them are stored. Of lines and of Arrow streams the answer is `ProducedLines`.",
            body = Appended),
        (status = "4XX", description = "As the problem says.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "What is not told as stored is not, unless the problem says that it may be.",
            body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn append(
    State(shared): State<Arc<Shared>>,
    Named(name): Named<String>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Refused> {
    let (Parts { mut headers, extensions, .. }, body) = request.into_parts();
    let content_type = negotiate::content_type(&headers, &[JSON, NDJSON, OCTETS, ARROW])?;
    let known: &[&str] = if content_type == OCTETS { &OCTETS_PARAMETERS } else { &["partition"] };
    let query = Query::parse(query.as_deref(), known)?;
    let partition = query.number("partition", 0..=u32::MAX)?;
    let asked = Asked::of(&headers)?;
    let address = Taker::of(&extensions).address();
    let arriving = match encoding::of_body(&headers)? {
        None => Arriving::new(&shared, address, body),
        Some(encoding) => {
            // It tells of the body as it was sent.
            headers.remove(CONTENT_LENGTH);
            Box::pin(Arriving::unfolded(&shared, address, body, encoding)).await?
        }
    };
    let arriving = arriving.paced_by(extensions.get());
    let topic = topics::create_on_first_use(&shared, &name, &extensions).await?;
    let (gate, arriving) = asked.for_topic(&shared, &topic, (content_type, &query), &headers, arriving).await?;
    let mut rules = Rules::new(topic, shared.parts.clock.wall(), shared.parts.random.next());
    rules.partition = partition;
    match content_type {
        // In places of their own: what is done for a record as bytes, the smallest of all requests, takes far less.
        JSON => Box::pin(whole::json(&shared, rules, gate, &headers, arriving)).await,
        NDJSON => Box::pin(lines::append(&shared, rules, gate, arriving)).await,
        ARROW => Box::pin(arrow::append(&shared, rules, gate, arriving)).await,
        _ => whole::octets(&shared, rules, gate, (&query, &headers), arriving).await,
    }
}

/// Any bytes, as every generator of clients knows them.
pub(crate) struct Bytes;

impl PartialSchema for Bytes {
    fn schema() -> RefOr<Schema> {
        let binary = SchemaFormat::KnownFormat(KnownFormat::Binary);
        ObjectBuilder::new().schema_type(Type::String).format(Some(binary)).into()
    }
}

impl ToSchema for Bytes {}
