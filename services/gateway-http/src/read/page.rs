//! Records as one JSON answer.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use tidelog_http_api::WireOffset;

use super::Wanted;
use super::follow::Tail;
use super::source::{Filled, Sink, Source, Step};
use crate::errors::Code;
use crate::gateway::Shared;
use crate::memory::Taker;
use crate::negotiate::JSON;
use crate::problem::Refused;

/// What is around the records.
const BEGIN: &[u8] = b"{\"records\":[";
/// Room for what is around them, and so that a record's greatest length rarely matters.
const ROOM_BYTES_MORE: usize = 64 * 1024;

/// Answers with records, after a wait if there is none.
pub(super) async fn answer(
    shared: &Arc<Shared>,
    mut source: Source,
    wanted: &Wanted,
    taker: Arc<Taker>,
) -> Result<Response, Refused> {
    let wait = wanted.bounds.wait.unwrap_or_default();
    let until = shared.parts.clock.now() + wait;
    let mut tail = Tail::watch(shared, &source);
    while source.fill().await? == Filled::Tail {
        if shared.parts.tasks.is_stopping() || !tail.changed_before(until).await {
            break;
        }
        tail = Tail::watch(shared, &source);
    }
    drop(tail);
    // Whoever waits for room for a page holds nothing that others wait for.
    source.release();
    let page_bytes = usize::try_from(wanted.bounds.bytes_left).expect("pages are far smaller");
    let mut room = taker.page_room(&shared.memory, page_bytes + ROOM_BYTES_MORE).await?;
    let mut sink = Sink {
        out: Vec::new(),
        room_bytes: page_bytes + ROOM_BYTES_MORE,
        framing: wanted.framing,
        value_format: wanted.value_format,
        records_left: wanted.bounds.records_left,
        bytes_left: wanted.bounds.bytes_left,
        has_some: false,
        columns: None,
    };
    while source.fill().await? == Filled::Ready {
        match source.write(&mut sink)? {
            Step::Empty => {}
            Step::Full | Step::Done => break,
            Step::NeedsRoom(bytes) => {
                source.release();
                drop(room);
                room = taker.page_room(&shared.memory, bytes).await?;
                sink.room_bytes = bytes;
            }
        }
    }
    let next = source.next();
    source.release();
    let view = source.partitions().first().and_then(|id| shared.parts.catalog.partition(*id));
    let view = view.ok_or_else(|| Refused::new(Code::UnknownTopic, "the topic was deleted meanwhile"))?;
    let text = |offset| serde_json::to_string(&WireOffset(offset)).expect("a number or a text");
    let end = format!("],\"next_offset\":{},\"high_watermark\":{}}}\n", text(next.0), text(view.high_watermark.0));
    let mut body = Vec::with_capacity(BEGIN.len() + sink.out.len() + end.len());
    body.extend_from_slice(BEGIN);
    body.append(&mut sink.out);
    body.extend_from_slice(end.as_bytes());
    let body = taker.hold(body, room);
    Ok(([(CONTENT_TYPE, JSON), (CACHE_CONTROL, "no-store")], Body::from(body)).into_response())
}
