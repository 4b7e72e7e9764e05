//! Object ids: taken from grants of the catalog, each used for one payload, once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tidelog_catalog_api::{Catalog, Command, GrantView, Outcome, TICK_MS};
use tidelog_host::Clock;
use tidelog_model::limits::GRANT_OBJECTS_MAX;
use tidelog_model::{ObjectId, SessionId};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::AppendError;

/// Ids asked for at once: enough for a few seconds at the highest rate of objects.
const GRANT_OBJECTS: u32 = 1024;
/// Ticks that a grant lives.
const GRANT_TICKS: u32 = 600;
/// We stop using a grant when half of its life has passed here, so an upload begun with one of its ids is done, or given
/// up, long before the catalog fences it.
const GRANT_USED_FOR: Duration = Duration::from_millis(GRANT_TICKS as u64 * TICK_MS / 2);

const _: () = assert!(GRANT_OBJECTS <= GRANT_OBJECTS_MAX);

/// The ids of one session.
pub(crate) struct Grants {
    catalog: Arc<dyn Catalog>,
    session: SessionId,
    clock: Clock,
    ids: Mutex<VecDeque<Granted>>,
}

struct Granted {
    next: ObjectId,
    end: ObjectId,
    until: Instant,
}

impl Grants {
    pub(crate) fn new(catalog: Arc<dyn Catalog>, session: SessionId, clock: Clock) -> Grants {
        Grants { catalog, session, clock, ids: Mutex::new(VecDeque::new()) }
    }

    /// An id that was never used. A cancelled caller may burn one.
    ///
    /// # Errors
    /// When the catalog grants none.
    pub(crate) async fn next(&self) -> Result<ObjectId, AppendError> {
        let mut ids = self.ids.lock().await;
        loop {
            let now = self.clock.now();
            while ids.front().is_some_and(|granted| granted.next == granted.end || granted.until <= now) {
                ids.pop_front();
            }
            if let Some(granted) = ids.front_mut() {
                let id = granted.next;
                granted.next = ObjectId(id.0 + 1);
                return Ok(id);
            }
            // Taken before asking: a grant counts from when the catalog gave it, not from when we heard.
            let asked = self.clock.now();
            let grant = self.ask().await?;
            let end = ObjectId(grant.first.0 + u64::from(grant.count));
            ids.push_back(Granted { next: grant.first, end, until: asked + GRANT_USED_FOR });
        }
    }

    async fn ask(&self) -> Result<GrantView, AppendError> {
        let command = Command::GrantObjects { session: self.session, count: GRANT_OBJECTS, ticks: GRANT_TICKS };
        match self.catalog.propose(command).await {
            Ok(Outcome::Granted(Ok(grant))) => Ok(grant),
            Ok(Outcome::Granted(Err(refused))) => Err(AppendError::Unavailable(refused.to_string())),
            Ok(other) => panic!("GrantObjects was answered with {other:?}"),
            Err(error) => Err(AppendError::Unavailable(error.to_string())),
        }
    }
}
