//! Metrics subscriptions. They lie in one part of their own, which exists from the first one on: a snapshot of before has none,
//! and is still the same bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidelog_catalog_api::{MetricsSubscriptions, SubscriptionRefused, check_subscription};
use tidelog_format::stored_struct;
use tidelog_model::limits::METRICS_SUBSCRIPTIONS_MAX;
use tidelog_model::{LogIndex, TenantId};

use crate::part::{Shared, Stamped};
use crate::state::State;

stored_struct! {
    /// Of all tenants that have some.
    #[derive(Clone, Debug, Default)]
    pub struct TenantSubscriptions {
        pub tenants: BTreeMap<TenantId, Shared<MetricsSubscriptions>>,
    }
}

impl State {
    /// All settings at once, as those of topics. A subscription is forgotten with its last setting, and a tenant with its last
    /// subscription.
    pub(crate) fn alter_metrics_subscription(
        &mut self,
        index: LogIndex,
        (tenant, name): (TenantId, &str),
        before: &BTreeMap<String, String>,
        after: &BTreeMap<String, String>,
    ) -> Result<(), SubscriptionRefused> {
        check_subscription(name, after)?;
        let subscriptions = self.subscriptions.body.tenants.get(&tenant);
        let found = subscriptions.and_then(|subscriptions| subscriptions.get(name));
        if found.map_or(!before.is_empty(), |found| found != before) {
            return Err(SubscriptionRefused::Changed);
        }
        if before == after {
            return Ok(());
        }
        let is_full = subscriptions.is_some_and(|subscriptions| subscriptions.len() >= METRICS_SUBSCRIPTIONS_MAX);
        if found.is_none() && is_full {
            return Err(SubscriptionRefused::Full);
        }
        let tenants = &mut Stamped::write(&mut self.subscriptions, index).tenants;
        let subscriptions = tenants.entry(tenant).or_default().write();
        if after.is_empty() {
            subscriptions.remove(name);
            if subscriptions.is_empty() {
                tenants.remove(&tenant);
            }
        } else {
            subscriptions.insert(name.to_owned(), after.clone());
        }
        Ok(())
    }

    /// All metrics subscriptions of a tenant.
    #[must_use]
    pub fn metrics_subscriptions(&self, tenant: TenantId) -> Arc<MetricsSubscriptions> {
        self.subscriptions.body.tenants.get(&tenant).map_or_else(Arc::default, |subscriptions| subscriptions.0.clone())
    }
}
