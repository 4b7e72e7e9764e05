//! The way of one partition: batches that are gathered, and one request under way at a time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::{Notify, OwnedSemaphorePermit};

use super::batch::{Batch, Sealed};
use super::deliver::deliver;
use super::delivery::{Delivery, Failure, Outcome, Settled, Settlement};
use super::session::Session;
use super::{Shared, lock};
use crate::Error;

/// Records of one partition on their way.
pub(super) struct Lane {
    partition: u32,
    state: Mutex<State>,
    /// There is a batch that is full, or a hurry.
    wake: Notify,
    /// How far it is in its sequence, between batches.
    pub(super) session: Mutex<Option<Session>>,
}

#[derive(Default)]
struct State {
    /// Gets what comes.
    open: Option<Batch>,
    /// Full ones, in order.
    full: VecDeque<Batch>,
    /// Of the batch that was begun last.
    last: Option<Settled>,
    /// Whether a task sends what is here. It ends when there is nothing, so that idle partitions cost nothing.
    is_running: bool,
    /// Whether somebody waits for all of it.
    is_urgent: bool,
    /// Since then nothing was taken: whoever sends knows of it first.
    failure: Option<Arc<Failure>>,
}

impl Lane {
    pub(super) fn new(partition: u32) -> Lane {
        Lane { partition, state: Mutex::default(), wake: Notify::new(), session: Mutex::default() }
    }

    /// Adds a record behind all others of the partition, unless one of those has failed and nobody was told.
    pub(super) fn push(
        self: &Arc<Lane>,
        shared: &Arc<Shared>,
        encoded: &[u8],
        room: OwnedSemaphorePermit,
        is_sticky: bool,
    ) -> Result<Delivery, Error> {
        let options = &shared.options;
        let mut state = lock(&self.state);
        if let Some(failure) = state.failure.take().filter(|failure| !failure.is_told()) {
            return Err(failure.earlier());
        }
        let is_too_much = |open: &mut Batch| {
            open.bytes() + encoded.len() > options.batch_bytes || open.records() >= options.batch_records
        };
        let full = state.open.take_if(is_too_much);
        let has_filled = full.is_some();
        state.full.extend(full);
        let open = match &mut state.open {
            Some(open) => {
                open.add_room(room);
                open
            }
            none => none.insert(Batch::begin(room)),
        };
        let delivery = open.push(encoded);
        state.last = Some(open.settled.clone());
        let begins = !std::mem::replace(&mut state.is_running, true);
        drop(state);
        if has_filled && is_sticky {
            shared.move_on(self.partition);
        }
        if begins {
            tokio::spawn(run(shared.clone(), self.clone()));
        } else if has_filled {
            self.wake.notify_one();
        }
        Ok(delivery)
    }

    /// Whoever sends has been told of what failed.
    pub(super) fn told(&self) {
        lock(&self.state).failure = None;
    }

    /// Lets nothing wait for more; answers what to await for all that is here.
    pub(super) fn hurry(&self) -> Option<Settled> {
        let mut state = lock(&self.state);
        state.is_urgent = state.is_running;
        let last = state.last.clone();
        drop(state);
        self.wake.notify_one();
        last
    }

    /// Settles a batch that failed, and all that came behind it until now with it. What comes from here on is refused until the
    /// failure is told: there is no gap that somebody did not choose.
    fn fail(&self, batch: Sealed, outcome: Outcome, cause: Error) {
        let failure = Arc::new(Failure::new(cause));
        let mut state = lock(&self.state);
        batch.settle(Settlement { outcome, failure: Some(failure.clone()) });
        let open = state.open.take();
        for behind in state.full.drain(..).chain(open) {
            let outcome = Outcome::Failed(failure.earlier());
            behind.seal().settle(Settlement { outcome, failure: Some(failure.clone()) });
        }
        state.failure = Some(failure);
    }

    /// The next batch, when it is time for it; `None`: there is nothing, and whoever adds something begins anew.
    async fn next(&self, shared: &Shared) -> Option<Sealed> {
        loop {
            let until = {
                let mut state = lock(&self.state);
                if let Some(full) = state.full.pop_front() {
                    return Some(full.seal());
                }
                let Some(began) = state.open.as_ref().map(|open| open.began) else {
                    (state.is_running, state.is_urgent, state.last) = (false, false, None);
                    return None;
                };
                let until = began + shared.options.linger;
                if state.is_urgent || until <= Instant::now() {
                    let open = state.open.take().expect("looked at above");
                    drop(state);
                    shared.move_on(self.partition);
                    return Some(open.seal());
                }
                until
            };
            tokio::select! {
                () = tokio::time::sleep_until(until.into()) => {}
                () = self.wake.notified() => {}
            }
        }
    }
}

/// Sends what is in a lane, one batch after the other, until it is empty.
async fn run(shared: Arc<Shared>, lane: Arc<Lane>) {
    while let Some(batch) = lane.next(&shared).await {
        let delivered = deliver(&shared, &lane, &batch).await;
        let error = match &delivered.outcome {
            Outcome::Stored(_) => None,
            Outcome::Failed(error) => Some(error),
            Outcome::Mixed(each) => each.iter().find_map(|one| one.as_ref().err()),
        };
        if let Some(error) = error {
            shared.failed(error);
        }
        match delivered.cause {
            None => batch.settle(Settlement { outcome: delivered.outcome, failure: None }),
            Some(cause) => lane.fail(batch, delivered.outcome, cause),
        }
    }
}
