//! Groups' offsets.

use std::collections::BTreeSet;
use std::sync::Arc;

use tidelog_catalog_api::{GroupOffset, OffsetRefused};
use tidelog_model::limits::{GROUP_ID_BYTES_MAX, OFFSET_METADATA_BYTES_MAX};
use tidelog_model::{LogIndex, PartitionId, TenantId};

use crate::part::Stamped;
use crate::shard::GroupKey;
use crate::state::State;

impl State {
    /// Each offset by itself. A topic of another tenant does not exist for this one. A group name over
    /// [`GROUP_ID_BYTES_MAX`], which gateways refuse, is answered as too much metadata.
    pub(crate) fn commit_offsets(
        &mut self,
        index: LogIndex,
        tenant: TenantId,
        group: &str,
        offsets: &[GroupOffset],
    ) -> Vec<Result<(), OffsetRefused>> {
        let check = |offset: &GroupOffset| {
            if group.len() > GROUP_ID_BYTES_MAX || offset.metadata.len() > OFFSET_METADATA_BYTES_MAX {
                return Err(OffsetRefused::MetadataTooLarge);
            }
            let known = self.topic_of(offset.partition).is_some_and(|topic| topic.tenant == tenant);
            if known { Ok(()) } else { Err(OffsetRefused::UnknownPartition) }
        };
        let outcomes: Vec<Result<(), OffsetRefused>> = offsets.iter().map(check).collect();
        if outcomes.iter().any(Result::is_ok) {
            let key = GroupKey::new(tenant, group);
            let shard = Stamped::write(&mut self.shards[key.shard()], index);
            let stored = shard.groups.entry(key).or_default().write();
            let taken = offsets.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok());
            stored.extend(taken.map(|(offset, _)| (offset.partition, offset.clone())));
        }
        outcomes
    }

    /// Forgets offsets of a group, and the group with its last one. Says how many there were.
    pub(crate) fn delete_offsets(
        &mut self,
        index: LogIndex,
        tenant: TenantId,
        group: &str,
        partitions: Option<&[PartitionId]>,
    ) -> usize {
        let found = self.group_offsets(tenant, group, partitions);
        let forgotten: BTreeSet<PartitionId> = found.iter().map(|offset| offset.partition).collect();
        if forgotten.is_empty() {
            return 0;
        }
        let key = GroupKey::new(tenant, group);
        let groups = &mut Stamped::write(&mut self.shards[key.shard()], index).groups;
        let stored = groups.get_mut(&key).expect("it has offsets").write();
        stored.retain(|partition, _| !forgotten.contains(partition));
        if stored.is_empty() {
            groups.remove(&key);
        }
        forgotten.len()
    }

    /// Whether a group has committed offsets.
    #[must_use]
    pub fn has_group(&self, tenant: TenantId, group: &str) -> bool {
        let key = GroupKey::new(tenant, group);
        self.shards[key.shard()].body.groups.contains_key(&key)
    }

    /// The groups of a tenant that have committed offsets, by name.
    #[must_use]
    pub fn groups(&self, tenant: TenantId) -> Vec<Arc<str>> {
        let keys = self.shards.iter().flat_map(|shard| shard.body.groups.keys());
        let mut names: Vec<Arc<str>> =
            keys.filter(|key| key.tenant == tenant).map(|key| Arc::clone(&key.name)).collect();
        names.sort_unstable();
        names
    }

    /// What a group has committed: for the partitions asked, or for all when `None`. Partitions without an offset are
    /// absent.
    #[must_use]
    pub fn group_offsets(&self, tenant: TenantId, group: &str, partitions: Option<&[PartitionId]>) -> Vec<GroupOffset> {
        let key = GroupKey::new(tenant, group);
        let Some(stored) = self.shards[key.shard()].body.groups.get(&key) else { return Vec::new() };
        match partitions {
            Some(partitions) => partitions.iter().filter_map(|partition| stored.get(partition).cloned()).collect(),
            None => stored.values().cloned().collect(),
        }
    }

    /// What a group has committed, by partition, from one on, `count_max` at most.
    #[must_use]
    pub fn group_offsets_from(
        &self,
        tenant: TenantId,
        group: &str,
        from: PartitionId,
        count_max: usize,
    ) -> Vec<GroupOffset> {
        let key = GroupKey::new(tenant, group);
        let Some(stored) = self.shards[key.shard()].body.groups.get(&key) else { return Vec::new() };
        stored.range(from..).take(count_max).map(|(_, offset)| offset.clone()).collect()
    }
}
