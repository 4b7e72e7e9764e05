//! A body as it arrives, with a time limit on every wait and room for what is held of it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::FutureExt;
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::time::Instant;

use crate::encoding::{self, Encoding, Unfolding};
use crate::errors::Code;
use crate::gateway::Shared;
use crate::memory::{Address, Share};
use crate::options::{
    BEGUN_UPLOAD_BYTES_MAX, BODY_BYTES_FREE, BYTES_PER_SECOND_MIN, QUOTA_WAIT_MAX, ROOM_TURNOVER_WHEN_WANTED_S,
    SLOW_LOOK, SLOW_WHEN_WANTED_MAX,
};
use crate::problem::Refused;
use crate::quotas::Pauses;

/// What is thrown away of a body that was refused before its end, so that its client comes to read why.
const DRAIN_BYTES_MAX: usize = 64 << 20;
const DRAIN_TIME_MAX: Duration = Duration::from_secs(2);

/// What is read from a connection is handed on a little later, also when it was there.
const SOON: Duration = Duration::from_millis(1);

/// How long a body may go on coming when the node stops: enough for what is on its way.
const STOPPING_GRACE: Duration = Duration::from_millis(500);

/// A body of which some may be still on its way.
pub(crate) struct Arriving {
    shared: Arc<Shared>,
    address: Address,
    body: Coming,
    /// How long its client was waited for, before what is waited for now.
    waited: Duration,
    /// Its end was seen: it may not be asked again.
    is_ended: bool,
    room: Option<Room>,
    /// Until when it may come, once the node stops.
    comes_until: Option<Instant>,
    /// Of a client that has a quota: when it was not read.
    pauses: Option<Arc<Pauses>>,
}

enum Coming {
    AsItIs(Body),
    Unfolding(Box<Unfolding>),
}

impl Coming {
    /// The next of it, as [`BodyExt::frame`] tells it.
    async fn frame(&mut self) -> Option<Result<Frame<Bytes>, axum::Error>> {
        match self {
            Coming::AsItIs(body) => body.frame().await,
            Coming::Unfolding(body) => body.frame().await,
        }
    }
}

/// Room for a body, and how much has come since it was made.
struct Room {
    share_bytes: usize,
    share: Share,
    /// Of the budget for bodies of which little has come.
    is_begun: bool,
    since: Instant,
    bytes: usize,
}

impl Room {
    fn new(since: Instant, share_bytes: usize, share: Share, is_begun: bool) -> Room {
        Room { share_bytes, share, is_begun, since, bytes: 0 }
    }
}

impl Arriving {
    pub(crate) fn new(shared: &Arc<Shared>, address: Address, body: Body) -> Arriving {
        let (body, waited) = (Coming::AsItIs(body), Duration::ZERO);
        let (room, comes_until, pauses) = (None, None, None);
        Arriving { shared: shared.clone(), address, body, waited, is_ended: false, room, comes_until, pauses }
    }

    /// The same of a body that is read no faster than its client's quota has it.
    pub(crate) fn paced_by(mut self, pauses: Option<&Arc<Pauses>>) -> Arriving {
        self.pauses = pauses.cloned();
        self
    }

    /// The same of a body that comes encoded, when there is room for what unfolds it.
    ///
    /// # Errors
    /// When there was none in time.
    pub(crate) async fn unfolded(
        shared: &Arc<Shared>,
        address: Address,
        body: Body,
        encoding: Encoding,
    ) -> Result<Arriving, Refused> {
        let unfolding = encoding::unfold(shared, address, body, encoding).await?;
        let arriving = Arriving::new(shared, address, Body::empty());
        Ok(Arriving { body: Coming::Unfolding(Box::new(unfolding)), ..arriving })
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// When they do not come in time, the body is cut off, or the node stops.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Refused> {
        if let Some(came) = self.next_here()? {
            return Ok(came);
        }
        let shared = self.shared.clone();
        let begun = self.now_for_pace();
        loop {
            let mut look = SLOW_LOOK.min(shared.options.body_timeout);
            if let Some(left) = self.check_stopping()? {
                look = look.min(left);
            }
            let came = tokio::select! {
                biased;
                frame = self.body.frame() => self.frame(frame)?,
                () = shared.parts.tasks.stopping(), if self.comes_until.is_none() => continue,
                () = tokio::time::sleep(look) => {
                    self.check_pace(begun)?;
                    continue;
                }
            };
            self.check_pace(begun)?;
            if came.as_ref().is_none_or(|bytes| !bytes.is_empty()) {
                if let Coming::Unfolding(_) = self.body {
                    self.waited += self.now_for_pace().saturating_duration_since(begun);
                }
                return Ok(came);
            }
        }
    }

