//! Groups as administrators see them: those with members, and those that exist only through what they have committed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use tidelog_catalog_api::CatalogError;
use tidelog_model::TenantId;

use super::machine::{Group, GroupState};
use super::messages::GroupKey;
use super::{CommitError, Coordinator, GroupError};

/// A group in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSummary {
    /// Its state.
    pub state: GroupState,
    /// As its first member stated it; empty for a group that never had any.
    pub protocol_type: String,
    /// How many members it has.
    pub members: usize,
}

impl GroupSummary {
    /// Of a group that exists through what it has committed.
    fn empty() -> GroupSummary {
        GroupSummary { state: GroupState::Empty, protocol_type: String::new(), members: 0 }
    }
}

/// A group with its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    /// State and protocol type.
    pub summary: GroupSummary,
    /// The protocol in use; empty unless the group is stable.
    pub protocol: String,
    /// By member id.
    pub members: Vec<MemberDescription>,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberDescription {
    /// Its id.
    pub member_id: String,
    /// `group.instance.id` of a static one.
    pub instance_id: Option<String>,
    /// As its client calls itself.
    pub client_id: String,
    /// From where it joined.
    pub client_host: String,
    /// What it said in the protocol in use; empty unless the group is stable.
    pub metadata: Bytes,
    /// Its share; empty unless the group is stable.
    pub assignment: Bytes,
}

impl Coordinator {
    /// All groups of a tenant, by name.
    ///
    /// # Errors
    /// When the node is stopping, or the catalog cannot say whether there are others.
    pub async fn groups(&self, tenant: TenantId) -> Result<BTreeMap<Arc<str>, GroupSummary>, CommitError> {
        self.catalog.read_barrier().await?;
        let committed = self.catalog.groups(tenant).into_iter();
        let mut groups = committed.map(|name| (name, GroupSummary::empty())).collect::<BTreeMap<_, _>>();
        self.for_each_group(|key, group| {
            if key.tenant == tenant {
                groups.insert(key.group.clone(), group.summary());
            }
        })?;
        Ok(groups)
    }

    /// How many groups of a tenant this node knows of.
    #[must_use]
    pub fn count(&self, tenant: TenantId) -> usize {
        let mut names = self.catalog.groups(tenant).into_iter().collect::<BTreeSet<_>>();
        // A node that stops has let go of its groups.
        let _ = self.for_each_group(|key, _| {
            if key.tenant == tenant {
                names.insert(key.group.clone());
            }
        });
        names.len()
    }

    /// Bytes that a group keeps here; none when it is not known here.
    ///
    /// # Errors
    /// When the node is stopping.
    pub fn group_bytes(&self, key: &GroupKey) -> Result<usize, GroupError> {
        Ok(self.look(key, Group::bytes)?.unwrap_or_default())
    }

    /// Some groups of a tenant; those that do not exist are absent.
    ///
    /// # Errors
    /// As [`Coordinator::groups`].
    pub async fn describe(
        &self,
        tenant: TenantId,
        names: &BTreeSet<Arc<str>>,
    ) -> Result<BTreeMap<Arc<str>, GroupDescription>, CommitError> {
        let mut found = BTreeMap::new();
        for name in names {
            let key = GroupKey { tenant, group: name.clone() };
            if let Some(description) = self.look(&key, Group::description)? {
                found.insert(name.clone(), description);
            }
        }
        if found.len() < names.len() {
            self.catalog.read_barrier().await?;
        }
        for name in names.iter().filter(|name| !found.contains_key(*name)).cloned().collect::<Vec<_>>() {
            if self.catalog.has_group(tenant, &name) {
                let summary = GroupSummary::empty();
                found.insert(name, GroupDescription { summary, protocol: String::new(), members: Vec::new() });
            }
        }
        Ok(found)
    }

    /// Looks at a group with its shard locked; it may not be known here.
    pub(super) fn with_group<T>(
        &self,
        key: &GroupKey,
        look: impl FnOnce(Option<&Group>) -> T,
    ) -> Result<T, GroupError> {
        let shard = self.shard(key).lock();
        if shard.stopped {
            return Err(GroupError::NotAvailable);
        }
        Ok(look(shard.groups.get(key).map(|entry| &entry.group)))
    }

    /// Looks at a group that is known here.
    pub(super) fn look<T>(&self, key: &GroupKey, look: impl FnOnce(&Group) -> T) -> Result<Option<T>, GroupError> {
        self.with_group(key, |group| group.map(look))
    }

    /// Looks at all groups, a shard of them at a time.
    pub(super) fn for_each_group(&self, mut look: impl FnMut(&GroupKey, &Group)) -> Result<(), GroupError> {
        for shard in &self.shards {
            let shard = shard.lock();
            if shard.stopped {
                return Err(GroupError::NotAvailable);
            }
            shard.groups.iter().for_each(|(key, entry)| look(key, &entry.group));
        }
        Ok(())
    }
}

/// Whether a group has committed offsets, confirmed.
///
/// # Errors
/// When the catalog cannot say.
pub(super) async fn has_committed(coordinator: &Coordinator, key: &GroupKey) -> Result<bool, CatalogError> {
    if coordinator.catalog.has_group(key.tenant, &key.group) {
        return Ok(true);
    }
    coordinator.catalog.read_barrier().await?;
    Ok(coordinator.catalog.has_group(key.tenant, &key.group))
}

impl Group {
    fn summary(&self) -> GroupSummary {
        let membership = self.membership();
        GroupSummary {
            state: self.state(),
            protocol_type: membership.protocol_type.clone(),
            members: membership.members.len(),
        }
    }

    fn description(&self) -> GroupDescription {
        let membership = self.membership();
        // Before there is agreement about the protocol and the shares, there is nothing to be said of them.
        let protocol = (self.state() == GroupState::Stable).then_some(membership.protocol.as_str());
        let member = |(id, member): (&String, &super::member::Member)| MemberDescription {
            member_id: id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: protocol.map(|protocol| member.metadata(protocol)).unwrap_or_default(),
            assignment: protocol.map(|_| member.assignment.clone()).unwrap_or_default(),
        };
        GroupDescription {
            summary: self.summary(),
            protocol: protocol.unwrap_or_default().to_owned(),
            members: membership.members.iter().map(member).collect(),
        }
    }
}

impl GroupState {
    /// Kafka's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            GroupState::Empty => "Empty",
            GroupState::PreparingRebalance => "PreparingRebalance",
            GroupState::CompletingRebalance => "CompletingRebalance",
            GroupState::Stable => "Stable",
            GroupState::Dead => "Dead",
        }
    }
}

/// Why a group, or some of its offsets, were not deleted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeleteError {
    /// `NON_EMPTY_GROUP`: it has members.
    #[error("The group is not empty.")]
    NonEmpty,
    /// `GROUP_ID_NOT_FOUND`.
    #[error("The group id does not exist.")]
    NotFound,
    /// The node is stopping.
    #[error(transparent)]
    Refused(#[from] GroupError),
    /// The catalog did not answer. The deletion may have been done if [`CatalogError::first_try`] says so; to ask for it
    /// again is always right.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}
