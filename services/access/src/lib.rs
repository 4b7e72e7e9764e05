//! Who may do what, and how much of it. As yet: how much.
//!
//! **Owns:** which quota holds for a client (`limits.rs`) and the account of what it has used (`bucket.rs`, `buckets.rs`),
//! which all doors of a node share (`quotas.rs`).
//! **Promises:** in the long run nobody gets more than its rate; who has used less may use ten seconds' worth at once; accounts
//! take bounded memory however many names clients give themselves. **Does not know:** protocols, who waits and how, what time
//! it is: that is said by the caller, as the time since some beginning.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod bucket;
mod buckets;
mod limits;
mod quotas;

pub use bucket::THROTTLE_MAX;
pub use buckets::{BUCKETS_MAX, Buckets};
pub use limits::{Limit, limit_of_address, limit_of_client};
pub use quotas::{ANONYMOUS, Quotas, WINDOW};