    /// The next bytes if they are here: neither a wait nor a pace is measured then, which for a small body took longer than
    /// all else. The outer `None` when they are not here, or their pace is looked at.
    ///
    /// # Errors
    /// When the body is cut off, or the node stops.
    fn next_here(&mut self) -> Result<Option<Option<Bytes>>, Refused> {
        let is_plain = matches!(self.body, Coming::AsItIs(_));
        if !is_plain || self.room.is_some() || self.shared.parts.tasks.is_stopping() {
            return Ok(None);
        }
        let Some(frame) = self.body.frame().now_or_never() else { return Ok(None) };
        let came = self.frame(frame)?;
        Ok(came.as_ref().is_none_or(|bytes| !bytes.is_empty()).then_some(came))
    }

    /// The next bytes if they are as good as here; the outer `None` when they are not.
    ///
    /// # Errors
    /// When the body is cut off, or the node stops.
    pub(crate) async fn next_soon(&mut self) -> Result<Option<Option<Bytes>>, Refused> {
        self.check_stopping()?;
        match tokio::time::timeout(SOON, self.body.frame()).await {
            Ok(frame) => self.frame(frame).map(Some),
            Err(_) => Ok(None),
        }
    }

    fn frame(&mut self, frame: Option<Result<Frame<Bytes>, axum::Error>>) -> Result<Option<Bytes>, Refused> {
        match frame {
            None => {
                self.is_ended = true;
                if let Coming::Unfolding(_) = self.body {
                    // Others may have the decoder while what came is stored.
                    self.body = Coming::AsItIs(Body::empty());
                }
                Ok(None)
            }
            // Trailers say nothing here.
            Some(Ok(frame)) => {
                let bytes = frame.into_data().unwrap_or_default();
                if let Some(room) = &mut self.room {
                    room.bytes += bytes.len();
                }
                Ok(Some(bytes))
            }
            Some(Err(error)) => Err(encoding::refused_by(&error)
                .unwrap_or_else(|| Refused::new(Code::BodyCutOff, format!("the body was cut off: {error}")))),
        }
    }

    /// A client whose body stands still is cut off, and so is one that is slow while others wait for the room it holds.
    fn check_pace(&mut self, begun: Instant) -> Result<(), Refused> {
        let (options, now) = (&self.shared.options, self.now_for_pace());
        let quiet = now.saturating_duration_since(begun);
        if quiet >= options.body_timeout {
            let detail =
                format!("nothing came for {} s; send the body without a break", options.body_timeout.as_secs());
            return Err(Refused::new(Code::RequestTimeout, detail));
        }
        self.check_decoder(quiet)?;
        let Some(room) = self.room.as_ref().filter(|_| self.shared.memory.uploads.is_wanted()) else { return Ok(()) };
        let held = now.saturating_duration_since(room.since);
        // Who holds more has to hurry more, so that a few cannot hold all of it for long.
        let pace = BYTES_PER_SECOND_MIN.max(room.share_bytes / ROOM_TURNOVER_WHEN_WANTED_S);
        let hurried = held.saturating_sub(SLOW_WHEN_WANTED_MAX).as_millis() as usize * pace / 1_000;
        if quiet >= SLOW_WHEN_WANTED_MAX || room.bytes < hurried {
            let detail = "the body comes too slowly while others wait for its room; send it faster or in smaller parts";
            return Err(self.too_slow(detail));
        }
        Ok(())
    }

