//! Records of one request, gathered into a batch for each partition and appended in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tidelog_format::records::BatchBuilder;
use tidelog_ingest::{Append, AppendError, Appended, Reservation, Timestamps, admit_built};
use tidelog_model::{HEADER_BYTES, Offset, PartitionId, mutant};

use super::conditions::Gate;
use super::input::{NewRecord, Rules};
use crate::errors;
use crate::gateway::Shared;
use crate::problem::Refused;

/// Records in all open batches: what is kept to tell of each where it is stays small beside them.
const RECORDS_MAX: usize = 20_000;
/// What is kept for each.
const RECORD_BYTES: usize = 16;

/// Records of a request that are numbered without a gap: lines, or places in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: u64,
    pub(super) count: u32,
}

/// Gathers records until they are appended.
pub(super) struct Batches {
    shared: Arc<Shared>,
    pub(super) rules: Rules,
    source: u64,
    gate: Gate,
    /// A batch before was not appended, so that none of the next ones is.
    is_stopped: bool,
    open: BTreeMap<u32, Open>,
    sealed: Vec<Sealed>,
    bytes: usize,
    records: usize,
    /// What each batch, and all together, had when they were appended last: the next ones will be like them.
    expected_bytes: usize,
    expected_bytes_left: usize,
}

#[derive(Default)]
struct Open {
    builder: BatchBuilder,
    /// Bytes of the batch at most, whatever times its records have.
    bytes_planned: usize,
    spans: Vec<Span>,
}

struct Sealed {
    partition: u32,
    builder: BatchBuilder,
    spans: Vec<Span>,
}

/// A batch on its way.
pub(super) struct Pending {
    pub(super) partition: u32,
    /// Of its records, in order.
    pub(super) spans: Vec<Span>,
    pub(super) outcome: Result<BoxFuture<'static, Result<Appended, AppendError>>, Refused>,
    is_keyed: bool,
    is_repeatable: bool,
}

impl Batches {
    pub(super) fn new(shared: &Arc<Shared>, rules: Rules) -> Batches {
        Batches {
            shared: shared.clone(),
            rules,
            source: shared.source(),
            gate: Gate::default(),
            is_stopped: false,
            open: BTreeMap::new(),
            sealed: Vec::new(),
            bytes: 0,
            records: 0,
            expected_bytes: 0,
            expected_bytes_left: 0,
        }
    }

    /// The records are appended if what their request asks for holds.
    pub(super) fn behind(mut self, gate: Gate) -> Batches {
        if let (Some(partitions), Some(chance)) = (gate.partitions(), gate.chance()) {
            self.rules.spread(partitions, chance);
        }
        self.gate = gate;
        self
    }

    /// Records that say no time have come now.
    pub(super) fn come_now(&mut self) {
        self.rules.now = self.shared.parts.clock.wall();
    }

    /// Adds the record with this number.
    ///
    /// # Errors
    /// When the topic does not take it.
    pub(super) fn push(&mut self, number: u64, record: &NewRecord<'_>) -> Result<(), Refused> {
        let partition = self.rules.place(record)?;
        self.gate.pass(partition)?;
        let timestamp = match self.rules.judge(record) {
            Ok(timestamp) => timestamp,
            Err(refused) => {
                let id = PartitionId { topic: self.rules.topic.id, index: partition };
                if !self.gate.is_repetition(&self.shared, id) {
                    return Err(refused);
                }
                self.rules.take_again();
                self.rules.judge(record)?
            }
        };
        let fixed_bytes_max = self.gate.batch_bytes_max(self.rules.batch_bytes_max);
        let bytes_max = fixed_bytes_max.unwrap_or(self.rules.batch_bytes_max);
        let open = self.open.entry(partition).or_insert_with(|| {
            let room_bytes = self.expected_bytes.min(self.expected_bytes_left);
            self.expected_bytes_left -= room_bytes;
            Open { builder: BatchBuilder::with_room(room_bytes), ..Open::default() }
        });
        record.with_headers(|headers| {
            let (key, value) = (record.key.as_deref(), record.value.as_deref());
            let more = BatchBuilder::record_bytes_max(key, value, headers);
            let bytes = if fixed_bytes_max.is_some() { open.bytes_planned } else { open.builder.bytes() };
            if open.builder.records() > 0 && bytes + more > bytes_max {
                let Open { builder, spans, .. } = std::mem::take(open);
                self.sealed.push(Sealed { partition, builder, spans });
            }
            open.bytes_planned = open.bytes_planned.max(HEADER_BYTES) + more;
            let before = open.builder.bytes();
            open.builder.push(timestamp, key, value, headers);
            self.bytes += open.builder.bytes() - before;
        });
        self.records += 1;
        match open.spans.last_mut() {
            Some(span) if span.first + u64::from(span.count) == number => span.count += 1,
            _ => open.spans.push(Span { first: number, count: 1 }),
        }
        Ok(())
    }

