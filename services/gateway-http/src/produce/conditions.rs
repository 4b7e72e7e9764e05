//! What an append asks to hold: an expected offset, a fencing token, a producer's sequence, an Idempotency-Key.
//!
//! Requests of a producer or with a key may be sent again, so what becomes of them must not depend on chance, nor on how
//! their bytes arrive: they are taken as a whole and made into batches by what is in them alone. The others that expect an
//! offset append one batch after the other, each when it is known that the one before has landed: no later batch can land
//! behind one that was refused, however the tail moves.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use tidelog_catalog_api::{KeyLayout, KeyedBatch, ProducerBatch, TopicView};
use tidelog_ingest::{AppendError, Conditions};
use tidelog_model::limits::{KEY_BATCHES_MAX, PRODUCER_BATCHES_KEPT};
use tidelog_model::{FencingToken, Offset, PartitionId, ProducerEpoch, ProducerId};
use tidelog_topic_configs::topic_configs;

use super::input::{NewRecord, Rules};
use super::whole::{self, KEY as RECORD_KEY};
use crate::body::Arriving;
use crate::errors::{self, Code};
use crate::gateway::Shared;
use crate::negotiate::OCTETS;
use crate::options::{JSON_BODY_BYTES_MAX, JSON_RECORDS_MAX};
use crate::problem::Refused;
use crate::query::Query;
use crate::topics::content_length;

const EXPECTED_OFFSET: HeaderName = HeaderName::from_static("expected-offset");
const FENCING_TOKEN: HeaderName = HeaderName::from_static("fencing-token");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const PRODUCER_ID: HeaderName = HeaderName::from_static("producer-id");
const PRODUCER_EPOCH: HeaderName = HeaderName::from_static("producer-epoch");
const PRODUCER_SEQUENCE: HeaderName = HeaderName::from_static("producer-sequence");
const KEY_BYTES_MAX: usize = 128;
/// Sequences are 31 bits: after `i32::MAX` comes 0.
const SEQUENCES: i64 = 1 << 31;

/// What a request's headers say.
#[derive(Debug, Default)]
pub(super) struct Asked {
    expected_offset: Option<Offset>,
    fencing_token: Option<FencingToken>,
    producer: Option<ProducerBatch>,
    key: Option<String>,
}

/// What stands between a request's records and the log.
#[derive(Debug, Default)]
pub(super) struct Gate {
    expected_offset: Option<Offset>,
    fencing_token: Option<FencingToken>,
    /// Of the next batch.
    producer: Option<ProducerBatch>,
    key: Option<Key>,
    /// Of the record before.
    partition: Option<u32>,
    records: usize,
}

#[derive(Debug)]
struct Key {
    hash: [u8; 16],
    body: [u8; 16],
    layout: KeyLayout,
    /// Whether something of the request is stored.
    is_known: bool,
    /// Of all partitions.
    batches: u32,
    /// Of each partition.
    next_numbers: BTreeMap<u32, u32>,
}

