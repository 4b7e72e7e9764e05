//! A topic is created under the name of one that was deleted: who wrote there may go on.

use tidelog_catalog_api::*;
use tidelog_model::*;

use super::scenarios::{Cluster, batch, partition};
use crate::departed::{DEPARTED_PRODUCERS_MAX, DEPARTED_TICKS};
use crate::{PartId, State};

fn produced(id: i64, sequence: i32) -> CommitBatch {
    CommitBatch {
        producer: Some(ProducerBatch { id: ProducerId(id), epoch: ProducerEpoch(0), sequence }),
        ..batch(1, 2)
    }
}

fn write(cluster: &mut Cluster, to: PartitionId, batches: Vec<CommitBatch>) -> Vec<BatchOutcome> {
    let bytes = batches.len() as u32;
    let payload = Payload::Inline(vec![7; bytes as usize].into());
    match cluster.commit(payload, vec![CommitEntry { partition: to, position: 0, batches }]).unwrap() {
        CommitOutcome::Applied(outcomes) => outcomes,
        other => panic!("not applied: {other:?}"),
    }
}

fn appended(offset: u64) -> BatchOutcome {
    BatchOutcome::Appended { base_offset: Offset(offset) }
}

fn remove(cluster: &mut Cluster, id: u8) {
    let removed = cluster.apply(&Command::RemoveTopics { topics: vec![TopicId([id; 16])] });
    assert_eq!(removed, Outcome::TopicsDeleted(vec![true]));
}

fn in_topic(id: u8, index: u32) -> PartitionId {
    PartitionId { topic: TopicId([id; 16]), index }
}

/// Topic 1, in which producer 5 has come to sequence 4, is deleted and created again as 2.
fn created_again() -> Cluster {
    let mut cluster = Cluster::new(1);
    assert_eq!(write(&mut cluster, partition(0), vec![produced(5, 0), produced(5, 2)]), [appended(0), appended(2)]);
    remove(&mut cluster, 1);
    cluster.create("t", 2, 2);
    cluster.state.validate().unwrap();
    cluster
}

#[test]
fn a_producer_goes_on_where_it_was() {
    let mut cluster = created_again();
    let expected = BatchOutcome::OutOfOrder { expected: 4 };
    let to = in_topic(2, 0);
    assert!(cluster.state.producers(to).unwrap().is_empty(), "it has not written here");
    // The second batch is not taken for the first, which is still to be tried again; nor is one that the old topic had.
    assert_eq!(write(&mut cluster, to, vec![produced(5, 6), produced(5, 2)]), [expected, expected]);
    let again = BatchOutcome::Duplicate { base_offset: Offset(0) };
    let all = vec![produced(5, 4), produced(5, 6), produced(5, 4), produced(5, 0)];
    let gone = BatchOutcome::OutOfOrder { expected: 8 };
    assert_eq!(write(&mut cluster, to, all), [appended(0), appended(2), again, gone]);
    assert_eq!(cluster.state.producers(to).unwrap()[0].last_sequence, 7);
}

#[test]
fn or_begins_anew_as_a_client_does_that_has_seen_the_topic_go() {
    let mut cluster = created_again();
    let all = vec![produced(5, 0), produced(5, 2), produced(5, 0)];
    let again = BatchOutcome::Duplicate { base_offset: Offset(0) };
    assert_eq!(write(&mut cluster, in_topic(2, 0), all), [appended(0), appended(2), again]);
}

#[test]
fn all_others_begin_at_0() {
    let mut cluster = created_again();
    let unknown = BatchOutcome::UnknownProducer;
    assert_eq!(write(&mut cluster, in_topic(2, 0), vec![produced(4, 4), produced(6, 4)]), [unknown; 2]);
    assert_eq!(write(&mut cluster, in_topic(2, 1), vec![produced(5, 4), produced(5, 0)]), [unknown, appended(0)]);
}

#[test]
fn it_goes_on_after_a_second_time_too_and_from_a_snapshot() {
    let mut cluster = created_again();
    remove(&mut cluster, 2);
    let parts = |state: &State| state.freeze().parts().iter().map(|part| (part.id, part.encode())).collect::<Vec<_>>();
    let whole = parts(&cluster.state);
    assert!(whole.iter().any(|(id, _)| *id == PartId::DEPARTED));
    let restored = State::restore(whole.clone()).unwrap();
    assert_eq!(restored.hash(), cluster.state.hash());
    let without = whole.into_iter().filter(|(id, _)| *id != PartId::DEPARTED).collect();
    assert!(State::restore(without).unwrap().departed.body.topics.is_empty(), "as before there were any");
    cluster.state = restored;
    cluster.create("t", 1, 3);
    assert!(cluster.state.departed.body.topics.is_empty(), "handed over");
    assert_eq!(write(&mut cluster, in_topic(3, 0), vec![produced(5, 4)]), [appended(0)]);
    assert_eq!(PartId::DEPARTED.to_string(), "departed");
}

#[test]
fn nothing_is_remembered_for_ever_nor_by_the_command_of_before() {
    for (ticks, command) in [
        (DEPARTED_TICKS + 1, Command::RemoveTopics { topics: vec![TopicId([1; 16])] }),
        (0, Command::DeleteTopics { topics: vec![TopicId([1; 16])] }),
    ] {
        let mut cluster = Cluster::new(1);
        write(&mut cluster, partition(0), vec![produced(5, 0)]);
        cluster.apply(&command);
        (0..ticks).for_each(|_| cluster.tick());
        assert!(cluster.state.departed.body.topics.is_empty());
        cluster.create("t", 1, 2);
        assert_eq!(write(&mut cluster, in_topic(2, 0), vec![produced(5, 2)]), [BatchOutcome::UnknownProducer]);
    }
}

#[test]
fn the_topics_that_went_first_make_room() {
    let mut cluster = Cluster::new(1);
    let half = DEPARTED_PRODUCERS_MAX as i64 / 2 + 1;
    for life in 0..3_u8 {
        let id = 10 + life;
        cluster.create(&format!("topic-{life}"), 1, id);
        write(&mut cluster, in_topic(id, 0), (0..half).map(|producer| produced(producer, 0)).collect());
        cluster.tick();
        remove(&mut cluster, id);
        cluster.state.validate().unwrap();
        let names: Vec<_> = cluster.state.departed.body.topics.keys().map(|key| key.name.to_string()).collect();
        assert_eq!(names, [format!("topic-{life}")]);
    }
}
