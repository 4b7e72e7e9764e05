//! A state at rest: frozen to be written, and restored from what was written.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tidelog_format::codec::Corrupt;
use tidelog_model::LogIndex;

use crate::client_quotas::TenantQuotas;
use crate::departed::Departed;
use crate::derived::Derived;
use crate::group_records::GroupRecords;
use crate::guards::Guards;
use crate::meta::Meta;
use crate::metrics_subscriptions::TenantSubscriptions;
use crate::part::{GROUP_PARTS, GUARD_PARTS, PAYLOAD_PARTS, PartId, SHARDS, Shared, Stamped, root_hash};
use crate::shard::{Payloads, Shard};
use crate::state::State;

/// A state as it was at one index. Does not change; shares memory with the state it came from.
#[derive(Clone, Debug)]
pub struct Frozen {
    pub(crate) meta: Arc<Stamped<Meta>>,
    pub(crate) shards: Vec<Arc<Stamped<Shard>>>,
    pub(crate) payloads: Vec<Arc<Stamped<Payloads>>>,
    pub(crate) groups: Vec<Arc<Stamped<GroupRecords>>>,
    pub(crate) quotas: Arc<Stamped<TenantQuotas>>,
    pub(crate) subscriptions: Arc<Stamped<TenantSubscriptions>>,
    pub(crate) departed: Arc<Stamped<Departed>>,
    pub(crate) guards: Vec<Arc<Stamped<Guards>>>,
}

/// One part of a frozen state.
#[derive(Clone, Debug)]
pub struct Part {
    /// Which part.
    pub id: PartId,
    /// The last entry that changed it. Of one cluster's parts, those of the same id and `changed_at` have the same bytes:
    /// a later snapshot may use the file of an earlier one.
    pub changed_at: LogIndex,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Meta(Arc<Stamped<Meta>>),
    Shard(Arc<Stamped<Shard>>),
    Payloads(Arc<Stamped<Payloads>>),
    Groups(Arc<Stamped<GroupRecords>>),
    Quotas(Arc<Stamped<TenantQuotas>>),
    Subscriptions(Arc<Stamped<TenantSubscriptions>>),
    Departed(Arc<Stamped<Departed>>),
    Guards(Arc<Stamped<Guards>>),
}

impl Part {
    /// Its bytes, with version and checksum. The work is done here, so this can be called on any thread.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        match &self.content {
            Content::Meta(part) => part.encode(self.id),
            Content::Shard(part) => part.encode(self.id),
            Content::Payloads(part) => part.encode(self.id),
            Content::Groups(part) => part.encode(self.id),
            Content::Quotas(part) => part.encode(self.id),
            Content::Subscriptions(part) => part.encode(self.id),
            Content::Departed(part) => part.encode(self.id),
            Content::Guards(part) => part.encode(self.id),
        }
    }

    /// The hash of its content.
    #[must_use]
    pub fn hash(&self) -> u64 {
        match &self.content {
            Content::Meta(part) => part.hash(self.id),
            Content::Shard(part) => part.hash(self.id),
            Content::Payloads(part) => part.hash(self.id),
            Content::Groups(part) => part.hash(self.id),
            Content::Quotas(part) => part.hash(self.id),
            Content::Subscriptions(part) => part.hash(self.id),
            Content::Departed(part) => part.hash(self.id),
            Content::Guards(part) => part.hash(self.id),
        }
    }
}

