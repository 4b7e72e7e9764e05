//! Groups, and some of their offsets, are deleted. What is proposed to the catalog is proposed while the group is locked,
//! so that no member joins, and no offset is committed, between the look at the group and the deletion.

use tidelog_catalog_api::{Command, Outcome, Proposal};
use tidelog_model::PartitionId;

use super::describe::{DeleteError, has_committed};
use super::machine::{Group, GroupState};
use super::messages::GroupKey;
use super::subscription::CONSUMER;
use super::{Coordinator, GroupError};

/// Whether the offset of one partition was deleted, or is needed by members who read that topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetDeletion {
    /// It is not there any more, or was not.
    Deleted,
    /// `GROUP_SUBSCRIBED_TO_TOPIC`.
    Subscribed,
}

impl Coordinator {
    /// Deletes a group without members with all it has committed. A cancelled caller may leave it deleted.
    ///
    /// # Errors
    /// [`DeleteError`].
    pub async fn delete(&self, key: &GroupKey) -> Result<(), DeleteError> {
        let propose = |partitions| self.propose_deletion(key, partitions);
        // What is committed may be unknown here; whether there is anything is asked before a command is made of a name.
        let is_committed = has_committed(self, key).await?;
        let taken = self.take_out(key, |group| match group.map(Group::state) {
            None if !is_committed => Err(DeleteError::NotFound),
            None | Some(GroupState::Empty) => Ok(propose(None)),
            Some(_) => Err(DeleteError::NonEmpty),
        })?;
        let was_known = taken.was_known;
        let forgotten = deleted(taken.proposal).await?;
        if forgotten == 0 && !was_known { Err(DeleteError::NotFound) } else { Ok(()) }
    }

    /// Deletes a group's offsets of some partitions, each with its topic's name. A cancelled caller may leave them deleted.
    ///
    /// # Errors
    /// [`DeleteError`], when no offset could be considered.
    pub async fn delete_offsets(
        &self,
        key: &GroupKey,
        partitions: &[(&str, PartitionId)],
    ) -> Result<Vec<OffsetDeletion>, DeleteError> {
        if key.group.is_empty() {
            return Err(GroupError::InvalidGroupId.into());
        }
        let is_committed = has_committed(self, key).await?;
        let (results, proposal) = self.with_group(key, |group| {
            let is_subscribed = match group {
                None if !is_committed => return Err(DeleteError::NotFound),
                Some(group) if group.state() != GroupState::Empty => {
                    // Of members that are no consumers nobody knows what they need.
                    if group.membership().protocol_type != CONSUMER {
                        return Err(DeleteError::NonEmpty);
                    }
                    let subscribed = group.subscribed();
                    let is_subscribed =
                        |topic: &str| subscribed.as_ref().is_none_or(|topics| topics.contains(topic.as_bytes()));
                    partitions.iter().map(|(topic, _)| is_subscribed(topic)).collect::<Vec<_>>()
                }
                None | Some(_) => vec![false; partitions.len()],
            };
            let free = partitions.iter().zip(&is_subscribed).filter(|(_, subscribed)| !**subscribed);
            let free = free.map(|((_, partition), _)| *partition).collect::<Vec<_>>();
            let result = |subscribed| if subscribed { OffsetDeletion::Subscribed } else { OffsetDeletion::Deleted };
            let results = is_subscribed.into_iter().map(result).collect::<Vec<_>>();
            let proposal = (!free.is_empty()).then(|| self.propose_deletion(key, Some(free)));
            Ok((results, proposal))
        })??;
        if let Some(proposal) = proposal {
            deleted(proposal).await?;
        }
        Ok(results)
    }

    /// Forgets a group, if it is known here and `propose` agrees, with its shard locked. Its generations begin anew.
    fn take_out(
        &self,
        key: &GroupKey,
        propose: impl FnOnce(Option<&Group>) -> Result<Proposal, DeleteError>,
    ) -> Result<TakenOut, DeleteError> {
        let mut shard = self.shard(key).lock();
        if shard.stopped {
            return Err(GroupError::NotAvailable.into());
        }
        let proposal = propose(shard.groups.get(key).map(|entry| &entry.group))?;
        let was_known = shard.groups.contains_key(key);
        self.forget(&mut shard, key);
        Ok(TakenOut { was_known, proposal })
    }

    fn propose_deletion(&self, key: &GroupKey, partitions: Option<Vec<PartitionId>>) -> Proposal {
        let (tenant, group) = (key.tenant, key.group.as_ref().to_owned());
        self.catalog.propose(Command::DeleteOffsets { tenant, group, partitions })
    }
}

/// A group that was forgotten here, and what was proposed about it.
struct TakenOut {
    was_known: bool,
    proposal: Proposal,
}

/// How many offsets were deleted.
async fn deleted(proposal: Proposal) -> Result<usize, DeleteError> {
    match proposal.await? {
        Outcome::OffsetsDeleted(count) => Ok(count),
        other => unreachable!("the catalog answers DeleteOffsets with OffsetsDeleted, not {other:?}"),
    }
}
