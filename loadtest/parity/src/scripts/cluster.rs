//! ApiVersions, DescribeCluster, FindCoordinator.

use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::{
    ApiVersionsRequest, DescribeClusterRequest, FindCoordinatorRequest, UpdateFeaturesRequest,
};

use super::common::{TIMEOUT_MS, text};
use crate::exchange::Exchange;

pub fn versions(x: &mut Exchange) -> anyhow::Result<()> {
    let version = x.version();
    let request = ApiVersionsRequest::default();
    if version < 3 {
        x.ask("table", &request)?;
        return Ok(());
    }
    let named = |name: &str, version: &str| {
        request.clone().with_client_software_name(text(name)).with_client_software_version(text(version))
    };
    x.ask("table", &named("parity", "1.0"))?;
    x.ask("no software name", &named("", "1.0"))?;
    x.ask("a software name with a blank", &named("par ity", "1.0"))?;
    // Whatever it says, it is answered in version 0.
    x.ask_as::<ApiVersionsRequest>("too new", 99, 0, b"\x01\x01\x00")
}

/// Which of them a server can be raised to is its own affair, so these ask for what is there, and for what is nowhere.
pub fn features(x: &mut Exchange) -> anyhow::Result<()> {
    const UPGRADE: i8 = 1;
    const SAFE_DOWNGRADE: i8 = 2;
    const METADATA: &str = "metadata.version";
    const METADATA_LEVEL: i16 = 30;
    let version = x.version();
    let ask = |updates: &[(&str, i16, i8)]| {
        let update = |(name, level, kind): &(&str, i16, i8)| {
            let update = FeatureUpdateKey::default().with_feature(text(name)).with_max_version_level(*level);
            if version >= 1 {
                update.with_upgrade_type(*kind)
            } else {
                update.with_allow_downgrade(*kind != UPGRADE).with_upgrade_type(UPGRADE)
            }
        };
        let request = UpdateFeaturesRequest::default().with_timeout_ms(TIMEOUT_MS);
        request.with_feature_updates(updates.iter().map(update).collect()).with_validate_only(version >= 1)
    };
    let there = (METADATA, METADATA_LEVEL, UPGRADE);
    x.ask("nothing", &ask(&[]))?;
    x.ask("what is there", &ask(&[there]))?;
    x.ask("what is there twice", &ask(&[there, there]))?;
    x.ask("down to what is there", &ask(&[(METADATA, METADATA_LEVEL, SAFE_DOWNGRADE)]))?;
    x.ask("a higher level", &ask(&[(METADATA, METADATA_LEVEL + 1, UPGRADE)]))?;
    x.ask("a lower level", &ask(&[(METADATA, METADATA_LEVEL - 10, UPGRADE)]))?;
    x.ask("down to a higher level", &ask(&[("group.version", 9, SAFE_DOWNGRADE)]))?;
    x.ask("a level below 0", &ask(&[("group.version", -1, UPGRADE)]))?;
    x.ask("no feature", &ask(&[("no.such", 1, UPGRADE)]))?;
    x.ask("no feature at 0", &ask(&[("no.such", 0, UPGRADE)]))?;
    x.ask("no name", &ask(&[("", 1, UPGRADE)]))?;
    x.ask("good and bad", &ask(&[there, ("no.such", 1, UPGRADE)]))?;
    x.ask("the newer group protocol", &ask(&[("group.version", 1, UPGRADE)]))?;
    if version >= 1 {
        for kind in [0, 9] {
            x.ask(&format!("type {kind}"), &ask(&[(METADATA, METADATA_LEVEL, kind)]))?;
        }
    }
    Ok(())
}

pub fn describe(x: &mut Exchange) -> anyhow::Result<()> {
    let version = x.version();
    let request = DescribeClusterRequest::default();
    x.ask("plain", &request)?;
    x.ask("with operations", &request.clone().with_include_cluster_authorized_operations(true))?;
    if version >= 1 {
        x.ask("controllers", &request.clone().with_endpoint_type(2))?;
        x.ask("another kind of endpoint", &request.clone().with_endpoint_type(3))?;
    }
    if version >= 2 {
        x.ask("with fenced brokers", &request.with_include_fenced_brokers(true))?;
    }
    Ok(())
}

pub fn coordinator(x: &mut Exchange) -> anyhow::Result<()> {
    let version = x.version();
    let keys = |keys: &[&str], kind: i8| {
        let request = FindCoordinatorRequest::default();
        let request = if version >= 1 { request.with_key_type(kind) } else { request };
        if version >= 4 {
            request.with_coordinator_keys(keys.iter().map(|key| text(key)).collect())
        } else {
            request.with_key(text(keys[0]))
        }
    };
    x.ask("of a group", &keys(&["group"], 0))?;
    x.ask("of a group without a name", &keys(&[""], 0))?;
    if version >= 1 {
        x.ask("of another kind", &keys(&["group"], 7))?;
    }
    if version >= 4 {
        x.ask("of nothing", &keys(&[], 0))?;
        x.ask("of three groups", &keys(&["c", "a", "b"], 0))?;
        x.ask("of one group twice", &keys(&["a", "a"], 0))?;
    }
    if version >= 1 {
        x.ask("of a share partition that is none", &keys(&["group"], 2))?;
    }
    if version >= 6 {
        x.ask("of a share partition", &keys(&["group:AAECAwQFBgcICQoLDA0ODw:0"], 2))?;
    }
    Ok(())
}
