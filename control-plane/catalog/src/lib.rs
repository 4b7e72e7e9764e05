//! The catalog's state machine: `apply(&mut State, Command) -> Outcome`, and nothing else.
//!
//! **Owns:** [`State`] with everything that must survive (topics, extents, producers, sessions, retained outcomes, grants,
//! orphans, group records and offsets, client quotas, metrics subscriptions, inline payloads, how far
//! producers of deleted topics were, fencing tokens, halted producers and Idempotency-Keys), the rules by which it changes, its snapshot's bytes and its hash.
//! **Promises:** the same commands give the same state, hash and answers on every replica and from every snapshot; an
//! unchanged part of the state is neither copied nor encoded nor hashed again; every command that can be decoded has an
//! answer; whatever refers to an object is counted, so an orphan is referenced by nothing and can never be again.
//! **Does not know:** clocks, chance, I/O, how commands are ordered, who proposes them.
//!
//! With the feature `mutants`, `TIDELOG_MUTANT` plants one of these bugs, and this crate's tests fail (or `tidelog-node`'s test
//! `path`):
//!
//! | name | bug | breaks |
//! |---|---|---|
//! | `dedup-outside-snapshot` | snapshots forget what producers have written | I8, I19 |
//! | `unfenced-orphan` | orphans are listed while their grant can still be used | I14 |
//! | `wrong-repeated-outcome` | a commit that is asked again gets the lane's last outcome | I3, I5 |
//! | `claim-unchecked` | offsets are taken from a member of an earlier generation | I13 |
//! | `high-watermark-off-by-one` | the high watermark is one beyond the last record | I2, I7 |
//! | `refusal-overtaken` | a commit sent before an earlier one's refusal was known is applied | I5 |
//! | `log-start-goes-back` | deleted records come back when fewer are deleted later | I7, I16 |
//! | `fence-not-raised` | an append with a higher fencing token does not fence the lower ones | I10 |
//! | `expected-offset-ignored` | a batch is appended wherever the partition ends | I10 |
//! | `key-other-body` | another request with a known Idempotency-Key is taken for the first one | I1 |
//! | `halt-forgotten` | a producer goes on after a condition of its did not hold | I5 |
//! | `guards-outside-snapshot` | snapshots forget fencing tokens and keys | I8, I10, I19 |
//! | `stale-epoch-accepted` | a batch of an older producer epoch is judged by its sequence | I9 |
//! | `continued-anywhere` | in a topic that was created again a known producer may begin at any sequence | I5 |

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod alter;
mod client_quotas;
mod commit;
mod departed;
mod derived;
mod extent_list;
mod frozen;
mod group_records;
mod groups;
mod guards;
mod meta;
mod metrics_subscriptions;
mod moves;
mod objects;
mod part;
mod partition;
mod producers;
mod query;
mod records;
mod shard;
mod state;
mod topics;
mod totals;
mod validate;

pub use frozen::{Frozen, Part};
pub use part::PartId;
pub use state::{Applied, State};
pub use tidelog_format::codec::Corrupt;
pub use validate::Violation;

#[cfg(test)]
mod tests;
