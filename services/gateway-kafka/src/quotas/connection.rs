//! Whom a connection's requests are charged to.

use std::sync::Arc;
use std::time::Duration;

use tidelog_access::{ANONYMOUS, limit_of_client};
use tidelog_catalog_api::{ClientQuotas, QuotaKind};
use tidelog_kafka_wire::{Api, RequestHeader, StrBytes};
use tokio::time::Instant;

use super::charge::Limits;
use super::{Charge, Mute};
use crate::gateway::Shared;

/// How long quotas may have been altered before a connection that is in use keeps to them: so the catalog is not asked at
/// every request.
const LOOK: Duration = Duration::from_millis(100);

/// The quotas of whoever uses a connection. Without quotas a request costs one comparison of times.
pub(crate) struct ConnectionQuotas {
    mute: Arc<Mute>,
    looked_at: Option<Instant>,
    quotas: Arc<ClientQuotas>,
    /// Of the client id that was seen last: clients have one, as a rule.
    limits: Option<(Option<StrBytes>, Arc<Limits>)>,
}

impl ConnectionQuotas {
    pub(crate) fn new(mute: Arc<Mute>) -> ConnectionQuotas {
        ConnectionQuotas { mute, looked_at: None, quotas: Arc::default(), limits: None }
    }

    /// What a request of so many bytes is charged to; `None` when nothing limits its client.
    pub(crate) fn charge(
        &mut self,
        shared: &Arc<Shared>,
        begun: Instant,
        header: &RequestHeader,
        bytes: usize,
    ) -> Option<Arc<Charge>> {
        self.look(shared, begun);
        if self.quotas.is_empty() {
            return None;
        }
        let limits = self.limits(header.client_id.as_ref());
        if !limits.is_any() {
            return None;
        }
        let charge = Charge::new(shared.clone(), limits, self.mute.clone());
        if header.api == Api::Produce {
            charge.produced(bytes);
        }
        Some(Arc::new(charge))
    }

    fn look(&mut self, shared: &Shared, now: Instant) {
        if self.looked_at.is_some_and(|at| now < at + LOOK) {
            return;
        }
        self.looked_at = Some(now);
        let quotas = shared.parts.catalog.client_quotas(shared.options.tenant);
        if !Arc::ptr_eq(&quotas, &self.quotas) {
            self.quotas = quotas;
            self.limits = None;
        }
    }

    fn limits(&mut self, client_id: Option<&StrBytes>) -> Arc<Limits> {
        if let Some((of, limits)) = &self.limits
            && of.as_ref() == client_id
        {
            return limits.clone();
        }
        let name = client_id.map_or("", StrBytes::as_str);
        let limit = |kind: QuotaKind| limit_of_client(&self.quotas, kind, ANONYMOUS, name);
        let limits = Arc::new(Limits {
            producer: limit(QuotaKind::ProducerByteRate),
            consumer: limit(QuotaKind::ConsumerByteRate),
            time: limit(QuotaKind::RequestPercentage),
            mutations: limit(QuotaKind::ControllerMutationRate),
        });
        // Its own copy, so that the frame it came in is not kept.
        self.limits = Some((client_id.map(|id| StrBytes::from(id.as_str())), limits.clone()));
        limits
    }
}
