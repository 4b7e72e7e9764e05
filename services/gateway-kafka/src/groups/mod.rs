//! Consumer groups: the classic group protocol and the offsets that groups commit.
//!
//! **Owns:** who is a member of which group and with what share ([`machine::Group`], pure), the requests that wait and the
//! timers around it ([`Coordinator`]). **Promises:** every JoinGroup and SyncGroup is answered exactly once; a generation
//! never goes back while the group is remembered; an offset is proposed to the catalog only under a current member's claim,
//! and those of an older generation before those of a newer one. **Does not know:** the wire format, except in `handlers`.
//!
//! What a rebalance decides is stored in the catalog before its members hear of it (`durable.rs`), so that a restart of the
//! node is not a rebalance. Sessions and rebalances under way are kept in memory.

pub(crate) mod admin_handlers;
mod coordinator;
mod deletion;
pub mod describe;
mod durable;
mod error;
pub(crate) mod handlers;
mod join;
pub mod limits;
pub mod machine;
mod member;
pub mod messages;
mod offset_handlers;
mod offsets;
mod rebalance;
mod record;
mod requests;
mod shard;
mod subscription;
mod upkeep;

pub use coordinator::Coordinator;
pub use error::{CommitError, GroupError};

#[cfg(test)]
mod admin_test;
#[cfg(test)]
mod coordinator_test;
#[cfg(test)]
mod durable_test;
#[cfg(test)]
mod handlers_test;
#[cfg(test)]
mod join_test;
#[cfg(test)]
mod machine_property_test;
#[cfg(test)]
mod member_test;
#[cfg(test)]
mod static_test;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod testing_catalog;
#[cfg(test)]
mod upkeep_test;