impl Frozen {
    /// All its parts, in the order of their ids.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        let meta =
            Part { id: PartId::META, changed_at: self.meta.changed_at, content: Content::Meta(Arc::clone(&self.meta)) };
        let shards = self.shards.iter().enumerate().map(|(i, shard)| Part {
            id: PartId::shard(i),
            changed_at: shard.changed_at,
            content: Content::Shard(Arc::clone(shard)),
        });
        let payloads = self.payloads.iter().enumerate().map(|(i, part)| Part {
            id: PartId::payloads(i),
            changed_at: part.changed_at,
            content: Content::Payloads(Arc::clone(part)),
        });
        let exist = self.groups.iter().enumerate().filter(|(_, part)| part.changed_at > LogIndex(0));
        let groups = exist.map(|(i, part)| Part {
            id: PartId::groups(i),
            changed_at: part.changed_at,
            content: Content::Groups(Arc::clone(part)),
        });
        let quotas = (self.quotas.changed_at > LogIndex(0)).then_some(&self.quotas);
        let quotas = quotas.map(|part| Part {
            id: PartId::QUOTAS,
            changed_at: part.changed_at,
            content: Content::Quotas(Arc::clone(part)),
        });
        let subscriptions = (self.subscriptions.changed_at > LogIndex(0)).then_some(&self.subscriptions);
        let subscriptions = subscriptions.map(|part| Part {
            id: PartId::SUBSCRIPTIONS,
            changed_at: part.changed_at,
            content: Content::Subscriptions(Arc::clone(part)),
        });
        let departed = (self.departed.changed_at > LogIndex(0)).then_some(&self.departed);
        let departed = departed.map(|part| Part {
            id: PartId::DEPARTED,
            changed_at: part.changed_at,
            content: Content::Departed(Arc::clone(part)),
        });
        let exist = self.guards.iter().enumerate().filter(|(_, part)| part.changed_at > LogIndex(0));
        let guards = exist.map(|(i, part)| Part {
            id: PartId::guards(i),
            changed_at: part.changed_at,
            content: Content::Guards(Arc::clone(part)),
        });
        let always = std::iter::once(meta).chain(shards).chain(payloads);
        always.chain(groups).chain(quotas).chain(subscriptions).chain(departed).chain(guards).collect()
    }

    /// The index it is the state of.
    #[must_use]
    pub fn applied(&self) -> LogIndex {
        self.meta.changed_at
    }

    /// The state's hash.
    #[must_use]
    pub fn hash(&self) -> u64 {
        root_hash(self.parts().iter().map(Part::hash))
    }
}

impl State {
    /// The state whose parts were written, each once, in any order.
    ///
    /// # Errors
    /// [`Corrupt`] when a part that every state has is missing, a part is twice there, damaged or of an unknown version, and when the parts do not make a
    /// valid state together.
    pub fn restore(parts: Vec<(PartId, Bytes)>) -> Result<State, Corrupt> {
        let corrupt = |problem: String| Corrupt::new("catalog snapshot", problem);
        let mut by_id = BTreeMap::new();
        for (id, bytes) in parts {
            if by_id.insert(id, bytes).is_some() {
                return Err(corrupt(format!("part {id} is there twice")));
            }
        }
        let groups = (0..GROUP_PARTS).map(|i| match by_id.remove(&PartId::groups(i)) {
            Some(bytes) => Stamped::decode(PartId::groups(i), bytes),
            None => Ok(Stamped::new(GroupRecords::default())),
        });
        let groups = groups.collect::<Result<_, _>>()?;
        let quotas = match by_id.remove(&PartId::QUOTAS) {
            Some(bytes) => Stamped::decode(PartId::QUOTAS, bytes)?,
            None => Stamped::new(TenantQuotas::default()),
        };
        let subscriptions = match by_id.remove(&PartId::SUBSCRIPTIONS) {
            Some(bytes) => Stamped::decode(PartId::SUBSCRIPTIONS, bytes)?,
            None => Stamped::new(TenantSubscriptions::default()),
        };
        let departed = match by_id.remove(&PartId::DEPARTED) {
            Some(bytes) => Stamped::decode(PartId::DEPARTED, bytes)?,
            None => Stamped::new(Departed::default()),
        };
        let guards = (0..GUARD_PARTS).map(|i| match by_id.remove(&PartId::guards(i)) {
            Some(bytes) => Stamped::decode(PartId::guards(i), bytes),
            None => Ok(Stamped::new(Guards::default())),
        });
        let guards = guards.collect::<Result<_, _>>()?;
        let mut take = |id: PartId| by_id.remove(&id).ok_or_else(|| corrupt(format!("part {id} is missing")));
        let mut state = State {
            meta: Stamped::decode(PartId::META, take(PartId::META)?)?,
            shards: (0..SHARDS)
                .map(|i| Stamped::decode(PartId::shard(i), take(PartId::shard(i))?))
                .collect::<Result<_, _>>()?,
            payloads: (0..PAYLOAD_PARTS)
                .map(|i| Stamped::decode(PartId::payloads(i), take(PartId::payloads(i))?))
                .collect::<Result<_, _>>()?,
            groups,
            quotas,
            no_quotas: Shared::default(),
            subscriptions,
            departed,
            guards,
            derived: Derived::default(),
        };
        state.derived = Derived::of(&state);
        state.validate().map_err(|violation| corrupt(violation.to_string()))?;
        Ok(state)
    }
}