impl Asked {
    /// Reads the headers.
    ///
    /// # Errors
    /// When one is not what it should be, or they do not go together.
    pub(super) fn of(headers: &HeaderMap) -> Result<Asked, Refused> {
        let offset = number(headers, &EXPECTED_OFFSET, i64::MAX as u64)?;
        let token = number(headers, &FENCING_TOKEN, u64::MAX)?;
        let id = number(headers, &PRODUCER_ID, i64::MAX as u64)?;
        let epoch = number(headers, &PRODUCER_EPOCH, i16::MAX as u64)?;
        let sequence = number(headers, &PRODUCER_SEQUENCE, i32::MAX as u64)?;
        let key = text(headers, &IDEMPOTENCY_KEY)?;
        if let Some(key) = key
            && !((1..=KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            let detail = format!("a key has 1 to {KEY_BYTES_MAX} visible ASCII characters, such as a UUID");
            return Err(Refused::parameter(Code::InvalidParameter, IDEMPOTENCY_KEY.as_str(), detail));
        }
        let producer = match (id, epoch, sequence) {
            (None, None, None) => None,
            (Some(id), Some(epoch), Some(sequence)) => Some(ProducerBatch {
                id: ProducerId(id as i64),
                epoch: ProducerEpoch(epoch as i16),
                sequence: sequence as i32,
            }),
            _ => {
                let missing = [(id, PRODUCER_ID), (epoch, PRODUCER_EPOCH), (sequence, PRODUCER_SEQUENCE)];
                let missing = missing.iter().find(|(value, _)| value.is_none()).expect("not all are there");
                let detail = "producer-id, producer-epoch and producer-sequence go together; send all of them or none";
                return Err(Refused::parameter(Code::InvalidParameter, missing.1.as_str(), detail));
            }
        };
        if producer.is_some() && key.is_some() {
            let detail = "a producer's sequence makes its appends repeatable already; send that or an idempotency-key";
            return Err(Refused::parameter(Code::InvalidParameter, IDEMPOTENCY_KEY.as_str(), detail));
        }
        Ok(Asked {
            expected_offset: offset.map(Offset),
            fencing_token: token.map(FencingToken),
            producer,
            key: key.map(str::to_owned),
        })
    }

    /// What it comes to for a topic. The body is taken as a whole where that is needed.
    ///
    /// # Errors
    /// When the body does not come or is too large, the producer was never opened, or the key was used for something else.
    pub(super) async fn for_topic(
        self,
        shared: &Arc<Shared>,
        topic: &TopicView,
        (content_type, query): (&str, &Query),
        headers: &HeaderMap,
        arriving: Arriving,
    ) -> Result<(Gate, Arriving), Refused> {
        let Asked { expected_offset, fencing_token, producer, key } = self;
        let mut gate = Gate { expected_offset, fencing_token, producer, ..Gate::default() };
        if producer.is_none() && key.is_none() {
            return Ok((gate, arriving));
        }
        if let Some(producer) = producer {
            check_opened(shared, producer.id).await?;
        }
        let rules = topic_configs::admit_rules(topic);
        // Of a record too it is first known whether it is stored already, and then judged.
        let bytes_max =
            if content_type == OCTETS { whole::octets_bytes_max(rules.batch_bytes_max) } else { JSON_BODY_BYTES_MAX };
        let whole = arriving.whole(content_length(headers), bytes_max).await.map_err(|refused| {
            if refused.code() != Code::BodyTooLarge {
                return refused;
            }
            let detail = format!(
                "the body of a producer or with an idempotency-key may have {bytes_max} bytes; send it in parts, each in \
                 sequence or with a key of its own"
            );
            Refused::new(Code::BodyTooLarge, detail)
        })?;
        if let Some(key) = key {
            let body = hash(&[
                content_type.as_bytes(),
                said(query.text("key").map(str::as_bytes)),
                said(query.text("key_base64").map(str::as_bytes)),
                query.text("partition").unwrap_or_default().as_bytes(),
                query.text("timestamp").unwrap_or_default().as_bytes(),
                said(headers.get(RECORD_KEY).map(HeaderValue::as_bytes)),
                &whole.bytes,
            ]);
            let hash = hash(&[key.as_bytes()]);
            let known = shared.parts.catalog.idempotency_key(topic.id, hash);
            if known.is_some_and(|known| known.body != body) {
                return Err(errors::of_append(&AppendError::KeyReused));
            }
            let batch_bytes_max = u32::try_from(rules.batch_bytes_max).expect("bounded far below 4 GiB");
            let now = KeyLayout { partitions: topic.partitions, batch_bytes_max };
            let layout = known.map_or(now, |known| known.layout);
            let is_known = known.is_some();
            gate.key = Some(Key { hash, body, layout, is_known, batches: 0, next_numbers: BTreeMap::new() });
        }
        Ok((gate, whole.again(shared)))
    }
}

/// A made-up id may be somebody else's later, whose first records would be taken for repetitions.
async fn check_opened(shared: &Shared, id: ProducerId) -> Result<(), Refused> {
    if id < shared.parts.catalog.next_producer() {
        return Ok(());
    }
    shared.parts.catalog.read_barrier().await.map_err(|error| errors::of_catalog(&error))?;
    if id < shared.parts.catalog.next_producer() {
        return Ok(());
    }
    let detail = format!("no producer {} was opened; POST /v1/producers opens one", id.0);
    Err(Refused::parameter(Code::UnknownProducer, PRODUCER_ID.as_str(), detail))
}

impl Gate {
    /// Whether the request may be sent again as it is: nothing of it is stored twice.
    pub(super) fn is_repeatable(&self) -> bool {
        self.producer.is_some() || self.key.is_some()
    }

