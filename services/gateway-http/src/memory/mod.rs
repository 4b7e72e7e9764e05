//! What clients can make this node hold, beside the records that they append, which the write path bounds.
//!
//! Nobody waits for one budget while holding another that the first one's holders could be waiting for. The order is: decoders,
//! pages, pieces, uploads, records (the write path's), reads. What waits for a client holds pieces or pages that were made, or an
//! upload, and a client that is too slow with them is cut off, sooner when others wait. Records that were read and wait for
//! their client's turn are kept as long as nobody else needs their room, and read again otherwise.

mod budget;
mod client;
mod kept;
mod places;
mod slow;
mod tracked;
mod turns;

pub(crate) use budget::{Budget, Share};
pub(crate) use client::{Client, Cut, Room, Taker, TakerOf};
pub(crate) use kept::Kept;
pub(crate) use tracked::Tracked;
pub(crate) use turns::Address;

use std::collections::BTreeMap;
use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt;
use parking_lot::Mutex;
use tidelog_host::Clock;
use tokio::sync::Notify;

use self::kept::AllKept;
use self::places::Places;
use crate::options::{DECODERS_BYTES_MAX, ENCODERS_BYTES_MAX, GatewayOptions, SMALL_PAGES_BYTES_MAX};
use crate::problem::Refused;

/// Bytes of a piece of an answer, if no record is larger.
const PIECE_BYTES: usize = 64 * 1024;

/// The budgets of one node.
pub(crate) struct Memory {
    /// Requests that are being worked on, and those that wait for one of these.
    pub(crate) places: Places,
    /// Bodies that arrive.
    pub(crate) uploads: Budget,
    /// Bodies of which little has come yet. Nobody waits for this.
    pub(crate) begun_uploads: Budget,
    /// Records that were read.
    pub(crate) reads: Budget,
    /// Those of them that wait.
    kept: Arc<AllKept>,
    /// What encodes answers.
    pub(crate) encoders: Budget,
    /// What unfolds bodies.
    pub(crate) decoders: Budget,
    /// Answers in pieces.
    pub(crate) pieces: Budget,
    /// Answers as a whole.
    pub(crate) pages: Budget,
    /// Those of them that are small: they do not wait for the large ones.
    pub(crate) small_pages: Budget,
    /// Told when somebody begins to wait for room for an answer.
    wanted: Notify,
    clients: Mutex<BTreeMap<u64, Arc<Client>>>,
    next: AtomicU64,
}

/// What of its answers a client holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// Answers in pieces.
    Pieces,
    /// Answers as a whole.
    Pages,
    /// Small ones of them.
    SmallPages,
}

impl Of {
    const ALL: [Of; 3] = [Of::Pieces, Of::Pages, Of::SmallPages];
    const COUNT: usize = Of::ALL.len();
}

impl Memory {
    pub(crate) fn new(options: &GatewayOptions) -> Memory {
        Memory {
            places: Places::new(options.requests_max),
            uploads: Budget::new(options.uploads_bytes_max),
            begun_uploads: Budget::new(options.begun_uploads_bytes_max),
            reads: Budget::new(options.reads_bytes_max),
            kept: Arc::default(),
            encoders: Budget::new(ENCODERS_BYTES_MAX),
            decoders: Budget::new(DECODERS_BYTES_MAX),
            pieces: Budget::new(options.pieces_bytes_max),
            pages: Budget::new(options.pages_bytes_max),
            small_pages: Budget::new(SMALL_PAGES_BYTES_MAX),
            wanted: Notify::new(),
            clients: Mutex::default(),
            next: AtomicU64::new(0),
        }
    }

    fn budget(&self, of: Of) -> &Budget {
        match of {
            Of::Pieces => &self.pieces,
            Of::Pages => &self.pages,
            Of::SmallPages => &self.small_pages,
        }
    }

    /// A client that has connected, until this is dropped.
    pub(crate) fn enter(&self, clock: &Clock, address: Address) -> Entered<'_> {
        let (number, client) = (self.next.fetch_add(1, Ordering::Relaxed), Client::new(clock, address));
        self.clients.lock().insert(number, client.clone());
        Entered { memory: self, number, client }
    }

    /// Room that clients make each other wait for, though not for ever; who waits is not being worked on. A cancelled caller
    /// leaves nothing behind.
    ///
    /// # Errors
    /// When there was none in time, as `detail` says, or too many wait already.
    pub(crate) async fn room_in_time(
        &self,
        clock: &Clock,
        budget: &Budget,
        (address, bytes): (Address, usize),
        detail: &str,
    ) -> Result<Share, Refused> {
        if let Some(share) = budget.try_take_unwanted(bytes) {
            return Ok(share);
        }
        let waits = self.places.wait(address)?;
        // In a place of its own, which no request has that need not wait.
        Box::pin(waits.until(clock, budget.take_in_turn(address, bytes), detail)).await
    }

    /// Room for records that are to be read; what is kept makes way for them. A cancelled caller leaves nothing behind.
    pub(crate) async fn room_to_read(&self, bytes: usize) -> Share {
        let mut taken = pin!(self.reads.take(bytes));
        loop {
            // From the first time on it is known that this waits, so nothing is kept any more that this could not see.
            if let Some(share) = taken.as_mut().now_or_never() {
                return share;
            }
            if !self.kept.revoke_oldest() {
                return taken.await;
            }
        }
    }

    /// Keeps what was read, in its room, as long as nobody else needs that.
    pub(crate) fn keep<T: Send + 'static>(&self, read: T) -> Kept<T> {
        let kept = self.kept.keep(read);
        // After it can be seen, see `room_to_read`.
        if self.reads.is_wanted() {
            kept.revoke();
        }
        kept
    }

    /// Bytes of a piece, if no record is larger: fewer when much is held already, so that more readers find room.
    pub(crate) fn piece_bytes(&self) -> usize {
        if self.pieces.is_half_taken() { PIECE_BYTES / 4 } else { PIECE_BYTES }
    }

    /// Whether somebody waits for what a client that does not read holds.
    fn is_answer_wanted(&self) -> bool {
        Of::ALL.iter().any(|of| self.budget(*of).is_wanted())
    }
}

