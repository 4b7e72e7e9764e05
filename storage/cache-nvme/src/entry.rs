//! What foyer keeps: a key, and a block that says itself which one it is.
//!
//! On disk a block is preceded by a version, its stamp, its key, its length, and a CRC32C of each 64 KiB of it:
//! foyer looks entries up by a hash, and disks change bits.

use std::io::{Read, Write};

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};
use foyer::{Code, Error, ErrorKind, Result};
use tidelog_cache::BlockKey;
use tidelog_model::limits::CACHE_BLOCK_BYTES;
use tidelog_model::{Incarnation, ObjectId};

use crate::Stamp;

const VERSION: u8 = 1;
/// Bytes that one checksum covers.
const SUB_BLOCK_BYTES: usize = 64 * 1024;
/// Version, stamp, key and length.
const HEADER_BYTES: usize = 1 + 16 + 8 + KEY_BYTES + 4;
const KEY_BYTES: usize = 8 + 4;

/// What an entry takes in memory beyond its block's bytes, about.
pub(crate) const ENTRY_OVERHEAD_BYTES: usize = 256;
/// What the largest entry takes on disk before foyer's own header and rounding.
pub(crate) const ENTRY_BYTES_MAX: usize =
    HEADER_BYTES + KEY_BYTES + 4 * CACHE_BLOCK_BYTES.div_ceil(SUB_BLOCK_BYTES) + CACHE_BLOCK_BYTES;

/// A block's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EntryKey(pub(crate) BlockKey);

/// A block that is what it says: either it was made here, or its checksums were right when it was read. So a hit in
/// memory compares names only.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) stamp: Stamp,
    pub(crate) key: BlockKey,
    pub(crate) block: Bytes,
}

impl Code for EntryKey {
    fn encode(&self, writer: &mut impl Write) -> Result<()> {
        writer.write_all(&encode_key(self.0)).map_err(Error::io_error)
    }

    fn decode(reader: &mut impl Read) -> Result<EntryKey> {
        read_array(reader).map(|bytes| EntryKey(decode_key(bytes)))
    }

    fn estimated_size(&self) -> usize {
        KEY_BYTES
    }
}

impl Code for Entry {
    fn encode(&self, writer: &mut impl Write) -> Result<()> {
        let mut put = |bytes: &[u8]| writer.write_all(bytes).map_err(Error::io_error);
        put(&[VERSION])?;
        put(&self.stamp.cluster_id)?;
        put(&self.stamp.incarnation.0.to_be_bytes())?;
        put(&encode_key(self.key))?;
        put(&(self.block.len() as u32).to_be_bytes())?;
        for part in self.block.chunks(SUB_BLOCK_BYTES) {
            put(&crc32c(part).to_be_bytes())?;
        }
        put(&self.block)
    }

    fn decode(reader: &mut impl Read) -> Result<Entry> {
        let [version] = read_array(reader)?;
        if version != VERSION {
            return Err(damaged("its version is unknown"));
        }
        let cluster_id = read_array(reader)?;
        let incarnation = Incarnation(u64::from_be_bytes(read_array(reader)?));
        let key = decode_key(read_array(reader)?);
        let bytes = u32::from_be_bytes(read_array(reader)?) as usize;
        if bytes > CACHE_BLOCK_BYTES {
            return Err(damaged("it is longer than a block"));
        }
        let mut checksums = Vec::with_capacity(bytes.div_ceil(SUB_BLOCK_BYTES));
        for _ in 0..bytes.div_ceil(SUB_BLOCK_BYTES) {
            checksums.push(u32::from_be_bytes(read_array(reader)?));
        }
        let mut block = Vec::with_capacity(bytes);
        reader.take(bytes as u64).read_to_end(&mut block).map_err(|_| damaged("it ends early"))?;
        let intact = block.len() == bytes && block.chunks(SUB_BLOCK_BYTES).map(crc32c).eq(checksums);
        if !intact {
            return Err(damaged("a checksum is wrong"));
        }
        Ok(Entry { stamp: Stamp { cluster_id, incarnation }, key, block: block.into() })
    }

    fn estimated_size(&self) -> usize {
        HEADER_BYTES + 4 * self.block.len().div_ceil(SUB_BLOCK_BYTES) + self.block.len()
    }
}

fn encode_key(key: BlockKey) -> [u8; KEY_BYTES] {
    let mut bytes = [0; KEY_BYTES];
    bytes[..8].copy_from_slice(&key.object.0.to_be_bytes());
    bytes[8..].copy_from_slice(&key.block.to_be_bytes());
    bytes
}

fn decode_key(bytes: [u8; KEY_BYTES]) -> BlockKey {
    let [o0, o1, o2, o3, o4, o5, o6, o7, b0, b1, b2, b3] = bytes;
    let object = ObjectId(u64::from_be_bytes([o0, o1, o2, o3, o4, o5, o6, o7]));
    BlockKey { object, block: u32::from_be_bytes([b0, b1, b2, b3]) }
}

fn read_array<const N: usize>(reader: &mut impl Read) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes).map_err(|_| damaged("it ends early"))?;
    Ok(bytes)
}

/// The kind that foyer takes for a miss, and forgets the entry.
fn damaged(problem: &'static str) -> Error {
    Error::new(ErrorKind::ChecksumMismatch, problem)
}

fn crc32c(bytes: &[u8]) -> u32 {
    checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(bytes: usize) -> Entry {
        let stamp = Stamp { cluster_id: [9; 16], incarnation: Incarnation(2) };
        let key = BlockKey { object: ObjectId(0x0102_0304_0506_0708), block: 5 };
        Entry { stamp, key, block: (0..bytes).map(|i| (i / 7) as u8).collect() }
    }

    fn encoded(entry: &Entry) -> Vec<u8> {
        let mut bytes = Vec::new();
        entry.encode(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn entries_come_back_and_their_size_is_known() {
        for bytes in [0, 1, SUB_BLOCK_BYTES, SUB_BLOCK_BYTES + 1, CACHE_BLOCK_BYTES] {
            let entry = entry(bytes);
            let encoded = encoded(&entry);
            assert_eq!(encoded.len(), entry.estimated_size());
            assert!(encoded.len() + KEY_BYTES <= ENTRY_BYTES_MAX);
            let back = Entry::decode(&mut &encoded[..]).unwrap();
            assert!(back.block == entry.block && back.key == entry.key && back.stamp == entry.stamp);
        }
        let key = EntryKey(entry(0).key);
        let mut bytes = Vec::new();
        key.encode(&mut bytes).unwrap();
        assert_eq!(bytes.len(), key.estimated_size());
        assert_eq!(EntryKey::decode(&mut &bytes[..]).unwrap(), key);
    }

    #[test]
    fn a_damaged_entry_is_refused_or_of_another_name() {
        let good = entry(200_000);
        let encoded = encoded(&good);
        for at in (0..200).chain((200..encoded.len()).step_by(997)) {
            let mut bad = encoded.clone();
            bad[at] ^= 0x10;
            match Entry::decode(&mut &bad[..]) {
                Ok(other) => assert!(other.key != good.key || other.stamp != good.stamp, "byte {at}"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::ChecksumMismatch, "byte {at}"),
            }
            assert!(Entry::decode(&mut &encoded[..at]).is_err(), "cut at {at}");
        }
    }
}
