//! The flush object (L0), layout version 1: many partitions' batches, written by one flush.
//!
//! ```text
//! batches   grouped by partition, one after the other. Each is as the producer sent it, except that its base offset
//!           holds the object's id and its leader epoch its own position (`tidelog_model::BatchPlacement`)
//! footer    the index: one entry per group (see `ObjectEntry`), encoded by `codec`
//! trailer   TRAILER_BYTES, big-endian: where the footer is and its CRC32C; whose object this is; CRC32C of the trailer
//! ```
//!
//! Readers find batches through the catalog and check each by its placement. Footer and trailer are for people and tools:
//! nothing is ever rebuilt from them.

mod builder;
mod decode;

use tidelog_model::limits::{FOOTER_BYTES_MAX, OBJECT_PARTITIONS_MAX};
use tidelog_model::{Incarnation, ObjectId, PartitionId};

use crate::stored_struct;

pub use builder::{FlushObject, FlushObjectBuilder};
pub use decode::{check_object, read_footer, read_trailer};

/// Bytes of the trailer, at the end of every flush object.
pub const TRAILER_BYTES: usize = 60;
/// The trailer's first bytes.
const MAGIC: [u8; 8] = *b"TIDELOG\0";
/// Of the whole layout.
const VERSION: u32 = 1;
/// Topic id, four varints of 32 bits and one of 64.
const ENTRY_BYTES_MAX: usize = 16 + 4 * 5 + 10;

// The footer of an object with as many partitions as allowed fits its bound.
const _: () = assert!(OBJECT_PARTITIONS_MAX * ENTRY_BYTES_MAX + TRAILER_BYTES + 10 <= FOOTER_BYTES_MAX);

stored_struct! {
    /// One group of batches: of one partition, one after the other.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ObjectEntry {
        /// Whose batches they are.
        pub partition: PartitionId,
        /// Byte position of the first batch in the object.
        pub position: u32,
        /// Bytes of all of them.
        pub bytes: u32,
        /// How many there are.
        pub batches: u32,
        /// Offsets that they take.
        pub offsets: u64,
    }
}

/// What the trailer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// The object's id.
    pub object: ObjectId,
    /// The catalog's life in which it was written.
    pub incarnation: Incarnation,
    /// The cluster that wrote it.
    pub cluster_id: [u8; 16],
    /// Where the footer begins, which is where the batches end.
    pub footer_position: u32,
    /// Its length.
    pub footer_bytes: u32,
    /// Its CRC32C.
    pub footer_checksum: u32,
}

/// The name of an object in the store. The folder is the id's low byte, so that neighbours spread over prefixes.
#[must_use]
pub fn object_key(incarnation: Incarnation, object: ObjectId) -> String {
    format!("data/{:016x}/{:02x}/{:016x}", incarnation.0, object.0 & 0xff, object.0)
}

#[cfg(test)]
#[path = "flush_object/flush_object_test.rs"]
mod tests;
