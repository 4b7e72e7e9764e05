//! Random steps: small numbers that the driver turns into commands.

use proptest::prelude::*;

/// A step; picks are taken modulo what there is.
#[derive(Clone, Debug)]
pub enum Step {
    Tick(i32),
    /// An hour and a bit.
    LongSleep,
    OpenSession(u8),
    Grant {
        session: u8,
        count: u8,
        ticks: u8,
    },
    Commit(CommitStep),
    Move {
        session: u8,
        object: u8,
        skip: u8,
        spread: u8,
        tamper: u8,
    },
    Create {
        tenant: u8,
        name: u8,
        partitions: u8,
        id: u8,
    },
    Delete(u8),
    ProducerIds(u8),
    Offsets {
        tenant: u8,
        group: u8,
        partition: u8,
        offset: u8,
    },
    Configs {
        topic: u8,
        value: u8,
        stale: u8,
    },
    Grow {
        topic: u8,
        by: u8,
    },
    DeleteOffsets {
        tenant: u8,
        group: u8,
        partition: u8,
    },
    DeleteRecords {
        partition: u8,
        before: u8,
    },
    StoreGroup(u8, u8, u8),
    OffsetsAs(u8, u8, u8),
    Quotas(u8, u8, u8),
    Fence(u8, u8),
    Subscription {
        name: u8,
        value: u8,
        stale: u8,
    },
    /// The same command as that many ago.
    Again(u8),
    Freeze,
}

#[derive(Clone, Debug)]
pub struct CommitStep {
    pub session: u8,
    pub lane: u8,
    pub sequence: u8,
    pub received: u8,
    pub object: u8,
    pub entries: Vec<(u8, Vec<BatchStep>)>,
}

#[derive(Clone, Debug)]
pub struct BatchStep {
    pub bytes: u8,
    pub records: u8,
    pub timestamp: u8,
    pub producer: u8,
    pub epoch: u8,
    pub sequence: u8,
    pub expected: u8,
    pub guard: u8,
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let batch = (1..20_u8, 1..5_u8, any::<u8>(), 0..5_u8, 0..12_u8, any::<u8>(), any::<u8>(), any::<u8>()).prop_map(
        |(bytes, records, timestamp, producer, epoch, sequence, expected, guard)| BatchStep {
            bytes,
            records,
            timestamp,
            producer,
            epoch,
            sequence,
            expected,
            guard,
        },
    );
    let entries = prop::collection::vec((any::<u8>(), prop::collection::vec(batch, 0..4)), 0..4);
    let commit = (any::<u8>(), 0..2_u8, any::<u8>(), any::<u8>(), any::<u8>(), entries).prop_map(
        |(session, lane, sequence, received, object, entries)| {
            Step::Commit(CommitStep { session, lane, sequence, received, object, entries })
        },
    );
    let n = any::<u8>;
    let step = prop_oneof![
        2 => (-100_000..200_000_i32).prop_map(Step::Tick),
        1 => Just(Step::LongSleep),
        2 => (0..3_u8).prop_map(Step::OpenSession),
        4 => (n(), 0..6_u8, 0..30_u8).prop_map(|(session, count, ticks)| Step::Grant { session, count, ticks }),
        24 => commit,
        4 => (n(), n(), 0..3_u8, 0..3_u8, 0..20_u8)
            .prop_map(|(session, object, skip, spread, tamper)| Step::Move { session, object, skip, spread, tamper }),
        3 => (0..2_u8, n(), 0..4_u8, 0..10_u8)
            .prop_map(|(tenant, name, partitions, id)| Step::Create { tenant, name, partitions, id }),
        1 => n().prop_map(Step::Delete),
        1 => (0..3_u8).prop_map(Step::ProducerIds),
        2 => (0..2_u8, 0..2_u8, n(), n())
            .prop_map(|(tenant, group, partition, offset)| Step::Offsets { tenant, group, partition, offset }),
        1 => (n(), 0..3_u8, 0..4_u8).prop_map(|(topic, value, stale)| Step::Configs { topic, value, stale }),
        1 => (n(), 0..5_u8).prop_map(|(topic, by)| Step::Grow { topic, by }),
        2 => (0..2_u8, 0..2_u8, n())
            .prop_map(|(tenant, group, partition)| Step::DeleteOffsets { tenant, group, partition }),
        4 => (n(), n()).prop_map(|(partition, before)| Step::DeleteRecords { partition, before }),
        3 => (n(), n(), n()).prop_map(|(group, generation, members)| Step::StoreGroup(group, generation, members)),
        3 => (n(), n(), n()).prop_map(|(group, claim, partition)| Step::OffsetsAs(group, claim, partition)),
        3 => (n(), n(), n()).prop_map(|(entity, kinds, value)| Step::Quotas(entity, kinds, value)),
        2 => (n(), n(), n()).prop_map(|(name, value, stale)| Step::Subscription { name, value, stale }),
        3 => (n(), n()).prop_map(|(partition, token)| Step::Fence(partition, token)),
        4 => (1..12_u8).prop_map(Step::Again),
        2 => Just(Step::Freeze),
    ];
    prop::collection::vec(step, 1..90)
}
