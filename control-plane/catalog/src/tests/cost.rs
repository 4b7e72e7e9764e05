//! What it costs: printed by `cargo test --release -p tidelog-catalog cost -- --nocapture`, and bounded generously, so that
//! only a change of order fails.

use std::time::Instant;

use bytes::Bytes;
use tidelog_catalog_api::*;
use tidelog_model::*;

use super::scenarios::{Cluster, batch, entry, partition};

/// Given 10,000 partitions and commits of 1,000 entries; when a freeze comes now and then; then a commit stays cheap, and
/// what did not change is shared.
#[test]
fn a_commit_of_a_thousand_entries() {
    let started = Instant::now();
    let mut cluster = Cluster::new(10_000);
    println!("10,000 partitions in one topic: {:?}", started.elapsed());
    let started = Instant::now();
    let topic = |i: u128| NewTopic {
        tenant: TenantId(2),
        id: TopicId(i.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes()),
        name: format!("topic-{i}"),
        partitions: 1,
        replication_factor: 1,
        configs: Default::default(),
    };
    cluster.apply(&Command::CreateTopics { topics: (1..=10_000).map(topic).collect() });
    println!("10,000 topics in one command: {:?}", started.elapsed());

    let mut spent = std::time::Duration::ZERO;
    let mut worst = spent;
    let mut frozen = cluster.state.freeze();
    let rounds = 200;
    for round in 0..rounds {
        let object = cluster.grant(1, 1);
        let entries = (0..1_000).map(|i| entry((i * 10 + round % 10) % 10_000, i * 100, vec![batch(100, 1)]));
        let (payload, entries) = (Payload::Object { object, bytes: 100_000 }, entries.collect());
        let started = Instant::now();
        cluster.commit(payload, entries).unwrap();
        let took = started.elapsed();
        spent += took;
        worst = worst.max(took);
        if round % 20 == 0 {
            frozen = cluster.state.freeze();
        }
    }
    let each = spent / rounds;
    println!("a commit of 1,000 entries: {each:?} on average, {worst:?} the worst (right after a freeze)");
    let started = Instant::now();
    let bytes: usize = frozen.parts().iter().map(|part| part.encode().len()).sum();
    println!("all parts encoded: {bytes} bytes in {:?}", started.elapsed());
    let started = Instant::now();
    let parts = cluster.state.freeze().parts().iter().map(|part| (part.id, part.encode())).collect();
    let restored = crate::State::restore(parts).unwrap();
    println!("encoded and restored, {} extents: {:?}", 1_000 * rounds, started.elapsed());
    assert_eq!(restored.hash(), cluster.state.hash());
    println!("memory per extent: {} bytes", size_of::<Extent>());
    assert!(size_of::<Extent>() <= 64, "at most 64 bytes per live extent");
    assert!(each.as_millis() < 50, "a commit of 1,000 entries takes {each:?}");
}

/// Given a state, when one partition is written after a freeze, then all other parts are the same bytes in the same place.
#[test]
fn a_write_changes_one_shard() {
    let mut cluster = Cluster::new(1_000);
    let entries = (0..1_000).map(|i| entry(i, i, vec![batch(1, 1)])).collect();
    cluster.commit(Payload::Inline(Bytes::from(vec![0; 1_000])), entries).unwrap();
    let before = cluster.state.freeze();
    let object = cluster.grant(1, 9);
    cluster.commit(Payload::Object { object, bytes: 9 }, vec![entry(5, 0, vec![batch(9, 1)])]).unwrap();
    let after = cluster.state.freeze();
    let changed = before.parts().iter().zip(after.parts()).filter(|(a, b)| a.changed_at != b.changed_at).count();
    assert_eq!(changed, 2, "meta, and the shard of {}", partition(5));
    let shared = before.shards.iter().zip(&after.shards).filter(|(a, b)| std::sync::Arc::ptr_eq(a, b)).count();
    assert_eq!(shared, 63);
}