    /// Whether this is stored already, at least in part, so that it is only to be told where.
    pub(super) fn is_repetition(&self, shared: &Shared, partition: PartitionId) -> bool {
        if let Some(key) = &self.key {
            return key.is_known;
        }
        let Some(batch) = self.producer else { return false };
        let known = shared.parts.catalog.producers(partition).unwrap_or_default();
        known.iter().any(|known| {
            // Up to half of all sequences before the last one are behind it.
            let behind = (i64::from(known.last_sequence) - i64::from(batch.sequence)).rem_euclid(SEQUENCES);
            known.id == batch.id && known.epoch == batch.epoch && behind < SEQUENCES / 2
        })
    }

    /// Whether a batch is appended only when the one before has landed.
    pub(super) fn is_stepwise(&self) -> bool {
        self.expected_offset.is_some() && self.producer.is_none()
    }

    /// How many partitions keys are spread over, when that was decided by an earlier try.
    pub(super) fn partitions(&self) -> Option<u32> {
        self.key.as_ref().map(|key| key.layout.partitions)
    }

    /// Where records without a key go is not left to chance.
    pub(super) fn chance(&self) -> Option<u64> {
        let hash = self.key.as_ref().map(|key| key.hash)?;
        Some(u64::from_be_bytes(*hash.first_chunk().expect("16 bytes")))
    }

    /// The bytes after which a batch ends, when that must not depend on anything else.
    pub(super) fn batch_bytes_max(&self, of_topic: usize) -> Option<usize> {
        let of_key = self.key.as_ref().map(|key| key.layout.batch_bytes_max as usize);
        of_key.or(self.producer.is_some().then_some(of_topic))
    }

    /// Looks at the next record, which goes to this partition.
    ///
    /// # Errors
    /// When it may not.
    pub(super) fn pass(&mut self, partition: u32) -> Result<(), Refused> {
        self.records += 1;
        if self.is_repeatable() && self.records > JSON_RECORDS_MAX {
            let detail = format!(
                "a request with an idempotency-key or of a producer may have {JSON_RECORDS_MAX} records; send more requests"
            );
            return Err(Refused::new(Code::TooManyRecords, detail));
        }
        let is_of_one = self.expected_offset.is_some() || self.producer.is_some();
        match self.partition.replace(partition).filter(|before| is_of_one && *before != partition) {
            None => Ok(()),
            Some(before) => {
                let detail = format!(
                    "a conditional append goes to one partition: the record before goes to {before}, this one to \
                     {partition}; with ?partition= all of them go to one"
                );
                Err(Refused::new(Code::InvalidRecord, detail).field("partition"))
            }
        }
    }

    /// Checks what must hold for a request without records, which has no batch to be refused. It shows no token.
    ///
    /// # Errors
    /// When it does not hold, or it is not said of which partition.
    pub(super) async fn check_without_records(&self, shared: &Shared, rules: &Rules) -> Result<(), Refused> {
        let (expected, token) = (self.expected_offset, self.fencing_token);
        if self.records > 0 || (expected.is_none() && token.is_none()) {
            return Ok(());
        }
        let topic = &rules.topic;
        let Some(index) = rules.partition.or((topic.partitions == 1).then_some(0)) else {
            let detail =
                "there are no records, so it is not known of which partition this is asked; ?partition= says it";
            return Err(Refused::parameter(Code::InvalidParameter, "partition", detail));
        };
        rules.place(&NewRecord { partition: Some(index), ..NewRecord::default() })?;
        let id = PartitionId { topic: topic.id, index };
        shared.parts.catalog.read_barrier().await.map_err(|error| errors::of_catalog(&error))?;
        let Some(view) = shared.parts.catalog.partition(id) else {
            return Err(errors::of_append(&AppendError::UnknownPartition));
        };
        let tail = view.high_watermark;
        // After the tail: no token goes back, so both hold at the moment at which the tail was looked at.
        let seen = shared.parts.catalog.fence(id);
        match (token, seen) {
            (Some(token), Some(seen)) if seen > token => {
                Err(errors::of_append(&AppendError::Fenced { token: seen, tail }))
            }
            _ if expected.is_some_and(|expected| expected != tail) => {
                Err(errors::of_append(&AppendError::UnexpectedOffset { tail }))
            }
            _ => Ok(()),
        }
    }

