//! Consumer groups: the classic group protocol and the offsets that groups commit.
//!
//! **Owns:** who is a member of which group and with what share ([`machine::Group`], pure), the requests that wait and the
//! timers around it ([`Coordinator`]). **Promises:** every JoinGroup and SyncGroup is answered exactly once; a generation
//! never goes back while the group is remembered; an offset is proposed to the catalog only under a current member's claim
//! or while there are no members, and those of an older generation before those of a newer one. **Does not know:** the doors
//! at which it is asked, and their wire formats; of consumers' own words it reads the topics that they subscribe to and get.
//!
//! What a rebalance decides is stored in the catalog before its members hear of it (`durable.rs`), so that a restart of the
//! node is not a rebalance. Sessions and rebalances under way are kept in memory.
//!
//! # Where to begin
//!
//! 1. The group itself, pure and without clock or locks: `machine.rs` (what a group is), `join.rs` (a member comes),
//!    `rebalance.rs` (the next generation; what time does), `upkeep.rs` (shares, signs of life, commits, departures),
//!    `member.rs` (one member; which protocol is selected), `record.rs` (what is stored of a group, and back).
//! 2. Around it: `coordinator.rs` (all groups of a node, their steps and timers), `requests.rs` (what members ask, and who
//!    waits), `shard.rs` (groups behind one lock), `durable.rs` (what has to be stored before it is told).
//! 3. What is committed and administered: `offsets.rs`, `describe.rs`, `deletion.rs`.
//! 4. What the doors and the rest share: `messages.rs`, and for consumers' own words `subscription.rs` and `assignment.rs`.
//!
//! # States
//!
//! ```text
//!            join                 all joined, or time is up           leader's sync
//!   Empty ─────────► Preparing ─────────────────────────► Completing ──────────────► Stable
//!     ▲              Rebalance ◄───────────────────────── Rebalance                    │
//!     │                │   ▲        join, leave, expiry                               │
//!     └────────────────┘   └───────────────────────────────────────────────────────────┘
//!       nobody is left                    join, leave, expiry
//! ```
//!
//! What happens to a group of two, a leader and a follower, and what whoever asks is told: an answer (`joined`, `share`, `ok`),
//! a refusal, or nothing yet (`waits`); then the state that the group is in afterwards, if it is another one. While it is
//! preparing, a third member has set off the rebalance and waits; while it is completing, the follower has asked for its
//! share and waits. A changed follower has new metadata; a late heartbeat is of the generation before.
//! `transitions_test.rs` holds this table to the code.
//!
//! | what happens                    | Empty             | Preparing           | Completing          | Stable              |
//! | ------------------------------- | ----------------- | ------------------- | ------------------- | ------------------- |
//! | a new member joins              | waits → Preparing | waits               | waits → Preparing   | waits → Preparing   |
//! | the follower joins again        | UnknownMember     | waits               | joined              | joined              |
//! | a changed follower joins again  | UnknownMember     | waits               | waits → Preparing   | waits → Preparing   |
//! | the leader joins again          | UnknownMember     | waits               | joined              | waits → Preparing   |
//! | both join again                 | UnknownMember     | joined → Completing | joined              | joined → Completing |
//! | the follower asks for its share | UnknownMember     | RebalanceInProgress | waits               | share               |
//! | the leader brings the shares    | UnknownMember     | RebalanceInProgress | share → Stable      | share               |
//! | a heartbeat                     | UnknownMember     | RebalanceInProgress | ok                  | ok                  |
//! | a late heartbeat                | UnknownMember     | IllegalGeneration   | IllegalGeneration   | IllegalGeneration   |
//! | a member commits                | UnknownMember     | ok                  | RebalanceInProgress | ok                  |
//! | a commit without membership     | ok                | UnknownMember       | UnknownMember       | UnknownMember       |
//! | the follower leaves             | UnknownMember     | ok                  | ok → Preparing      | ok → Preparing      |
//! | all leave                       | -                 | ok → Empty          | ok → Empty          | ok → Empty          |
//! | the rebalance timeout is over   | -                 | - → Completing      | - → Preparing       | -                   |
//! | all are silent for ten minutes  | - → Dead          | - → Empty           | - → Empty           | - → Empty           |
//!
//! A group that is `Dead` is forgotten: the next member to join begins a new one.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod assignment;
mod coordinator;
pub mod deletion;
pub mod describe;
mod durable;
mod error;
mod group_clock;
mod join;
pub mod limits;
pub mod machine;
mod member;
pub mod messages;
mod meters;
mod offsets;
mod rebalance;
mod record;
mod requests;
mod shard;
mod subscription;
mod upkeep;

pub use coordinator::Coordinator;
pub use error::{CommitError, GroupError};
pub use subscription::CONSUMER;

/// What this crate counts.
pub const METRICS: &[&[tidelog_host::metric::Metric]] = &[meters::METRICS];

#[cfg(test)]
mod coordinator_test;
#[cfg(test)]
mod durable_test;
#[cfg(test)]
mod join_test;
#[cfg(test)]
mod machine_property_test;
#[cfg(test)]
mod member_test;
#[cfg(test)]
mod stall_test;
#[cfg(test)]
mod static_test;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod testing_catalog;
#[cfg(test)]
mod transitions_test;
#[cfg(test)]
mod upkeep_test;
