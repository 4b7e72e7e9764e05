//! Groups that outlive their coordinator: records of their last rebalance, and offsets that are taken from members only.
//!
//! Records lie in parts of their own, which exist from the first record on: a snapshot of before has none, and is still the
//! same bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidelog_catalog_api::{ClaimRefused, GroupClaim, GroupOffset, GroupRecord, GroupRefused, OffsetRefused};
use tidelog_format::stored_struct;
use tidelog_model::limits::{GROUP_ID_BYTES_MAX, GROUP_RECORD_BYTES_MAX, GROUP_RECORDS_BYTES_MAX};
use tidelog_model::{LogIndex, SessionId, TenantId, mutant};

use crate::part::{GROUP_PARTS, Shared, Stamped};
use crate::shard::GroupKey;
use crate::state::State;

stored_struct! {
    /// Records of some groups.
    #[derive(Clone, Debug, Default)]
    pub struct GroupRecords {
        pub records: BTreeMap<GroupKey, Shared<GroupRecord>>,
    }
}

/// The part of a group.
pub(crate) fn group_part_of(key: &GroupKey) -> usize {
    key.shard() % GROUP_PARTS
}

impl State {
    /// Stores what a rebalance has decided, or forgets the group when there is nothing. What is older than what is stored
    /// changes nothing and is answered like what is stored.
    pub(crate) fn store_group(
        &mut self,
        index: LogIndex,
        session: SessionId,
        tenant: TenantId,
        group: &str,
        record: Option<&GroupRecord>,
    ) -> Result<(), GroupRefused> {
        if !self.meta.body.sessions.contains_key(&session) {
            return Err(GroupRefused::Fenced);
        }
        let key = GroupKey::new(tenant, group);
        let part = group_part_of(&key);
        let before = self.groups[part].body.records.get(&key);
        let before_bytes = before.map_or(0, |before| before.bytes());
        let Some(record) = record else {
            if before.is_some() {
                Stamped::write(&mut self.groups[part], index).records.remove(&key);
                self.derived.group_bytes -= before_bytes;
            }
            return Ok(());
        };
        let in_order = record.members.windows(2).all(|pair| pair[0].member_id < pair[1].member_id);
        let bytes = record.bytes();
        if !in_order || bytes > GROUP_RECORD_BYTES_MAX || group.len() > GROUP_ID_BYTES_MAX || record.session != session
        {
            return Err(GroupRefused::Invalid);
        }
        if let Some(before) = before {
            if before.session == session && before.revision >= record.revision {
                return Ok(());
            }
            if before.generation > record.generation {
                return Err(GroupRefused::GenerationBack(before.generation));
            }
        }
        let bytes_in_all = self.derived.group_bytes - before_bytes + bytes;
        if bytes_in_all > GROUP_RECORDS_BYTES_MAX {
            return Err(GroupRefused::Full);
        }
        self.derived.group_bytes = bytes_in_all;
        Stamped::write(&mut self.groups[part], index).records.insert(key, Shared::new(record.clone()));
        Ok(())
    }

    /// Offsets, if who brings them may: a member of the current generation; anybody, while the group has no members.
    pub(crate) fn commit_offsets_as(
        &mut self,
        index: LogIndex,
        (tenant, group): (TenantId, &str),
        claim: Option<&GroupClaim>,
        offsets: &[GroupOffset],
    ) -> Result<Vec<Result<(), OffsetRefused>>, ClaimRefused> {
        if !mutant!("claim-unchecked") {
            check_claim(self.group_record(tenant, group).as_deref(), claim)?;
        }
        Ok(self.commit_offsets(index, tenant, group, offsets))
    }

    /// What a group's last rebalance has decided.
    #[must_use]
    pub fn group_record(&self, tenant: TenantId, group: &str) -> Option<Arc<GroupRecord>> {
        let key = GroupKey::new(tenant, group);
        self.groups[group_part_of(&key)].body.records.get(&key).map(|record| Arc::clone(&record.0))
    }

    /// All groups that have a record.
    #[must_use]
    pub fn group_records(&self) -> Vec<(TenantId, Arc<str>, Arc<GroupRecord>)> {
        let records = self.groups.iter().flat_map(|part| &part.body.records);
        records.map(|(key, record)| (key.tenant, Arc::clone(&key.name), Arc::clone(&record.0))).collect()
    }
}

fn check_claim(record: Option<&GroupRecord>, claim: Option<&GroupClaim>) -> Result<(), ClaimRefused> {
    match (record, claim) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(ClaimRefused::IllegalGeneration),
        (Some(record), None) if record.members.is_empty() => Ok(()),
        (Some(_), None) => Err(ClaimRefused::UnknownMember),
        (Some(record), Some(claim)) if record.generation != claim.generation => Err(ClaimRefused::IllegalGeneration),
        (Some(record), Some(claim)) if record.has_member(&claim.member_id) => Ok(()),
        (Some(_), Some(_)) => Err(ClaimRefused::UnknownMember),
    }
}
