//! InitProducerId: ids for idempotent producers, handed out from blocks of the catalog. An id is never handed out twice.

use parking_lot::Mutex;
use tidelog_catalog_api::{CatalogError, Command, Outcome};
use tidelog_kafka_wire::messages::{InitProducerIdRequest, InitProducerIdResponse};
use tidelog_kafka_wire::{Api, ErrorCode, message};
use tidelog_model::ProducerId;

use crate::errors;
use crate::gateway::Shared;
use crate::options::PRODUCER_IDS_BLOCK;

/// What is left of the last block.
pub(crate) struct ProducerIds {
    block: Mutex<std::ops::Range<i64>>,
}

impl ProducerIds {
    pub(crate) fn new() -> ProducerIds {
        ProducerIds { block: Mutex::new(0..0) }
    }

    fn take(&self) -> Option<ProducerId> {
        self.block.lock().next().map(ProducerId)
    }

    /// Keeps the rest of a new block, unless another caller's is still in use: then its ids are given up.
    fn keep(&self, rest: std::ops::Range<i64>) {
        let mut block = self.block.lock();
        if block.is_empty() {
            *block = rest;
        }
    }
}

/// Answers InitProducerId. A cancelled caller may give up a block of ids.
pub(crate) async fn answer(shared: &Shared, request: &InitProducerIdRequest) -> InitProducerIdResponse {
    let result = match &request.transactional_id {
        // A producer that had an id says both; neither is of use here, but half of it is a mistake.
        _ if (request.producer_id == -1) != (request.producer_epoch == -1) => Err(ErrorCode::InvalidRequest),
        Some(id) if id.is_empty() => Err(ErrorCode::InvalidRequest),
        // Fatal to the transactional producers of Java and librdkafka, which give up instead of asking for ever.
        Some(_) => Err(ErrorCode::TransactionalIdAuthorizationFailed),
        None => next(shared).await.map_err(|error| {
            tracing::warn!(%error, "no producer id");
            errors::of_catalog_for_producer_id(&error)
        }),
    };
    match result {
        Ok(id) => message!(InitProducerIdResponse { producer_id: id.0, producer_epoch: 0 }),
        Err(code) => {
            shared.meters.error(Api::InitProducerId, code);
            message!(InitProducerIdResponse { error_code: code.code(), producer_id: -1, producer_epoch: -1 })
        }
    }
}

async fn next(shared: &Shared) -> Result<ProducerId, CatalogError> {
    if let Some(id) = shared.producer_ids.take() {
        return Ok(id);
    }
    match shared.parts.catalog.propose(Command::AllocateProducerIds { count: PRODUCER_IDS_BLOCK }).await? {
        Outcome::ProducerIds { first, count } => {
            assert!(count > 0, "a block holds an id at least");
            shared.producer_ids.keep(first.0 + 1..first.0 + i64::from(count));
            Ok(first)
        }
        other => unreachable!("the catalog answers AllocateProducerIds with ProducerIds, not {other:?}"),
    }
}
