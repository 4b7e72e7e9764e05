//! Groups' offsets.

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
}
