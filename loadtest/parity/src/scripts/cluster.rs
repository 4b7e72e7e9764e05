//! ApiVersions, DescribeCluster, FindCoordinator.

use kafka_protocol::messages::{ApiVersionsRequest, DescribeClusterRequest, FindCoordinatorRequest};

use super::common::text;
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
