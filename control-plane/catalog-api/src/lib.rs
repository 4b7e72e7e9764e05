//! What can be asked of the catalog, and what it answers.
//!
//! **Owns:** [`Command`] and [`Outcome`], the views that readers get ([`TopicView`], [`PartitionView`], [`Extent`]), the
//! [`Catalog`] trait that the data path talks to, and the encoding of commands. **Promises:** a command's bytes are
//! decoded by every later version. **Does not know:** how commands are ordered or replicated, nor who proposes them.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod catalog;
mod command;
mod commit;
mod error;
mod group_record;
mod guards;
mod metrics_subscriptions;
mod quotas;
mod views;

pub use catalog::{ApplyListener, Catalog, Proposal};
pub use command::{
    AlterTopicError, Command, CreateTopicError, CreatedTopic, DeleteRecordsError, GroupOffset, NewTopic, OffsetRefused,
    Outcome, RecordsDeletion, SessionRefused, TICK_MS, decode_command, encode_command,
};
pub use commit::{
    BatchOutcome, Commit, CommitBatch, CommitEntry, CommitOutcome, CommitRefused, ExtentMove, MoveInline, Payload,
    ProducerBatch,
};
pub use error::CatalogError;
pub use group_record::{ClaimRefused, GroupClaim, GroupMember, GroupProtocol, GroupRecord, GroupRefused};
pub use guards::{BatchGuard, FenceRefused, FenceView, GuardedCommit, KeyLayout, KeyView, KeyedBatch};
pub use metrics_subscriptions::{MetricsSubscriptions, SubscriptionRefused, check_subscription};
pub use quotas::{
    ClientQuotas, QuotaAlteration, QuotaEntity, QuotaKind, QuotaName, QuotaRefused, QuotaValue, canonical_address,
};
pub use views::{
    ClusterView, Extent, ExtentPlan, GrantView, InlineExtent, Location, ObjectRange, OrphanRange, PartitionView,
    ProducerView, QuorumView, StageTotals, StoredTotals, TopicTotals, TopicView,
};
