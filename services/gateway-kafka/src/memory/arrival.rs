//! A request's frame comes in, and room is made for it: what has to wait waits here, before the memory is needed.

use std::sync::Arc;

use bytes::Bytes;
use tidelog_ingest::Reservation;
use tidelog_kafka_wire::{Api, produce_entries};
use tokio::io::AsyncRead;

use super::budget::Share;
use crate::gateway::Shared;
use crate::transport::{self, Begun, TransportError};

/// What a request holds of the node's memory.
pub(crate) struct Room {
    /// For what is decoded and what becomes of it, beside records.
    pub(crate) share: Share,
    /// For the records of Produce.
    pub(crate) records: Option<Arc<Reservation>>,
}

/// Reads the rest of a frame. A client that is slow with a small one holds nobody up: room is made when all of it is here.
/// Large ones are let in one after the other when their first part is here.
pub(crate) async fn receive<R: AsyncRead + Unpin>(
    shared: &Shared,
    input: &mut R,
    begun: Begun,
    api: Api,
) -> Result<(Bytes, Room), TransportError> {
    let options = &shared.options;
    let waiting = &shared.memory.frames_waiting;
    let is_wanted = || waiting.is_any();
    let bytes = begun.prefix.bytes;
    let arriving = transport::start_frame(input, begun, options).await?;
    let _gate = waiting.wait(shared.memory.large_frames.enter(bytes)).await;
    if api == Api::Produce {
        let records = waiting.wait(shared.parts.ingest.reserve(bytes)).await;
        let frame = transport::finish_frame(input, arriving, options, &shared.parts.clock, is_wanted).await?;
        let share = shared.memory.produce_entries(produce_entries(&frame)).await;
        Ok((frame, Room { share, records }))
    } else {
        let share = waiting.wait(shared.memory.request(bytes)).await;
        let frame = transport::finish_frame(input, arriving, options, &shared.parts.clock, is_wanted).await?;
        Ok((frame, Room { share, records: None }))
    }
}
