//! What is stored is counted through all that happens to it.

use bytes::Bytes;
use tidelog_catalog_api::*;
use tidelog_model::*;

use super::scenarios::{Cluster, batch, entry, partition};
use crate::State;

fn check(cluster: &Cluster, inline: (u64, u64), objects: (u64, u64), topic: (u64, u64)) {
    let stage = |(bytes, extents)| StageTotals { bytes, extents };
    let stored = StoredTotals { inline: stage(inline), objects: stage(objects) };
    assert_eq!(cluster.state.stored_totals(), stored);
    let totals = TopicTotals { records: topic.0, bytes: topic.1 };
    assert_eq!(cluster.state.topic_totals(partition(0).topic), Some(totals));
    cluster.state.validate().unwrap();
    let parts = cluster.state.freeze().parts().iter().map(|part| (part.id, part.encode())).collect();
    assert_eq!(State::restore(parts).unwrap().stored_totals(), stored, "a restore counts the same");
}

#[test]
fn bytes_are_counted_where_they_are() {
    let mut cluster = Cluster::new(2);
    check(&cluster, (0, 0), (0, 0), (0, 0));
    // Neighbours in one payload are one extent.
    let entries = vec![entry(0, 0, vec![batch(10, 2), batch(20, 3)]), entry(1, 30, vec![batch(5, 1)])];
    cluster.commit(Payload::Inline(Bytes::from(vec![0; 35])), entries).unwrap();
    check(&cluster, (35, 2), (0, 0), (6, 35));
    let object = cluster.grant(2, 10);
    cluster.commit(Payload::Object { object, bytes: 100 }, vec![entry(0, 0, vec![batch(100, 1)])]).unwrap();
    check(&cluster, (35, 2), (100, 1), (7, 135));

    let from = cluster.state.inline_extents(usize::MAX)[0].extent.location;
    let Location::Inline { index: from, .. } = from else { panic!("it is inline") };
    let step = |index, base, bytes, from_position| ExtentMove {
        partition: partition(index),
        base_offset: Offset(base),
        from,
        from_position,
        bytes,
        to_position: from_position,
    };
    let moves = vec![step(0, 0, 30, 0), step(1, 0, 5, 30)];
    let object = ObjectId(object.0 + 1);
    let moved =
        cluster.apply(&Command::MoveInline(MoveInline { session: SessionId(1), object, object_bytes: 35, moves }));
    assert_eq!(moved, Outcome::Moved(Ok(vec![true, true])));
    check(&cluster, (0, 0), (135, 3), (7, 135));

    let deletion = RecordsDeletion { partition: partition(0), before: Some(Offset(5)) };
    cluster.apply(&Command::DeleteRecords { partitions: vec![deletion] });
    check(&cluster, (0, 0), (105, 2), (2, 105));
    // The extent that holds the beginning counts whole.
    cluster.commit(Payload::Inline(Bytes::from(vec![0; 8])), vec![entry(1, 0, vec![batch(8, 4)])]).unwrap();
    let deletion = RecordsDeletion { partition: partition(1), before: Some(Offset(3)) };
    cluster.apply(&Command::DeleteRecords { partitions: vec![deletion] });
    check(&cluster, (8, 1), (100, 1), (3, 108));
    cluster.apply(&Command::RemoveTopics { topics: vec![partition(0).topic] });
    assert_eq!(cluster.state.stored_totals(), StoredTotals::default());
    assert_eq!(cluster.state.topic_totals(partition(0).topic), None);
    cluster.state.validate().unwrap();
}
