//! The bytes of commands as they stand in logs that exist: they are read for ever.

use std::collections::BTreeMap;
use std::fmt::Write;

use tidelog_model::{CommitSequence, LaneId};

use super::*;
use crate::{BatchGuard, KeyLayout, KeyedBatch, Payload, QuotaEntity, QuotaKind, QuotaName, QuotaValue};

/// A command, and the bytes that version 1 writes. A topic id is written as `T`.
fn check(command: &Command, bytes: &str) {
    let bytes = bytes.replace('T', &"03".repeat(16));
    let encoded = encode_command(command);
    let mut text = String::new();
    encoded.iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
    assert_eq!(text, bytes, "{command:?}");
    assert_eq!(decode_command(encoded).as_ref(), Ok(command));
}

fn partition(index: u32) -> PartitionId {
    PartitionId { topic: TopicId([3; 16]), index }
}

#[test]
fn what_changes_topics() {
    let configs = |value: &str| BTreeMap::from([("retention.ms".to_owned(), value.to_owned())]);
    let topic = TopicId([3; 16]);
    check(
        &Command::AlterTopicConfigs { topic, before: configs("1"), after: BTreeMap::new() },
        "010bT010c726574656e74696f6e2e6d73013100",
    );
    check(&Command::CreatePartitions { topic, count: 300 }, "010cTac02");
}

#[test]
fn what_changes_metrics_subscriptions() {
    let after = BTreeMap::from([("metrics".to_owned(), "*".to_owned())]);
    let (tenant, name) = (TenantId(1), "all".to_owned());
    check(
        &Command::AlterMetricsSubscription { tenant, name, before: BTreeMap::new(), after },
        "01120103616c6c0001076d657472696373012a",
    );
}

#[test]
fn what_deletes() {
    check(&Command::RemoveTopics { topics: vec![TopicId([3; 16])] }, "011301T");
    let (tenant, group) = (TenantId(1), "readers".to_owned());
    check(&Command::DeleteOffsets { tenant, group: group.clone(), partitions: None }, "010d01077265616465727300");
    check(
        &Command::DeleteOffsets { tenant, group, partitions: Some(vec![partition(2)]) },
        "010d0107726561646572730101T02",
    );
    let some = RecordsDeletion { partition: partition(1), before: Some(Offset(500)) };
    let all = RecordsDeletion { partition: partition(2), before: None };
    check(&Command::DeleteRecords { partitions: vec![some, all] }, "010e02T0101f4T030200");
}

#[test]
fn what_guards() {
    check(&Command::RaiseFence { partition: partition(2), token: FencingToken(300) }, "0115T02ac02");
    let commit = Commit {
        session: SessionId(1),
        lane: LaneId(0),
        sequence: CommitSequence(2),
        outcomes_received: CommitSequence(1),
        payload: Payload::Inline(Bytes::from_static(&[9])),
        entries: vec![],
    };
    let layout = KeyLayout { partitions: 6, batch_bytes_max: 128 };
    let key = KeyedBatch { key: [3; 16], body: [3; 16], layout, batches: 2, number: 1 };
    let guards = vec![
        BatchGuard { batch: 0, fencing_token: Some(FencingToken(7)), key: None },
        BatchGuard { batch: 4, fencing_token: None, key: Some(key) },
    ];
    check(
        &Command::GuardedCommit(GuardedCommit { commit, guards }),
        "011401000201020109000200010700040001TT0680010201",
    );
}

#[test]
fn what_limits() {
    let entity = |user: Option<QuotaName>, client_id: Option<QuotaName>| QuotaEntity { user, client_id, ip: None };
    let named = entity(Some(QuotaName::Named("u".to_owned())), Some(QuotaName::Default));
    let set = (QuotaKind::ProducerByteRate, Some(QuotaValue::new(1024.0)));
    let alterations = vec![
        QuotaAlteration { entity: named, changes: BTreeMap::from([set, (QuotaKind::RequestPercentage, None)]) },
        QuotaAlteration { entity: entity(None, None), changes: BTreeMap::new() },
    ];
    check(
        &Command::AlterClientQuotas { tenant: TenantId(1), alterations },
        "01110102010101750100000201014090000000000000030000000000",
    );
}
