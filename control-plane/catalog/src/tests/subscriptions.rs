//! Metrics subscriptions: how many and how large there may be, and that a state from before there were any has none.

use std::collections::BTreeMap;

use tidelog_catalog_api::*;
use tidelog_model::limits::*;
use tidelog_model::*;

use super::scenarios::Cluster;
use crate::{PartId, State};

type Settings = BTreeMap<String, String>;

fn settings(value: &str) -> Settings {
    if value.is_empty() { Settings::new() } else { Settings::from([("metrics".to_owned(), value.to_owned())]) }
}

fn alter(cluster: &mut Cluster, tenant: u32, name: &str, before: &str, after: &str) -> Result<(), SubscriptionRefused> {
    let (tenant, name) = (TenantId(tenant), name.to_owned());
    let command = Command::AlterMetricsSubscription { tenant, name, before: settings(before), after: settings(after) };
    match cluster.apply(&command) {
        Outcome::MetricsSubscriptionAltered(result) => result,
        other => panic!("{other:?}"),
    }
}

#[test]
fn so_many_subscriptions_of_such_a_size_and_no_more() {
    let mut cluster = Cluster::new(1);
    for number in 0..METRICS_SUBSCRIPTIONS_MAX {
        assert_eq!(alter(&mut cluster, 1, &number.to_string(), "", "a"), Ok(()));
    }
    assert_eq!(alter(&mut cluster, 1, "more", "", "a"), Err(SubscriptionRefused::Full));
    assert_eq!(alter(&mut cluster, 2, "more", "", "a"), Ok(()), "another tenant has room of its own");
    assert_eq!(alter(&mut cluster, 1, "0", "a", "b"), Ok(()));
    assert_eq!(alter(&mut cluster, 1, "0", "a", "c"), Err(SubscriptionRefused::Changed));
    assert_eq!(alter(&mut cluster, 1, "0", "", ""), Err(SubscriptionRefused::Changed), "it has settings");
    assert_eq!(alter(&mut cluster, 1, "0", "b", ""), Ok(()));
    assert_eq!(alter(&mut cluster, 1, "more", "", "a"), Ok(()), "one has made room");
    let long = "x".repeat(METRICS_SUBSCRIPTION_BYTES_MAX);
    assert_eq!(alter(&mut cluster, 1, "more", "a", &long), Err(SubscriptionRefused::Invalid));
    assert_eq!(alter(&mut cluster, 1, "", "", "a"), Err(SubscriptionRefused::Invalid));
    let long = "x".repeat(METRICS_SUBSCRIPTION_NAME_BYTES_MAX + 1);
    assert_eq!(alter(&mut cluster, 2, &long, "", "a"), Err(SubscriptionRefused::Invalid));
    cluster.state.validate().unwrap();
    let all = cluster.state.metrics_subscriptions(TenantId(1));
    assert_eq!((all.len(), all.get("0"), all["more"].clone()), (METRICS_SUBSCRIPTIONS_MAX, None, settings("a")));
}

#[test]
fn subscriptions_are_kept_in_a_part_that_is_there_once_there_were_some() {
    let mut cluster = Cluster::new(1);
    let parts = |state: &State| state.freeze().parts().iter().map(|part| (part.id, part.encode())).collect::<Vec<_>>();
    let has_part = |state: &State| parts(state).iter().any(|(id, _)| *id == PartId::SUBSCRIPTIONS);
    assert_eq!(alter(&mut cluster, 1, "all", "", ""), Ok(()));
    assert!(!has_part(&cluster.state), "nothing was taken away");
    alter(&mut cluster, 1, "all", "", "*").unwrap();
    assert!(has_part(&cluster.state));
    let restored = State::restore(parts(&cluster.state)).unwrap();
    assert_eq!(restored.metrics_subscriptions(TenantId(1)), cluster.state.metrics_subscriptions(TenantId(1)));
    assert_eq!(restored.hash(), cluster.state.hash());
    let without = parts(&cluster.state).into_iter().filter(|(id, _)| *id != PartId::SUBSCRIPTIONS).collect();
    assert!(State::restore(without).unwrap().metrics_subscriptions(TenantId(1)).is_empty(), "as before there were any");
    alter(&mut cluster, 1, "all", "*", "").unwrap();
    assert!(cluster.state.metrics_subscriptions(TenantId(1)).is_empty());
    assert_eq!(PartId::SUBSCRIPTIONS.to_string(), "subscriptions");
}
