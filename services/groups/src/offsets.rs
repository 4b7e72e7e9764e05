//! How far groups have read: committed to the catalog after the group has agreed, read back from it.

use tidelog_catalog_api::{CatalogError, ClaimRefused, Command, GroupClaim, GroupOffset, OffsetRefused, Outcome};
use tidelog_model::PartitionId;
use tidelog_model::limits::GROUP_ID_BYTES_MAX;

use super::messages::{CommitRequest, GroupKey};
use super::{CommitError, Coordinator, GroupError};

impl Coordinator {
    /// OffsetCommit: one answer per offset; they are durable when it returns `Ok`. A cancelled caller may leave them
    /// committed.
    ///
    /// # Errors
    /// When the group refuses, or the catalog does not answer; then they may have been committed if
    /// [`CatalogError::first_try`] says so. To commit them again is always right.
    pub async fn commit_offsets(&self, request: CommitRequest) -> Result<Vec<Result<(), OffsetRefused>>, CommitError> {
        // Kafka lets consumers without membership use the empty group id.
        if request.key.group.len() > GROUP_ID_BYTES_MAX {
            return Err(CommitError::Refused(GroupError::InvalidGroupId));
        }
        let CommitRequest { key, claim, offsets } = request;
        let count = offsets.len();
        // The catalog checks it again: another coordinator may have taken over meanwhile.
        let member = (claim.generation >= 0)
            .then(|| GroupClaim { generation: claim.generation, member_id: claim.member_id.clone() });
        let (tenant, group) = (key.tenant, key.group.as_ref().to_owned());
        let command = Command::CommitOffsetsAs { tenant, group, claim: member, offsets };
        let outcome = self.if_may_commit(&key, &claim, || self.catalog.propose(command))?.await?;
        let results = match outcome {
            Outcome::OffsetsCommittedAs(Ok(results)) => results,
            Outcome::OffsetsCommittedAs(Err(ClaimRefused::IllegalGeneration)) => {
                return Err(CommitError::Refused(GroupError::IllegalGeneration));
            }
            Outcome::OffsetsCommittedAs(Err(ClaimRefused::UnknownMember)) => {
                return Err(CommitError::Refused(GroupError::UnknownMember));
            }
            other => unreachable!("the catalog answers CommitOffsetsAs with OffsetsCommittedAs, not {other:?}"),
        };
        assert_eq!(results.len(), count, "the catalog answers each offset");
        Ok(results)
    }

    /// OffsetFetch: what the group has committed for these partitions, or for all. A partition that is absent had no
    /// offset when this was called.
    ///
    /// # Errors
    /// When the catalog cannot say whether what is missing here is missing.
    pub async fn fetch_offsets(
        &self,
        key: &GroupKey,
        partitions: Option<&[PartitionId]>,
    ) -> Result<Vec<GroupOffset>, CatalogError> {
        let found = self.catalog.group_offsets(key.tenant, &key.group, partitions);
        if partitions.is_some_and(|asked| found.len() >= asked.len()) {
            return Ok(found);
        }
        // "None" from a replica that lags would make a consumer start from the beginning, or skip to the end.
        self.catalog.read_barrier().await?;
        Ok(self.catalog.group_offsets(key.tenant, &key.group, partitions))
    }
}
