//! The exchanges. Each script asks about one thing, once for every version of the API that it is about.

mod admin;
mod cluster;
mod common;
mod configs;
mod fetch;
mod group_admin;
mod group_offsets;
mod groups;
mod metadata;
mod offsets;
mod offsets_by_id;
mod produce;
mod quotas;
mod telemetry;
mod topics;

use anyhow::ensure;
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, FindCoordinatorRequest, InitProducerIdRequest};

use crate::exchange::{Exchange, Offered};
use crate::verdict::Run;
use crate::wire::{Came, Wire, answer_header, decode};
use common::text;

/// What is asked in one script.
pub struct Script {
    pub name: &'static str,
    /// The script runs in every version of this API that Tidelog offers. What else it asks is asked in the nearest version.
    pub api: ApiKey,
    pub run: fn(&mut Exchange) -> anyhow::Result<()>,
}

/// All of them, in running order. Each leaves alone what the others make, but "all topics" sees everything that is there, and
/// so comes before what Kafka does some time after it has answered.
pub const SCRIPTS: &[Script] = &[
    Script { name: "all topics", api: ApiKey::Metadata, run: metadata::all },
    Script { name: "versions", api: ApiKey::ApiVersions, run: cluster::versions },
    Script { name: "features", api: ApiKey::UpdateFeatures, run: cluster::features },
    Script { name: "cluster", api: ApiKey::DescribeCluster, run: cluster::describe },
    Script { name: "coordinator", api: ApiKey::FindCoordinator, run: cluster::coordinator },
    Script { name: "metadata", api: ApiKey::Metadata, run: metadata::named },
    Script { name: "auto-create", api: ApiKey::Metadata, run: metadata::auto_created },
    Script { name: "create", api: ApiKey::CreateTopics, run: topics::created },
    Script { name: "create refused", api: ApiKey::CreateTopics, run: topics::refused },
    Script { name: "delete", api: ApiKey::DeleteTopics, run: topics::deleted },
    Script { name: "produce", api: ApiKey::Produce, run: produce::plain },
    Script { name: "produce refused", api: ApiKey::Produce, run: produce::refused },
    Script { name: "produce compacted", api: ApiKey::Produce, run: produce::compacted },
    Script { name: "idempotent", api: ApiKey::Produce, run: produce::idempotent },
    Script { name: "producer ids", api: ApiKey::InitProducerId, run: produce::producer_ids },
    Script { name: "fetch", api: ApiKey::Fetch, run: fetch::plain },
    Script { name: "fetch session", api: ApiKey::Fetch, run: fetch::sessions },
    Script { name: "list offsets", api: ApiKey::ListOffsets, run: offsets::listed },
    Script { name: "epochs", api: ApiKey::OffsetForLeaderEpoch, run: offsets::epochs },
    Script { name: "group", api: ApiKey::JoinGroup, run: groups::lifecycle },
    Script { name: "group refused", api: ApiKey::JoinGroup, run: groups::refused },
    Script { name: "static member", api: ApiKey::JoinGroup, run: groups::static_members },
    Script { name: "commit", api: ApiKey::OffsetCommit, run: group_offsets::committed },
    Script { name: "committed", api: ApiKey::OffsetFetch, run: group_offsets::fetched },
    Script { name: "describe groups", api: ApiKey::DescribeGroups, run: group_admin::described },
    Script { name: "delete groups", api: ApiKey::DeleteGroups, run: group_admin::deleted },
    Script { name: "list groups", api: ApiKey::ListGroups, run: group_admin::listed },
    Script { name: "delete offsets", api: ApiKey::OffsetDelete, run: group_admin::offsets_deleted },
    Script { name: "describe configs", api: ApiKey::DescribeConfigs, run: configs::described },
    Script { name: "alter configs", api: ApiKey::AlterConfigs, run: configs::altered },
    Script { name: "change configs", api: ApiKey::IncrementalAlterConfigs, run: configs::changed },
    Script { name: "alter quotas", api: ApiKey::AlterClientQuotas, run: quotas::altered },
    Script { name: "quotas refused", api: ApiKey::AlterClientQuotas, run: quotas::refused },
    Script { name: "describe quotas", api: ApiKey::DescribeClientQuotas, run: quotas::described },
    Script { name: "config resources", api: ApiKey::ListConfigResources, run: configs::resources },
    Script { name: "metrics subscriptions", api: ApiKey::IncrementalAlterConfigs, run: telemetry::subscriptions },
    Script { name: "telemetry", api: ApiKey::GetTelemetrySubscriptions, run: telemetry::asked },
    Script { name: "push", api: ApiKey::PushTelemetry, run: telemetry::pushed },
    Script { name: "more partitions", api: ApiKey::CreatePartitions, run: admin::create_partitions },
    Script { name: "delete records", api: ApiKey::DeleteRecords, run: admin::delete_records },
    Script { name: "elect", api: ApiKey::ElectLeaders, run: admin::elect },
    Script { name: "reassign", api: ApiKey::AlterPartitionReassignments, run: admin::reassign },
    Script { name: "reassignments", api: ApiKey::ListPartitionReassignments, run: admin::reassignments },
    Script { name: "topic partitions", api: ApiKey::DescribeTopicPartitions, run: admin::topic_partitions },
    Script { name: "producers", api: ApiKey::DescribeProducers, run: admin::producers },
    Script { name: "quorum", api: ApiKey::DescribeQuorum, run: admin::quorum },
    Script { name: "log dirs", api: ApiKey::DescribeLogDirs, run: admin::log_dirs },
];