    /// Of a request that has come to its end: checks what it asks to hold, if no record of it could be refused for that.
    ///
    /// # Errors
    /// When it does not hold.
    pub(super) async fn check_end(&self) -> Result<(), Refused> {
        self.gate.check_without_records(&self.shared, &self.rules).await
    }

    /// Bytes of all batches.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether so many are gathered that they should be appended.
    pub(super) fn is_full(&self, bytes_max: usize) -> bool {
        !self.gate.is_repeatable() && (self.bytes >= bytes_max.max(HEADER_BYTES + 1) || self.records >= RECORDS_MAX)
    }

    /// Appends what was gathered, when there is room for it. When this returns, all of it has its place in the order, or has
    /// landed where each batch waits for the one before. A cancelled caller leaves nothing appended, but for those.
    pub(super) async fn append(&mut self) -> Vec<Pending> {
        if self.records == 0 {
            return Vec::new();
        }
        let held = self.shared.parts.ingest.reserve(self.bytes + self.records * RECORD_BYTES).await;
        let mut all = std::mem::take(&mut self.sealed);
        for (partition, Open { builder, spans, .. }) in std::mem::take(&mut self.open) {
            all.push(Sealed { partition, builder, spans });
        }
        (self.expected_bytes, self.expected_bytes_left) = (self.bytes / all.len(), self.bytes);
        (self.bytes, self.records) = (0, 0);
        let sealed = self.gate.seal(all.len());
        let (is_keyed, is_repeatable) = (self.gate.partitions().is_some(), self.gate.is_repeatable());
        let mut begun = Vec::with_capacity(all.len());
        for Sealed { partition, builder, spans } in all {
            let outcome = match &sealed {
                Ok(()) => self.begin(partition, builder, &held).await,
                Err(refused) => Err(refused.clone()),
            };
            begun.push(Pending { partition, spans, outcome, is_keyed, is_repeatable });
        }
        begun
    }

    async fn begin(
        &mut self,
        partition: u32,
        mut builder: BatchBuilder,
        held: &Option<Arc<Reservation>>,
    ) -> Result<BoxFuture<'static, Result<Appended, AppendError>>, Refused> {
        if self.is_stopped {
            let detail = "a batch before it was not appended, so this one was not tried";
            return Err(Refused::new(errors::Code::EarlierFailed, detail));
        }
        let records = builder.records();
        let batch = match self.gate.producer(records) {
            Some(producer) => builder.finish_as(producer.id, producer.epoch, producer.sequence),
            None => builder.finish(),
        };
        let conditions = self.gate.conditions(partition, records);
        let deadline = self.shared.parts.clock.now() + self.shared.options.append_timeout;
        let now = match self.rules.admit.timestamps {
            Timestamps::LogAppendTime => self.shared.parts.clock.wall(),
            // The time at which its records were judged: what was right then is not wrong a moment later.
            Timestamps::CreateTime { .. } => self.rules.now,
        };
        let mut begun = {
            let sent_bytes = batch.bytes().len();
            let outcome = admit_built(batch, &self.rules.admit, now);
            outcome.map_err(|error| errors::of_admit(&error)).and_then(|batch| {
                let held = match batch.bytes.len().checked_sub(sent_bytes) {
                    None | Some(0) => held.clone(),
                    Some(grown) => self.shared.parts.ingest.reserve_more(held.clone(), grown).map_err(|_| {
                        let detail = "the records have grown in the topic's compression.type, and there is no room now";
                        Refused::new(errors::Code::Overloaded, detail)
                    })?,
                };
                let partition = PartitionId { topic: self.rules.topic.id, index: partition };
                let (source, batches) = (self.source, vec![batch]);
                let append = Append { partition, batches, source, deadline, unattended: false, held, conditions };
                Ok(self.shared.parts.ingest.append(append))
            })
        };
        if self.gate.is_stepwise() {
            let landed = match begun {
                Ok(appending) => Ok(appending.await),
                Err(refused) => Err(refused),
            };
            self.is_stopped = !matches!(landed, Ok(Ok(_)));
            begun = landed.map(|landed| futures::future::ready(landed).boxed());
        }
        begun
    }
}

impl Pending {
    /// Waits until it is known what became of it.
    pub(super) async fn resolve(self) -> (u32, Vec<Span>, Result<Appended, Refused>) {
        let outcome = match self.outcome {
            Ok(appending) => match appending.await {
                Err(_) if mutant!("http-acknowledge-refused") => {
                    let (base_offset, log_start) = (Offset(0), Offset(0));
                    Ok(Appended { base_offset, log_append_time: None, is_duplicate: false, log_start })
                }
                // Of a request with a key it says that a batch before has not landed.
                Err(AppendError::OutOfOrder { .. }) if self.is_keyed => {
                    Err(errors::of_append(&AppendError::EarlierFailed))
                }
                appended => appended.map_err(|error| errors::of_append(&error)),
            },
            Err(refused) => Err(refused),
        };
        let outcome = outcome.map_err(|refused| refused.repeatable(self.is_repeatable).of_partition(self.partition));
        (self.partition, self.spans, outcome)
    }
}
