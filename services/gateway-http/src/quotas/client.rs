//! Whom a request is charged to, and what it has used.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use tidelog_access::{ANONYMOUS, Limit, WINDOW, limit_of_client};
use tidelog_catalog_api::{ClientQuotas, QuotaKind};

use crate::errors::Code;
use crate::gateway::Shared;
use crate::problem::Refused;

/// What a client calls itself, as Kafka's clients do in `client.id`.
const CLIENT_ID: HeaderName = HeaderName::from_static("x-client-id");
const CLIENT_ID_BYTES_MAX: usize = 249;

/// What a request's client calls itself; nothing when it does not say.
///
/// # Errors
/// When that is no name.
pub(super) fn name_of(headers: &HeaderMap) -> Result<&str, Refused> {
    let Some(value) = headers.get(CLIENT_ID) else { return Ok("") };
    let name = value.to_str().ok().filter(|name| (1..=CLIENT_ID_BYTES_MAX).contains(&name.len()));
    name.ok_or_else(|| {
        let detail = format!("x-client-id is no name; 1 to {CLIENT_ID_BYTES_MAX} visible ASCII characters work");
        Refused::parameter(Code::InvalidParameter, CLIENT_ID.as_str(), detail)
    })
}

/// A request of a client that has quotas.
pub(super) struct Charge {
    pub(super) shared: Arc<Shared>,
    name: String,
    sent: Option<Limit>,
    read: Option<Limit>,
    time: Option<Limit>,
    mutations: Option<Limit>,
}

impl Charge {
    /// `None` when nothing limits this client.
    pub(super) fn of(shared: &Arc<Shared>, quotas: &ClientQuotas, name: &str) -> Option<Arc<Charge>> {
        if quotas.is_empty() {
            return None;
        }
        let limit = |kind| limit_of_client(quotas, kind, ANONYMOUS, name);
        let sent = limit(QuotaKind::ProducerByteRate);
        let read = limit(QuotaKind::ConsumerByteRate);
        let time = limit(QuotaKind::RequestPercentage);
        let mutations = limit(QuotaKind::ControllerMutationRate);
        let is_any = sent.is_some() || read.is_some() || time.is_some() || mutations.is_some();
        is_any.then(|| Arc::new(Charge { shared: shared.clone(), name: name.to_owned(), sent, read, time, mutations }))
    }

    pub(super) fn name(&self) -> String {
        match self.name.as_str() {
            "" => "clients without a name (x-client-id)".to_owned(),
            name => format!("client {name:?}"),
        }
    }

    /// Until nothing is owed for what was sent.
    pub(super) fn owes_sent(&self) -> Duration {
        self.debt(self.sent.as_ref())
    }

    /// Until nothing is owed for records that were read.
    pub(super) fn owes_read(&self) -> Duration {
        self.debt(self.read.as_ref())
    }

    /// Until nothing is owed for time that was spent.
    pub(super) fn owes_time(&self) -> Duration {
        self.debt(self.time.as_ref()).min(WINDOW)
    }

    /// Bytes of an append have come, or will. How long its client is to wait.
    pub(super) fn sent(&self, bytes: usize) -> Duration {
        self.take(self.sent.as_ref(), bytes as f64)
    }

    /// Bytes of records go. How long its client is to wait for more.
    pub(super) fn read(&self, bytes: usize) -> Duration {
        self.take(self.read.as_ref(), bytes as f64)
    }

    /// Whether what it creates and deletes is counted.
    pub(super) fn has_mutations(&self) -> bool {
        self.mutations.is_some()
    }

    /// Until nothing is owed for what was created and deleted.
    pub(super) fn owes_mutations(&self) -> Duration {
        self.debt(self.mutations.as_ref())
    }

    /// So many partitions are created or deleted.
    pub(super) fn mutated(&self, partitions: u32) {
        self.take(self.mutations.as_ref(), f64::from(partitions));
    }

    /// Runs what is done for its client: the time that is spent is charged, not that in which it waits.
    pub(super) async fn count<F: Future>(&self, work: F) -> F::Output {
        if self.time.is_none() {
            return work.await;
        }
        let mut spent = Duration::ZERO;
        let mut work = pin!(work);
        let done = std::future::poll_fn(|context| {
            let begun = self.shared.parts.clock.now();
            let polled = work.as_mut().poll(context);
            spent += begun.elapsed();
            polled
        });
        let done = done.await;
        self.spent(spent);
        done
    }

    /// Time was spent for its client.
    pub(super) fn spent(&self, time: Duration) {
        self.take(self.time.as_ref(), time.as_secs_f64());
    }

    fn debt(&self, limit: Option<&Limit>) -> Duration {
        let now = self.shared.parts.clock.now().into_std();
        limit.map_or(Duration::ZERO, |limit| self.shared.parts.quotas.debt(limit, now))
    }

    fn take(&self, limit: Option<&Limit>, amount: f64) -> Duration {
        let now = self.shared.parts.clock.now().into_std();
        limit.map_or(Duration::ZERO, |limit| self.shared.parts.quotas.take(limit, amount, now))
    }
}