    /// The same of who holds a decoder that others wait for. What counts is the time in which its client was waited for: it
    /// is not to blame for what is stored slowly.
    fn check_decoder(&mut self, quiet: Duration) -> Result<(), Refused> {
        let Coming::Unfolding(body) = &self.body else { return Ok(()) };
        if !self.shared.memory.decoders.is_wanted() {
            return Ok(());
        }
        let waited = (self.waited + quiet).saturating_sub(SLOW_WHEN_WANTED_MAX);
        let hurried = waited.as_millis() as u64 * BYTES_PER_SECOND_MIN as u64 / 1_000;
        if quiet < SLOW_WHEN_WANTED_MAX && body.unfolded_bytes() >= hurried {
            return Ok(());
        }
        // At once: until its request is answered, what came before is still to be stored.
        if let Coming::Unfolding(body) = std::mem::replace(&mut self.body, Coming::AsItIs(Body::empty())) {
            self.body = Coming::AsItIs(body.give_way());
        }
        let detail = "the body comes too slowly while others wait for what unfolds it; send it faster, or as it is";
        Err(self.too_slow(detail))
    }

    /// The time, on a clock that stands still while the body is not read because its client's quota is used up. For so long
    /// in all as a request may wait for that, since others wait for what this holds meanwhile.
    fn now_for_pace(&self) -> Instant {
        let now = self.shared.parts.clock.now();
        let paused = self.pauses.as_ref().map_or(Duration::ZERO, |pauses| pauses.until(now).min(QUOTA_WAIT_MAX));
        now.checked_sub(paused).unwrap_or(now)
    }

    /// While others wait. Who was paused for long has its quota to thank for it, and not its pace.
    fn too_slow(&self, detail: &str) -> Refused {
        let now = self.shared.parts.clock.now();
        match &self.pauses {
            Some(pauses) if pauses.until(now) >= QUOTA_WAIT_MAX => pauses.refused(),
            _ => Refused::new(Code::RequestTimeout, detail),
        }
    }

    /// When the node stops: how long the body may go on coming.
    fn check_stopping(&mut self) -> Result<Option<Duration>, Refused> {
        if !self.shared.parts.tasks.is_stopping() {
            return Ok(None);
        }
        let now = self.shared.parts.clock.now();
        let left = self.comes_until.get_or_insert(now + STOPPING_GRACE).saturating_duration_since(now);
        if left.is_zero() {
            return Err(Refused::new(Code::Stopping, "the node stops, and the body has not come to its end"));
        }
        Ok(Some(left))
    }

    /// Makes room for `bytes_max` once more than a little is held.
    ///
    /// # Errors
    /// When there was none in time.
    pub(crate) async fn make_room(&mut self, held_bytes: usize, bytes_max: usize) -> Result<(), Refused> {
        if held_bytes > BODY_BYTES_FREE && self.room.is_none() {
            self.wait_for_room(bytes_max).await?;
        }
        Ok(())
    }

    async fn wait_for_room(&mut self, bytes_max: usize) -> Result<(), Refused> {
        let (memory, clock) = (&self.shared.memory, &self.shared.parts.clock);
        let detail = "there is no room for the body, because others are slow with theirs; try again in a moment";
        let share = memory.room_in_time(clock, &memory.uploads, (self.address, bytes_max), detail).await?;
        let share_bytes = bytes_max.min(self.shared.options.uploads_bytes_max);
        self.room = Some(Room::new(self.now_for_pace(), share_bytes, share, false));
        Ok(())
    }

