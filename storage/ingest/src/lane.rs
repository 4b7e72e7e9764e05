//! A lane: a buffer that every partition and tenant shares, and the task that seals it into flushes.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use parking_lot::Mutex;
use tidelog_catalog_api::KeyedBatch;
use tidelog_host::{Clock, follow};
use tidelog_model::{Offset, PartitionId, mutant};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tracing::Span;

use crate::append::{BatchResult, Conditions};
use crate::inline_budget::InlineBudget;
use crate::meters::SealMeters;
use crate::options::FLUSH_BYTES_MAX;
use crate::upload::{self, Uploader};
use crate::{Append, CheckedBatch, LaneProfile, Reservation};

/// The largest batch that passes by others which wait for a slot: what is larger has a request to the store coming.
const PASSING_BATCH_BYTES_MAX: usize = 64 * 1024;
/// When none could pass, and nothing new comes, how long until they are looked at again.
const PASS_AGAIN: Duration = Duration::from_millis(20);
/// How often it is looked whether an object is full, or what waits with it has become inline's.
const GATHER_LOOK: Duration = Duration::from_millis(5);
/// A lane is busy when one part in this many of an object has come since the one before.
const BUSY_SHARE: usize = 64;
/// Links from a flush that is followed to batches in it that are.
const LINKS_MAX: usize = 16;
/// Batches that are looked at for it: some thousands are more than one flush takes.
const PASSING_LOOK_MAX: usize = 8 * 1024;

/// A batch that waits to be part of a flush.
pub(crate) struct Pending {
    /// Its place in the lane's order of admission.
    pub admission: u64,
    pub source: u64,
    pub partition: PartitionId,
    pub batch: CheckedBatch,
    pub admitted: Instant,
    /// When the catalog first said that it is ahead of its sequence.
    pub parked: Option<Instant>,
    pub answer: oneshot::Sender<BatchResult>,
    pub unattended: bool,
    /// Of this batch alone.
    pub conditions: Option<Box<Conditions>>,
    /// Given back when the batch is resolved.
    pub _held: Option<Arc<Reservation>>,
    /// Follows the batch until it is resolved; none as a rule.
    pub span: Span,
}

/// What was taken from the buffer at once.
pub(crate) struct Sealed {
    /// Sorted by partition; in a partition, in the order of admission.
    pub batches: Vec<Pending>,
    pub bytes: usize,
    /// Held until the flush is committed: what bounds the flushes in flight.
    pub slot: Slot,
}

/// A flush's place among those in flight; the parts of a flush that is taken apart share it.
pub(crate) type Slot = Arc<FlushSlot>;

/// See [`Slot`].
#[derive(Debug)]
pub(crate) struct FlushSlot {
    _permit: OwnedSemaphorePermit,
    /// Follows the flush until it is resolved, if any of its batches is followed.
    span: OnceLock<Span>,
}

impl FlushSlot {
    fn new(permit: OwnedSemaphorePermit) -> Slot {
        Arc::new(FlushSlot { _permit: permit, span: OnceLock::new() })
    }

    /// What follows the flush: none as a rule.
    pub(crate) fn span(&self) -> Span {
        self.span.get().cloned().unwrap_or_else(Span::none)
    }

    /// Begins to follow the flush, on behalf of the first of its batches that is followed; for the others there is a link.
    fn follow(&self, batches: &[Pending], bytes: usize, inline: bool) {
        let mut followed = batches.iter().map(|pending| &pending.span).filter(|span| !span.is_none());
        let Some(first) = followed.next() else { return };
        let span = follow!(within: first, "flush", batches = batches.len(), bytes, inline);
        for other in followed.take(LINKS_MAX) {
            span.follows_from(other);
        }
        let _ = self.span.set(span);
    }
}

/// The buffer of a lane.
pub(crate) struct Buffer {
    state: Mutex<BufferState>,
    /// Told when something came in.
    arrived: Notify,
}

