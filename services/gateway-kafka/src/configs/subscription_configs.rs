//! Metrics subscriptions as resources with settings: shown and altered.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidelog_catalog_api::{CatalogError, Command, MetricsSubscriptions, Outcome, SubscriptionRefused};
use tidelog_kafka_wire::ErrorCode;
use tidelog_kafka_wire::messages::describe_configs_response::DescribeConfigsResourceResult;
use tidelog_kafka_wire::{StrBytes, message};

use super::alter_configs::{Change, Refusal, TRIES_MAX};
use super::config_resources::{SOURCE_CLIENT_METRICS, SOURCE_DEFAULT};
use super::describe_configs::{Detail, fixed, synonym};
use crate::errors;
use crate::gateway::Shared;
use crate::telemetry::settings::{self, SETTINGS};

/// Kafka's numbers of the types of settings.
const TYPE_INT: i8 = 3;
const TYPE_LIST: i8 = 7;

/// All subscriptions, as they are now.
///
/// # Errors
/// The catalog does not answer.
pub(super) async fn subscriptions(shared: &Shared) -> Result<Arc<MetricsSubscriptions>, CatalogError> {
    shared.parts.catalog.read_barrier().await?;
    Ok(shared.parts.catalog.metrics_subscriptions(shared.options.tenant))
}

/// The settings of a subscription; of one that does not exist, the defaults, as in Kafka.
pub(super) fn describe(
    all: &MetricsSubscriptions,
    name: &str,
    is_asked: impl Fn(&str) -> bool,
    detail: Detail,
) -> Vec<DescribeConfigsResourceResult> {
    let of = all.get(name);
    let asked = SETTINGS.iter().filter(|setting| is_asked(setting.name));
    let result = |setting: &'static settings::Setting| {
        let set = of.and_then(|settings| settings.get(setting.name));
        let value = StrBytes::from(settings::shown(setting, set.map_or(setting.default, String::as_str)));
        let own = set.filter(|_| detail.synonyms);
        let own = own.map(|_| synonym(fixed(setting.name), value.clone(), SOURCE_CLIENT_METRICS));
        message!(DescribeConfigsResourceResult {
            name: fixed(setting.name),
            value: Some(value),
            config_source: if set.is_some() { SOURCE_CLIENT_METRICS } else { SOURCE_DEFAULT },
            synonyms: own.into_iter().collect(),
            config_type: if setting.is_list { TYPE_LIST } else { TYPE_INT },
            documentation: detail.documentation.then(|| fixed(setting.purpose)),
        })
    };
    asked.map(result).collect()
}

/// Alters a subscription, which exists from its first setting to its last. A cancelled caller may leave it altered.
pub(super) async fn alter(
    shared: &Shared,
    name: &str,
    changes: &[(String, Change)],
    replaces: bool,
    validate_only: bool,
) -> Result<(), Refusal> {
    if name.is_empty() {
        return Err((ErrorCode::InvalidRequest, "Subscription name can't be empty".to_owned()));
    }
    let of_catalog = |error: CatalogError| (errors::of_catalog(&error), error.to_string());
    for _ in 0..TRIES_MAX {
        let all = subscriptions(shared).await.map_err(of_catalog)?;
        let before = all.get(name).cloned().unwrap_or_default();
        let after = altered(&before, changes, replaces)?;
        settings::parse(&after)?;
        let refused = |error: SubscriptionRefused| (errors::of_subscription(error), error.to_string());
        tidelog_catalog_api::check_subscription(name, &after).map_err(refused)?;
        if validate_only || after == before {
            return Ok(());
        }
        let (tenant, subscription) = (shared.options.tenant, name.to_owned());
        let command = Command::AlterMetricsSubscription { tenant, name: subscription, before, after };
        match shared.parts.catalog.propose(command).await.map_err(of_catalog)? {
            Outcome::MetricsSubscriptionAltered(Ok(())) => {
                tracing::info!(subscription = name, "metrics subscription altered");
                return Ok(());
            }
            Outcome::MetricsSubscriptionAltered(Err(SubscriptionRefused::Changed)) => {}
            Outcome::MetricsSubscriptionAltered(Err(error)) => return Err(refused(error)),
            other => unreachable!("the catalog answers with MetricsSubscriptionAltered, not {other:?}"),
        }
    }
    Err((ErrorCode::RequestTimedOut, "others keep changing the subscription: try again".to_owned()))
}

/// The settings after the changes, not checked yet. Its lists are none that can be added to, as in Kafka.
fn altered(
    before: &BTreeMap<String, String>,
    changes: &[(String, Change)],
    replaces: bool,
) -> Result<BTreeMap<String, String>, Refusal> {
    let mut after = if replaces { BTreeMap::new() } else { before.clone() };
    for (name, change) in changes {
        let no_list = |operation: &str| {
            let text = format!("Can't {operation} to key {name} because its type is not LIST.");
            Err((ErrorCode::InvalidConfig, text))
        };
        match change {
            Change::Set(value) => drop(after.insert(name.clone(), value.clone())),
            Change::Delete => drop(after.remove(name)),
            Change::Append(_) => return no_list("APPEND"),
            Change::Subtract(_) => return no_list("SUBTRACT"),
        }
    }
    Ok(after)
}