/// A client that is connected.
pub(crate) struct Entered<'m> {
    memory: &'m Memory,
    number: u64,
    client: Arc<Client>,
}

impl Deref for Entered<'_> {
    type Target = Arc<Client>;

    fn deref(&self) -> &Arc<Client> {
        &self.client
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.memory.clients.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use tidelog_model::{TenantId, TimestampMs};

    use super::*;

    const HERE: Address = Address::NOWHERE;

    #[tokio::test]
    async fn what_was_read_is_kept_until_others_need_its_room() {
        let options = GatewayOptions { reads_bytes_max: 64 << 10, ..GatewayOptions::embedded(TenantId(1)) };
        let memory = Memory::new(&options);
        let kept = memory.keep(memory.room_to_read(32 << 10).await);
        let other = memory.keep(memory.room_to_read(32 << 10).await);
        assert!(kept.take().is_some(), "nobody needs it");
        let kept = memory.keep(memory.room_to_read(32 << 10).await);
        let share = memory.room_to_read(32 << 10).now_or_never().expect("what is kept makes way");
        assert!(other.take().is_none(), "the oldest does");
        assert!(kept.take().is_some());
        let held = memory.room_to_read(32 << 10).await;
        let wanting = memory.room_to_read(32 << 10);
        let mut wanting = pin!(wanting);
        assert!(wanting.as_mut().now_or_never().is_none(), "what is in use does not");
        assert!(memory.keep(share).take().is_none(), "nothing is kept that is wanted");
        assert!(wanting.now_or_never().is_some());
        drop(held);
    }

    /// A client that was handed so much of an answer that it holds.
    fn handed(memory: &Memory, client: &Arc<Client>, bytes: usize) -> Bytes {
        let taker = Taker::new(client, None);
        let room = taker.try_room(memory, Of::Pieces, bytes).expect("there is room");
        taker.hand(taker.hold(vec![1; bytes], room))
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_cut_off_sooner_when_others_wait_and_no_more_of_them_than_it_takes() {
        let options = GatewayOptions { pieces_bytes_max: 128 << 10, ..GatewayOptions::embedded(TenantId(1)) };
        let (memory, clock) = (Memory::new(&options), Clock::manual(TimestampMs(0)));
        let (first, second, third) =
            (memory.enter(&clock, HERE), memory.enter(&clock, HERE), memory.enter(&clock, HERE));
        let look = || memory.look(options.write_timeout, clock.now());
        let is_cut = |client: &Entered<'_>| client.cut.at().is_some();
        let held = handed(&memory, &first, 64 << 10);
        tokio::time::advance(Duration::from_millis(1)).await;
        let other = handed(&memory, &second, 64 << 10);
        tokio::time::advance(Duration::from_secs(4)).await;
        look();
        assert!(!is_cut(&first) && !is_cut(&second), "nobody else needs the room");
        let taker = Taker::new(&third, None);
        let wanting = taker.room(&memory, Of::Pieces, 32 << 10);
        let mut wanting = pin!(wanting);
        assert!(wanting.as_mut().now_or_never().is_none());
        look();
        look();
        assert!(is_cut(&first) && !is_cut(&second), "the latest, and nobody else");
        drop(held);
        assert!(wanting.now_or_never().is_some(), "its room is free");
        tokio::time::advance(Duration::from_secs(27)).await;
        look();
        assert!(is_cut(&second), "nobody waits for ever");
        drop(other);
        assert!(second.answers.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_its_answer_is_not_late() {
        let options = GatewayOptions { pieces_bytes_max: 1 << 20, ..GatewayOptions::embedded(TenantId(1)) };
        let (memory, clock) = (Memory::new(&options), Clock::manual(TimestampMs(0)));
        let (client, waiting) = (memory.enter(&clock, HERE), memory.enter(&clock, HERE));
        let taker = Taker::new(&client, None);
        let room = taker.try_room(&memory, Of::Pieces, 1 << 20).expect("there is room");
        let mut rest = taker.hold(vec![1; 1 << 20], room);
        let wanting = Taker::new(&waiting, None);
        let wanting = wanting.room(&memory, Of::Pieces, 1);
        let mut wanting = pin!(wanting);
        while !rest.is_empty() {
            let part = taker.hand(rest.split_to(64 << 10));
            tokio::time::advance(Duration::from_millis(900)).await;
            assert!(wanting.as_mut().now_or_never().is_none());
            drop(part);
            memory.look(options.write_timeout, clock.now());
        }
        assert!(client.cut.at().is_none());
        drop(rest);
        assert!(wanting.now_or_never().is_some());
    }
}