struct BufferState {
    batches: Vec<Pending>,
    bytes: usize,
    admissions: u64,
    /// Set by the sealer when it leaves: nobody would ever take what comes now.
    closed: bool,
}

impl Buffer {
    pub(crate) fn new() -> Arc<Buffer> {
        let state = BufferState { batches: Vec::new(), bytes: 0, admissions: 0, closed: false };
        Arc::new(Buffer { state: Mutex::new(state), arrived: Notify::new() })
    }

    /// Gives the batches their place in the order; `None` when the lane has closed. Bounded by the reservations that
    /// the batches hold.
    pub(crate) fn push(&self, append: Append, now: Instant) -> Option<Vec<oneshot::Receiver<BatchResult>>> {
        let Append { partition, batches, source, held, unattended, mut conditions, deadline: _ } = append;
        let span = follow!("append", partition = partition.index, batches = batches.len());
        let mut answers = Vec::with_capacity(batches.len());
        let mut state = self.state.lock();
        if state.closed {
            return None;
        }
        for batch in batches {
            let (answer, receiver) = oneshot::channel();
            answers.push(receiver);
            state.admissions += 1;
            state.bytes += batch.bytes.len();
            let admission = state.admissions;
            let held = held.clone();
            let own = conditions.clone();
            if let Some(conditions) = &mut conditions {
                conditions.expected_offset = conditions.expected_offset.map(|offset| after(offset, batch.records));
                conditions.key = conditions.key.map(|key| KeyedBatch { number: key.number + 1, ..key });
            }
            state.batches.push(Pending {
                admission,
                source,
                partition,
                batch,
                admitted: now,
                parked: None,
                answer,
                unattended,
                conditions: own,
                _held: held,
                span: span.clone(),
            });
        }
        drop(state);
        self.arrived.notify_one();
        Some(answers)
    }

    /// Closes the lane if nothing waits in it.
    fn close_if_empty(&self) -> bool {
        let mut state = self.state.lock();
        state.closed = state.batches.is_empty();
        state.closed
    }

    /// The number of the last batch that was admitted.
    pub(crate) fn admissions(&self) -> u64 {
        self.state.lock().admissions
    }

    /// Takes what waits, up to `bytes_max` (one batch at least), oldest first.
    fn take(&self, bytes_max: usize) -> (Vec<Pending>, usize) {
        let mut state = self.state.lock();
        if state.bytes <= bytes_max {
            let bytes = std::mem::take(&mut state.bytes);
            return (std::mem::take(&mut state.batches), bytes);
        }
        let mut bytes = 0;
        let count = state
            .batches
            .iter()
            .take_while(|pending| {
                let first = bytes == 0;
                bytes += pending.batch.bytes.len();
                first || bytes <= bytes_max
            })
            .count();
        let taken: Vec<Pending> = state.batches.drain(..count).collect();
        let bytes = taken.iter().map(|pending| pending.batch.bytes.len()).sum();
        state.bytes -= bytes;
        (taken, bytes)
    }

    /// Takes out what nobody waits for any more: behind a store that hangs it would pile up.
    fn take_given_up(&self) -> Vec<Pending> {
        let mut state = self.state.lock();
        let is_given_up = |pending: &mut Pending| !pending.unattended && pending.answer.is_closed();
        let given_up: Vec<Pending> = state.batches.extract_if(.., is_given_up).collect();
        state.bytes -= given_up.iter().map(|pending| pending.batch.bytes.len()).sum::<usize>();
        given_up
    }

