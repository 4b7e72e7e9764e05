//! Client quotas. They lie in one part of their own, which exists from the first quota on: a snapshot of before has none, and
//! is still the same bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidelog_catalog_api::{ClientQuotas, QuotaAlteration, QuotaRefused};
use tidelog_format::stored_struct;
use tidelog_model::limits::QUOTA_ENTITIES_MAX;
use tidelog_model::{LogIndex, TenantId};

use crate::part::{Shared, Stamped};
use crate::state::State;

stored_struct! {
    /// Of all tenants that have some.
    #[derive(Clone, Debug, Default)]
    pub struct TenantQuotas {
        pub tenants: BTreeMap<TenantId, Shared<ClientQuotas>>,
    }
}

impl State {
    /// Each entity by itself. An entity is forgotten with its last quota, and a tenant with its last entity.
    pub(crate) fn alter_client_quotas(
        &mut self,
        index: LogIndex,
        tenant: TenantId,
        alterations: &[QuotaAlteration],
    ) -> Vec<Result<(), QuotaRefused>> {
        alterations.iter().map(|alteration| self.alter_quotas_of_entity(index, tenant, alteration)).collect()
    }

    fn alter_quotas_of_entity(
        &mut self,
        index: LogIndex,
        tenant: TenantId,
        alteration: &QuotaAlteration,
    ) -> Result<(), QuotaRefused> {
        alteration.check()?;
        let quotas = self.quotas.body.tenants.get(&tenant);
        let before = quotas.and_then(|quotas| quotas.get(&alteration.entity));
        let mut after = before.cloned().unwrap_or_default();
        for (kind, value) in &alteration.changes {
            match value {
                Some(value) => drop(after.insert(*kind, *value)),
                None => drop(after.remove(kind)),
            }
        }
        if before.is_none() && !after.is_empty() && quotas.is_some_and(|quotas| quotas.len() >= QUOTA_ENTITIES_MAX) {
            return Err(QuotaRefused::Full);
        }
        if before.map_or(after.is_empty(), |before| *before == after) {
            return Ok(());
        }
        let tenants = &mut Stamped::write(&mut self.quotas, index).tenants;
        let quotas = tenants.entry(tenant).or_default().write();
        if after.is_empty() {
            quotas.remove(&alteration.entity);
            if quotas.is_empty() {
                tenants.remove(&tenant);
            }
        } else {
            quotas.insert(alteration.entity.clone(), after);
        }
        Ok(())
    }

    /// All quotas of a tenant's clients. The same `Arc` as long as they are the same.
    #[must_use]
    pub fn client_quotas(&self, tenant: TenantId) -> Arc<ClientQuotas> {
        self.quotas.body.tenants.get(&tenant).unwrap_or(&self.no_quotas).0.clone()
    }
}