    /// Makes room for a body that is taken as a whole, of which `held_bytes` are here: for what is made of them takes as much
    /// again, so that who says that much will come does not hold room for it before it does; and once that is much, for all of
    /// it, `room_bytes`. Nobody waits while holding what those could need who are waited for.
    async fn make_room_for_whole(&mut self, held_bytes: usize, room_bytes: usize) -> Result<(), Refused> {
        let needed = 2 * held_bytes;
        let is_enough = self.room.as_ref().is_some_and(|room| !room.is_begun || needed <= room.share_bytes);
        if held_bytes <= BODY_BYTES_FREE || is_enough {
            return Ok(());
        }
        let has = self.room.as_ref().map_or(0, |room| room.share_bytes);
        let memory = &self.shared.memory;
        let begun = needed.next_power_of_two().min(room_bytes);
        if begun <= BEGUN_UPLOAD_BYTES_MAX.min(self.shared.options.begun_uploads_bytes_max)
            && let Some(more) = memory.begun_uploads.try_take(begun - has)
        {
            match &mut self.room {
                Some(room) => {
                    room.share.merge(more);
                    room.share_bytes = begun;
                }
                None => self.room = Some(Room::new(self.now_for_pace(), begun, more, true)),
            }
            return Ok(());
        }
        self.wait_for_room(room_bytes).await
    }

    /// More room, for whoever holds a body and so must not wait for it: whether there is room for `bytes_max` now.
    pub(crate) fn widen(&mut self, bytes_max: usize) -> bool {
        let bytes_max = bytes_max.min(self.shared.options.uploads_bytes_max);
        let has = self.room.as_ref().map_or(0, |room| room.share_bytes);
        if bytes_max <= has.max(BODY_BYTES_FREE) {
            return true;
        }
        let Some(more) = self.shared.memory.uploads.try_take(bytes_max - has) else { return false };
        match &mut self.room {
            Some(room) => {
                room.share.merge(more);
                room.share_bytes = bytes_max;
            }
            None => self.room = Some(Room::new(self.now_for_pace(), bytes_max, more, false)),
        }
        true
    }

    /// Gives the room back: nothing is held any more.
    pub(crate) fn release(&mut self) {
        self.room = None;
    }

    /// The whole body, and the room that it takes.
    ///
    /// # Errors
    /// When it is longer than `bytes_max`, or does not come.
    pub(crate) async fn whole(mut self, length: Option<u64>, bytes_max: usize) -> Result<Whole, Refused> {
        let too_large = || {
            let detail = format!("the body may have {bytes_max} bytes at most");
            Refused::new(Code::BodyTooLarge, detail)
        };
        if length.is_some_and(|length| length > bytes_max as u64) {
            self.drain().await;
            return Err(too_large());
        }
        let expected = length.map_or(bytes_max, |length| length as usize);
        let mut bytes = Vec::new();
        while let Some(piece) = self.next().await? {
            if bytes.len() + piece.len() > bytes_max {
                self.drain().await;
                return Err(too_large());
            }
            self.make_room_for_whole(bytes.len() + piece.len(), 2 * expected).await?;
            bytes.extend_from_slice(&piece);
        }
        Ok(Whole { bytes, address: self.address, room: self.room })
    }

    /// Throws away what still comes, for a while.
    pub(crate) async fn drain(&mut self) {
        if self.is_ended {
            return;
        }
        let mut left = DRAIN_BYTES_MAX;
        let draining = async {
            while let Some(Ok(frame)) = self.body.frame().await {
                let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { return };
                left = rest;
            }
        };
        let _ = tokio::time::timeout(DRAIN_TIME_MAX, draining).await;
    }
}

/// A body that is here.
pub(crate) struct Whole {
    pub(crate) bytes: Vec<u8>,
    address: Address,
    room: Option<Room>,
}

impl Whole {
    /// As a body that arrives at once, in the room that it has.
    pub(crate) fn again(self, shared: &Arc<Shared>) -> Arriving {
        let Whole { bytes, address, room } = self;
        Arriving { room, ..Arriving::new(shared, address, Body::from(bytes)) }
    }
}