    /// Takes small batches from behind large ones, up to `bytes_max`: of partitions of which nothing stays before them.
    fn take_passing(&self, bytes_max: usize) -> (Vec<Pending>, usize) {
        let mut state = self.state.lock();
        let mut stays: HashSet<PartitionId> = HashSet::new();
        let mut bytes = 0;
        let passes = |pending: &mut Pending| {
            let fits = pending.batch.bytes.len() <= PASSING_BATCH_BYTES_MAX
                && bytes + pending.batch.bytes.len() <= bytes_max
                && !stays.contains(&pending.partition);
            if fits {
                bytes += pending.batch.bytes.len();
            } else {
                stays.insert(pending.partition);
            }
            fits
        };
        let looked_at = state.batches.len().min(PASSING_LOOK_MAX);
        let taken: Vec<Pending> = state.batches.extract_if(..looked_at, passes).collect();
        state.bytes -= bytes;
        (taken, bytes)
    }

    fn waiting(&self) -> Option<(usize, Instant)> {
        let state = self.state.lock();
        state.batches.first().map(|oldest| (state.bytes, oldest.admitted))
    }
}

/// How waiting for an object ended.
enum Gathered {
    /// It is time for it.
    Due,
    /// All went inline meanwhile.
    Nothing,
    /// The lane was told to stop: what waits is sealed at once.
    Stopping,
}

/// Seals the buffer into flushes until told to stop, then seals what is left.
pub(crate) struct Sealer {
    pub buffer: Arc<Buffer>,
    pub profile: LaneProfile,
    pub clock: Clock,
    pub uploader: Arc<Uploader>,
    pub flushes: mpsc::Sender<crate::upload::Uploading>,
    pub stop: Arc<Notify>,
    pub meters: SealMeters,
}

impl Sealer {
    pub(crate) async fn run(self) {
        // Of their own, so that uploads that hang do not keep small flushes from the catalog, which needs no store.
        let inline_slots = Arc::new(Semaphore::new(self.profile.flushes_in_flight_max));
        let object_slots = Arc::new(Semaphore::new(self.profile.flushes_in_flight_max));
        let mut inline_budget = InlineBudget::new(self.profile.inline_bytes_per_second, self.clock.now());
        let mut last_object = None;
        let mut stopping = false;
        loop {
            if self.buffer.waiting().is_none() {
                if stopping && self.buffer.close_if_empty() {
                    return;
                }
                if stopping {
                    continue;
                }
                tokio::select! {
                    () = self.buffer.arrived.notified() => {}
                    () = self.stop.notified() => stopping = true,
                }
                continue;
            }
            let_ready_run().await;
            let bytes = self.waiting_bytes();
            let given_up = self.buffer.take_given_up();
            if !given_up.is_empty() {
                // They fail where the order is kept, so that nothing of their connections passes them.
                if self.flushes.send(upload::given_up(given_up)).await.is_err() {
                    return;
                }
                continue;
            }
            // While a slot is awaited more may come in; all of it goes, up to what a flush can hold.
            if self.fits_inline(bytes) {
                let slot = acquire(&inline_slots).await;
                let bytes = self.waiting_bytes();
                if self.fits_inline(bytes) && inline_budget.take(bytes, self.clock.now()) {
                    let taken = self.buffer.take(self.profile.inline_flush_bytes_max.min(FLUSH_BYTES_MAX));
                    if self.send(sealed(taken, slot), true).await.is_err() {
                        return;
                    }
                    continue;
                }
            }
            if !stopping {
                match self.gather(last_object, &inline_slots, &mut inline_budget).await {
                    Gathered::Due => {}
                    Gathered::Nothing => continue,
                    Gathered::Stopping => stopping = true,
                }
            }
            let Ok(slot) = object_slots.clone().try_acquire_owned() else {
                // All slots are taken: by uploads that hang, perhaps. Small batches need no store.
                if self.pass(&inline_slots, &mut inline_budget).await {
                    continue;
                }
                tokio::select! {
                    // Given back at once, and taken above.
                    _ = acquire(&object_slots) => {}
                    () = self.buffer.arrived.notified() => {}
                    // There may be more room for what is inline.
                    () = self.clock.sleep(PASS_AGAIN) => {}
                }
                continue;
            };
            let now = self.clock.now();
            last_object = Some(now);
            let taken = self.buffer.take(self.profile.object_bytes.min(FLUSH_BYTES_MAX));
            inline_budget.spend(taken.1, now);
            if self.send(sealed(taken, FlushSlot::new(slot)), false).await.is_err() {
                return;
            }
        }
    }

