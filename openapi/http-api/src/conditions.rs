//! Fences and producers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::WireOffset;

/// A fence to raise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FenceInput {
    /// From now on whoever has a lower token appends nothing.
    pub token: WireOffset,
}

/// A fence that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fence {
    /// Whoever has a lower one appends nothing.
    pub token: WireOffset,
    /// Where the partition ended when the fence was raised. Whoever has read up to here has seen everything that was
    /// appended with lower tokens.
    pub tail: WireOffset,
}

/// A producer whose appends are in sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProducerOpened {
    /// For the header `producer-id`. It is nobody else's.
    pub producer_id: i64,
    /// For the header `producer-epoch`. Its owner counts it up to begin anew, at sequence 0.
    pub epoch: i16,
}