    /// Told how many batches there are in all before the first one of a request that is repeatable.
    ///
    /// # Errors
    /// When there are too many to be remembered.
    pub(super) fn seal(&mut self, batches: usize) -> Result<(), Refused> {
        let batches_max = if self.producer.is_some() { PRODUCER_BATCHES_KEPT } else { KEY_BATCHES_MAX };
        if self.is_repeatable() && batches > batches_max {
            let detail = format!(
                "the records make {batches} batches, of which {batches_max} can be remembered for a request sent again; \
                 send more requests"
            );
            return Err(Refused::new(Code::BodyTooLarge, detail));
        }
        if let Some(key) = &mut self.key {
            key.batches = u32::try_from(batches).expect("bounded just above");
        }
        Ok(())
    }

    /// Who writes the next batch.
    pub(super) fn producer(&mut self, records: u32) -> Option<ProducerBatch> {
        let batch = self.producer?;
        let sequence = (i64::from(batch.sequence) + i64::from(records)).rem_euclid(SEQUENCES) as i32;
        self.producer = Some(ProducerBatch { sequence, ..batch });
        Some(batch)
    }

    /// What must hold for the next batch, which goes to this partition.
    pub(super) fn conditions(&mut self, partition: u32, records: u32) -> Option<Box<Conditions>> {
        let (expected_offset, fencing_token) = (self.expected_offset, self.fencing_token);
        // As far as it is known now: whoever goes step by step tells where it landed.
        self.expected_offset = expected_offset.map(|offset| Offset(offset.0.saturating_add(u64::from(records))));
        let key = self.key.as_mut().map(|key| {
            let next = key.next_numbers.entry(partition).or_default();
            let number = *next;
            *next += 1;
            KeyedBatch { key: key.hash, body: key.body, layout: key.layout, batches: key.batches, number }
        });
        let is_any = expected_offset.is_some() || fencing_token.is_some() || key.is_some();
        is_any.then(|| Box::new(Conditions { expected_offset, fencing_token, key }))
    }
}

/// Tells what is empty from what was not said: with what is no text.
fn said(text: Option<&[u8]>) -> &[u8] {
    match text {
        None => &[],
        Some(b"") => &[0xff],
        Some(text) => text,
    }
}

/// The first half of SHA-256 over texts, each after its length.
fn hash(texts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    *hash.finalize().first_chunk().expect("32 bytes")
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refused> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        let detail = format!("{name} is there twice; say it once");
        return Err(Refused::parameter(Code::InvalidParameter, name.as_str(), detail));
    }
    match value.to_str() {
        Ok(text) => Ok(Some(text)),
        Err(_) => {
            let detail = format!("{name} has characters other than visible ASCII");
            Err(Refused::parameter(Code::InvalidParameter, name.as_str(), detail))
        }
    }
}

fn number(headers: &HeaderMap, name: &HeaderName, most: u64) -> Result<Option<u64>, Refused> {
    let Some(text) = text(headers, name)? else { return Ok(None) };
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u64>() {
        Ok(number) if is_digits && number <= most => Ok(Some(number)),
        Ok(_) | Err(_) => {
            let detail = format!("{name} is {text:?}; a whole number from 0 to {most} works");
            Err(Refused::parameter(Code::InvalidParameter, name.as_str(), detail))
        }
    }
}