    /// Lets small batches pass by those that wait for a slot. False when there are none, or they have no room either.
    async fn pass(&self, slots: &Arc<Semaphore>, budget: &mut InlineBudget) -> bool {
        let Ok(slot) = slots.clone().try_acquire_owned() else { return false };
        let bytes_max = self.profile.inline_flush_bytes_max;
        if !budget.has_some(self.clock.now()) || !self.uploader.inline_has_room(bytes_max) {
            return false;
        }
        let (batches, bytes) = self.buffer.take_passing(bytes_max);
        if batches.is_empty() {
            return false;
        }
        budget.spend(bytes, self.clock.now());
        self.send(sealed((batches, bytes), FlushSlot::new(slot)), true).await.is_ok()
    }

    /// Waits until the next object is full, or far enough from the last one: what it costs is shared by what arrives meanwhile.
    /// Small batches do not wait with large ones when the load is such that they would go inline.
    async fn gather(&self, last: Option<Instant>, slots: &Arc<Semaphore>, budget: &mut InlineBudget) -> Gathered {
        let Some(last) = last else { return Gathered::Due };
        loop {
            let Some((bytes, _)) = self.buffer.waiting() else { return Gathered::Nothing };
            let is_busy = bytes >= self.profile.object_bytes / BUSY_SHARE;
            let due = last + if is_busy { self.profile.object_interval_busy } else { self.profile.object_interval };
            let now = self.clock.now();
            if bytes >= self.profile.object_bytes || now >= due {
                return Gathered::Due;
            }
            if budget.has_plenty(now) && self.pass(slots, budget).await {
                continue;
            }
            // Not at each arrival: there may be thousands.
            tokio::select! {
                () = tokio::time::sleep_until(due.min(now + GATHER_LOOK)) => {}
                () = self.stop.notified() => return Gathered::Stopping,
            }
        }
    }

    fn waiting_bytes(&self) -> usize {
        self.buffer.waiting().map_or(0, |(bytes, _)| bytes)
    }

    fn fits_inline(&self, bytes: usize) -> bool {
        bytes <= self.profile.inline_flush_bytes_max && self.uploader.inline_has_room(bytes)
    }

    /// Hands a flush on; an error says that nobody takes it any more.
    async fn send(&self, sealed: Sealed, inline: bool) -> Result<(), ()> {
        // Everybody who waited has gone.
        if sealed.batches.is_empty() {
            return Ok(());
        }
        self.meters.sealed(inline, sealed.bytes);
        sealed.slot.follow(&sealed.batches, sealed.bytes, inline);
        self.flushes.send(self.uploader.start(sealed, inline)).await.map_err(drop)
    }
}

/// Lets those run that are ready now, whoever is about to append among them: what a flush costs is shared by all that is in it.
///
/// Not tokio's own, after which it is waited until the worker has nothing else to do, or some dozen tasks later.
async fn let_ready_run() {
    let mut has_let = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut has_let, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A client may have stated any offset.
fn after(offset: Offset, records: u32) -> Offset {
    Offset(offset.0.saturating_add(u64::from(records)))
}

fn sealed((mut batches, bytes): (Vec<Pending>, usize), slot: Slot) -> Sealed {
    if mutant!("reordered-seal") {
        batches.reverse();
    }
    // Stable, so that a partition's batches keep their order.
    batches.sort_by_key(|pending| pending.partition);
    Sealed { batches, bytes, slot }
}

async fn acquire(slots: &Arc<Semaphore>) -> Slot {
    FlushSlot::new(slots.clone().acquire_owned().await.expect("the semaphore is never closed"))
}
