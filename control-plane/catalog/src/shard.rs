//! A shard: the topics, partitions and groups whose ids hash to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tidelog_catalog_api::{GroupOffset, TopicView};
use tidelog_format::codec::{Corrupt, Decode, Encode, Reader, Writer};
use tidelog_format::stored_struct;
use tidelog_model::{LogIndex, PartitionId, TenantId, TopicId};

use crate::part::{PAYLOAD_PARTS, SHARDS, Shared};
use crate::partition::Partition;

stored_struct! {
    /// Its maps hold `Arc`s, so that copying it costs by the entry, not by what is in them.
    #[derive(Clone, Debug, Default)]
    pub struct Shard {
        pub topics: BTreeMap<TopicId, StoredTopic>,
        pub partitions: BTreeMap<PartitionId, Shared<Partition>>,
        pub groups: BTreeMap<GroupKey, Shared<BTreeMap<PartitionId, GroupOffset>>>,
    }

    /// Inline payloads, by the command that brought them.
    #[derive(Clone, Debug, Default)]
    pub struct Payloads {
        pub payloads: BTreeMap<LogIndex, Bytes>,
    }
}

/// A topic as it is stored.
#[derive(Clone, Debug)]
pub struct StoredTopic(pub Arc<TopicView>);

impl Shard {
    /// Those of a topic's partitions that lie here.
    pub fn partitions_of(&self, topic: TopicId) -> impl Iterator<Item = (&PartitionId, &Shared<Partition>)> {
        self.partitions.range(PartitionId { topic, index: 0 }..=PartitionId { topic, index: u32::MAX })
    }
}

/// A tenant's topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicKey {
    pub tenant: TenantId,
    pub name: Arc<str>,
}

/// A tenant's group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupKey {
    pub tenant: TenantId,
    pub name: Arc<str>,
}

impl GroupKey {
    pub fn new(tenant: TenantId, name: &str) -> GroupKey {
        GroupKey { tenant, name: Arc::from(name) }
    }

    pub fn shard(&self) -> usize {
        // FNV-1a.
        let hash = self
            .name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        slot(hash ^ u64::from(self.tenant.0))
    }
}

/// The shard of a topic.
pub(crate) fn shard_of_topic(topic: TopicId) -> usize {
    slot(fold(topic))
}

/// The shard of a partition: the partitions of a topic are spread.
pub(crate) fn shard_of(partition: PartitionId) -> usize {
    slot(fold(partition.topic).wrapping_add(u64::from(partition.index) + 1))
}

/// The payload part of a command: neighbours lie together, so that a part is left alone once its payloads are moved.
pub(crate) fn payload_part_of(index: LogIndex) -> usize {
    (index.0 / 1024) as usize % PAYLOAD_PARTS
}

fn fold(topic: TopicId) -> u64 {
    let bits = u128::from_be_bytes(topic.0);
    (bits >> 64) as u64 ^ bits as u64
}

/// The finaliser of MurmurHash3. Fixed for ever: it decides in which part of a snapshot a thing is.
fn slot(mut hash: u64) -> usize {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^= hash >> 33;
    hash as usize % SHARDS
}

impl Encode for StoredTopic {
    fn encode(&self, out: &mut Writer) {
        out.put(&self.0.id);
        out.put(&self.0.tenant);
        out.put(&*self.0.name);
        out.put(&self.0.partitions);
        out.put(&self.0.replication_factor);
        out.put(&*self.0.configs);
    }
}

impl Decode for StoredTopic {
    fn decode(input: &mut Reader) -> Result<Self, Corrupt> {
        Ok(StoredTopic(Arc::new(TopicView {
            id: input.get()?,
            tenant: input.get()?,
            name: input.get::<String>()?.into(),
            partitions: input.get()?,
            replication_factor: input.get()?,
            configs: Arc::new(input.get()?),
        })))
    }
}

impl Encode for TopicKey {
    fn encode(&self, out: &mut Writer) {
        out.put(&self.tenant);
        out.put(&*self.name);
    }
}

impl Decode for TopicKey {
    fn decode(input: &mut Reader) -> Result<Self, Corrupt> {
        Ok(TopicKey { tenant: input.get()?, name: input.get::<String>()?.into() })
    }
}

impl Encode for GroupKey {
    fn encode(&self, out: &mut Writer) {
        out.put(&self.tenant);
        out.put(&*self.name);
    }
}

impl Decode for GroupKey {
    fn decode(input: &mut Reader) -> Result<Self, Corrupt> {
        Ok(GroupKey { tenant: input.get()?, name: input.get::<String>()?.into() })
    }
}