/// Scripts that may break off before a run is given up: each may have waited for long, and the first says what is wrong.
const BROKEN_MAX: usize = 3;

/// What they are called.
#[must_use]
pub fn names() -> Vec<&'static str> {
    SCRIPTS.iter().map(|script| script.name).collect()
}

/// Runs `scripts` one after the other against the server at `address`, in the versions that Tidelog offers.
#[must_use]
pub fn run(scripts: &[&Script], address: &str, offered: &Offered) -> Run {
    let mut run = Run::default();
    for script in scripts {
        for version in versions(offered, script.api as i16) {
            if run.broken.len() == BROKEN_MAX {
                return run;
            }
            let mut exchange = Exchange::begin(address, offered, script.name, version);
            if let Err(error) = (script.run)(&mut exchange) {
                run.broken.push((script.name.to_owned(), version, format!("{error:#}")));
            }
            run.steps.extend(exchange.end());
        }
    }
    run
}

/// Of an API that is not offered, none.
fn versions(offered: &Offered, api: i16) -> impl Iterator<Item = i16> {
    offered.get(&api).cloned().into_iter().flatten()
}

/// The versions that the server at `address` advertises.
///
/// # Errors
/// It does not answer.
pub fn offered(address: &str) -> anyhow::Result<Offered> {
    const VERSION: i16 = 0;
    let mut wire = Wire::connect(address)?;
    wire.send(VERSION, &ApiVersionsRequest::default())?;
    let Came::Frame(frame) = wire.receive(answer_header::<ApiVersionsRequest>(VERSION))? else {
        anyhow::bail!("{address} ends the connection instead of saying its versions")
    };
    let answer = decode::<ApiVersionsRequest>(frame, VERSION)?;
    ensure!(answer.error_code == 0, "{address} answers error {} to ApiVersions", answer.error_code);
    Ok(answer.api_keys.iter().map(|api| (api.api_key, api.min_version..=api.max_version)).collect())
}

/// Waits until the server at `address` can do what it does on first use only: coordinate a group, hand out producer ids.
///
/// # Errors
/// It takes too long.
pub fn warm_up(address: &str) -> anyhow::Result<()> {
    let mut exchange = Exchange::begin(address, &Offered::new(), "warm-up", 0);
    exchange.settle("a coordinator", |exchange| {
        let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("warm-up")]);
        let answer = exchange.quietly_in(4, &request)?;
        Ok(answer.coordinators.iter().all(|one| one.error_code == 0).then_some(()))
    })?;
    exchange.settle("a group", |exchange| {
        let leave = common::leave(5, "warm-up", &[("nobody", None)]);
        // Unknown member: what the group's own coordinator says.
        let answer = exchange.quietly_in(5, &leave)?;
        Ok((answer.error_code == 0 && answer.members.iter().all(|one| one.error_code == 25)).then_some(()))
    })?;
    exchange.settle("a producer id", |exchange| {
        let answer = exchange.quietly_in(
            4,
            &InitProducerIdRequest::default().with_transactional_id(None).with_transaction_timeout_ms(60_000),
        )?;
        Ok((answer.error_code == 0).then_some(()))
    })
}
