//! Client quotas: how many there may be, and that a state from before there were any has none.

use std::collections::BTreeMap;

use tidelog_catalog_api::*;
use tidelog_model::limits::QUOTA_ENTITIES_MAX;
use tidelog_model::*;

use super::scenarios::Cluster;
use crate::{PartId, State};

fn alteration(client_id: usize, bytes: Option<f64>) -> QuotaAlteration {
    let client_id = Some(QuotaName::Named(format!("client-{client_id}")));
    let entity = QuotaEntity { client_id, ..QuotaEntity::default() };
    QuotaAlteration { entity, changes: BTreeMap::from([(QuotaKind::ProducerByteRate, bytes.map(QuotaValue::new))]) }
}

fn alter(cluster: &mut Cluster, tenant: u32, alterations: Vec<QuotaAlteration>) -> Vec<Result<(), QuotaRefused>> {
    match cluster.apply(&Command::AlterClientQuotas { tenant: TenantId(tenant), alterations }) {
        Outcome::ClientQuotasAltered(results) => results,
        other => panic!("{other:?}"),
    }
}

#[test]
fn so_many_entities_have_quotas_and_no_more() {
    let mut cluster = Cluster::new(1);
    let all = (0..QUOTA_ENTITIES_MAX).map(|client| alteration(client, Some(1.0))).collect();
    assert!(alter(&mut cluster, 1, all).iter().all(Result::is_ok));
    let more = vec![alteration(QUOTA_ENTITIES_MAX, Some(1.0)), alteration(0, Some(2.0)), alteration(1, None)];
    assert_eq!(alter(&mut cluster, 1, more), [Err(QuotaRefused::Full), Ok(()), Ok(())]);
    let one = || vec![alteration(QUOTA_ENTITIES_MAX, Some(1.0))];
    assert_eq!(alter(&mut cluster, 1, one()), [Ok(())], "one has made room");
    assert_eq!(alter(&mut cluster, 2, one()), [Ok(())], "another tenant has room of its own");
    cluster.state.validate().unwrap();
    assert_eq!(cluster.state.client_quotas(TenantId(1)).len(), QUOTA_ENTITIES_MAX);
}

#[test]
fn quotas_are_kept_in_a_part_that_is_there_once_there_were_some() {
    let mut cluster = Cluster::new(1);
    let parts = |state: &State| state.freeze().parts().iter().map(|part| (part.id, part.encode())).collect::<Vec<_>>();
    let has_part = |state: &State| parts(state).iter().any(|(id, _)| id.to_string() == "quotas");
    assert_eq!(alter(&mut cluster, 1, vec![alteration(0, None)]), [Ok(())]);
    assert!(!has_part(&cluster.state), "nothing was taken away");
    alter(&mut cluster, 1, vec![alteration(0, Some(5.0))]);
    assert!(has_part(&cluster.state));
    let restored = State::restore(parts(&cluster.state)).unwrap();
    assert_eq!(restored.client_quotas(TenantId(1)), cluster.state.client_quotas(TenantId(1)));
    assert_eq!(restored.hash(), cluster.state.hash());
    let without = parts(&cluster.state).into_iter().filter(|(id, _)| id.to_string() != "quotas").collect();
    assert!(State::restore(without).unwrap().client_quotas(TenantId(1)).is_empty(), "as before there were any");
    alter(&mut cluster, 1, vec![alteration(0, None)]);
    assert!(cluster.state.client_quotas(TenantId(1)).is_empty());
    assert!(PartId::all().count() == PartId::COUNT);
}
