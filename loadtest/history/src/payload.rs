//! The payload of every record in a checked run: it says who it is, and whether it is whole.

use serde::{Deserialize, Serialize};

use crate::event::Place;

/// What a record says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// Where it was sent.
    pub place: Place,
    /// Its id, unique in the run.
    pub record: u64,
    /// The process that sent it.
    pub process: u32,
    /// That process's own count of its records for this partition.
    pub sequence: u64,
}

/// Why bytes are not the payload of a checked record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Shorter than its own lengths say, or longer.
    #[error("{bytes} bytes do not make a payload")]
    Length {
        /// How many there are.
        bytes: usize,
    },
    /// The first bytes are not ours.
    #[error("not a payload of a checked run")]
    Foreign,
    /// The bytes are not those that were sent.
    #[error("payload checksum {found:08x}, expected {expected:08x}")]
    Checksum {
        /// Over the bytes.
        found: u32,
        /// As written in them.
        expected: u32,
    },
}

const MAGIC: &[u8; 4] = b"TDH1";
/// Magic, checksum, whole length.
const FRONT_BYTES: usize = 12;

/// CRC32C over `bytes`.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u32 {
    u32::try_from(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes)).expect("a 32-bit checksum")
}

impl Payload {
    /// The bytes to send, filled up to `bytes_min` with what depends on the record's id, half of which does not compress.
    #[must_use]
    pub fn encode(&self, bytes_min: usize) -> Vec<u8> {
        let mut body = Vec::with_capacity(bytes_min.max(128));
        body.extend(self.record.to_be_bytes());
        body.extend(self.process.to_be_bytes());
        body.extend(self.sequence.to_be_bytes());
        body.extend(self.place.partition.to_be_bytes());
        for text in [&self.place.tenant, &self.place.topic] {
            let length = u16::try_from(text.len()).expect("names in a run are short");
            body.extend(length.to_be_bytes());
            body.extend(text.as_bytes());
        }
        let mut state = self.record.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        while body.len() + FRONT_BYTES < bytes_min {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            body.extend(state.to_be_bytes());
            body.extend([b'.'; 8]);
        }
        let length = u32::try_from(body.len() + FRONT_BYTES).expect("records are far below 4 GiB");
        let mut whole = Vec::with_capacity(body.len() + FRONT_BYTES);
        whole.extend(MAGIC);
        whole.extend([0; 4]);
        whole.extend(length.to_be_bytes());
        whole.extend(body);
        let checksum = checksum(&whole);
        whole[4..8].copy_from_slice(&checksum.to_be_bytes());
        whole
    }

    /// What `bytes` say.
    ///
    /// # Errors
    /// They were not made by [`Payload::encode`], or were changed since.
    pub fn decode(bytes: &[u8]) -> Result<Payload, PayloadError> {
        let wrong_length = PayloadError::Length { bytes: bytes.len() };
        if bytes.len() < FRONT_BYTES {
            return Err(wrong_length);
        }
        if &bytes[..4] != MAGIC {
            return Err(PayloadError::Foreign);
        }
        let mut rest = &bytes[4..];
        let expected = u32::from_be_bytes(take(&mut rest).ok_or(wrong_length.clone())?);
        let length = u32::from_be_bytes(take(&mut rest).ok_or(wrong_length.clone())?);
        if usize::try_from(length) != Ok(bytes.len()) {
            return Err(wrong_length);
        }
        let mut zeroed = bytes.to_vec();
        zeroed[4..8].fill(0);
        let found = checksum(&zeroed);
        if found != expected {
            return Err(PayloadError::Checksum { found, expected });
        }
        parse(rest).ok_or(wrong_length)
    }
}

/// The fields after the front, whose checksum was right.
fn parse(mut rest: &[u8]) -> Option<Payload> {
    let record = u64::from_be_bytes(take(&mut rest)?);
    let process = u32::from_be_bytes(take(&mut rest)?);
    let sequence = u64::from_be_bytes(take(&mut rest)?);
    let partition = u32::from_be_bytes(take(&mut rest)?);
    let tenant = take_text(&mut rest)?;
    let topic = take_text(&mut rest)?;
    Some(Payload { place: Place { tenant, topic, partition }, record, process, sequence })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk::<N>()?;
    *rest = left;
    Some(*taken)
}

fn take_text(rest: &mut &[u8]) -> Option<String> {
    let length = usize::from(u16::from_be_bytes(take(rest)?));
    let (text, left) = rest.split_at_checked(length)?;
    *rest = left;
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload() -> Payload {
        let place = Place { tenant: "t".to_owned(), topic: "topic-1".to_owned(), partition: 3 };
        Payload { place, record: 42, process: 7, sequence: 9 }
    }

    #[test]
    fn what_was_encoded_is_decoded() {
        for bytes_min in [0, 100, 1024, 70_000] {
            let bytes = payload().encode(bytes_min);
            assert!(bytes.len() >= bytes_min);
            assert_eq!(Payload::decode(&bytes), Ok(payload()));
        }
    }

    #[test]
    fn every_flipped_byte_is_noticed() {
        let bytes = payload().encode(200);
        for index in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[index] ^= 0x40;
            assert!(Payload::decode(&flipped).is_err(), "byte {index}");
        }
    }

    #[test]
    fn every_cut_is_noticed() {
        let bytes = payload().encode(200);
        for length in 0..bytes.len() {
            assert!(Payload::decode(&bytes[..length]).is_err(), "length {length}");
        }
    }
}
