//! What every record carries, so that whoever receives it can say whether it is the right one: the run, who wrote it to which
//! partition as its how many-th, when it was to be sent, and a hash over all of it.
//!
//! The head is text, so that it can travel as JSON and be read by people: run, producer, place, sequence, intended moment, hash,
//! all hexadecimal. The hash is CRC-64/NVME: another polynomial than that of Kafka's batches, so that the two do not err alike.

use crc_fast::{CrcAlgorithm, Digest, checksum};

use crate::schedule::Moment;

/// Bytes of the head, and so the least that a record has.
pub(crate) const HEADER_BYTES: usize = 64;
const HASH_FROM: usize = 48;
const ALGORITHM: CrcAlgorithm = CrcAlgorithm::Crc64Nvme;
/// Random bytes that fillers are cut from: far more than a batch, so that no codec finds them again.
const POOL_BYTES: usize = 4 << 20;
const TEXT_ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Who wrote a record, where to, and when it was to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Tells this run from others.
    pub(crate) run: u32,
    pub(crate) producer: u32,
    /// The partition, counted over all topics.
    pub(crate) place: u32,
    /// Counts from 0 what this producer writes to this place.
    pub(crate) sequence: u64,
    pub(crate) intended: Moment,
}

/// What is wrong with a record that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damaged;

/// Makes records, one after the other in the same memory.
pub(crate) struct Maker {
    pool: Vec<u8>,
    random_bytes: usize,
    at: usize,
    record: Vec<u8>,
}

impl Maker {
    /// Of records with so many bytes, of which a share cannot be compressed. As text such a byte has 6 bits and not 8, so there are
    /// more of them.
    pub(crate) fn new(record_bytes: usize, incompressible: f64, is_text: bool, seed: u64) -> Maker {
        let filler = record_bytes - HEADER_BYTES;
        let share = if is_text { incompressible * 8.0 / 6.0 } else { incompressible };
        let random_bytes = ((record_bytes as f64 * share) as usize).min(filler);
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let pool = (0..POOL_BYTES + random_bytes).map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let byte = (state >> 24) as u8;
            if is_text { TEXT_ALPHABET[usize::from(byte % 64)] } else { byte }
        });
        Maker { pool: pool.collect(), random_bytes, at: 0, record: vec![b'x'; record_bytes] }
    }

    /// The record with that head.
    pub(crate) fn make(&mut self, head: &Head) -> &[u8] {
        let parts = [
            (0, 8, u64::from(head.run)),
            (8, 8, u64::from(head.producer)),
            (16, 8, u64::from(head.place)),
            (24, 12, head.sequence),
            (36, 12, head.intended.0),
        ];
        for (from, digits, value) in parts {
            put_hexadecimal(&mut self.record[from..from + digits], value);
        }
        // A step that shares no factor with the pool, so that all of it is used.
        self.at = (self.at + self.random_bytes + 61) % POOL_BYTES;
        let filler = &mut self.record[HEADER_BYTES..HEADER_BYTES + self.random_bytes];
        filler.copy_from_slice(&self.pool[self.at..self.at + self.random_bytes]);
        let hash = hash(&self.record);
        put_hexadecimal(&mut self.record[HASH_FROM..HEADER_BYTES], hash);
        &self.record
    }
}

/// Reads the head of a record, and checks that all of it is as it was made.
pub(crate) fn read(value: &[u8]) -> Result<Head, Damaged> {
    let head = read_head(value)?;
    if hexadecimal(&value[HASH_FROM..HEADER_BYTES])? == hash(value) { Ok(head) } else { Err(Damaged) }
}

/// The same of a record that has not been out of our hands.
pub(crate) fn read_head(value: &[u8]) -> Result<Head, Damaged> {
    let part = |from: usize, digits: usize| value.get(from..from + digits).ok_or(Damaged).and_then(hexadecimal);
    if value.len() < HEADER_BYTES {
        return Err(Damaged);
    }
    Ok(Head {
        run: part(0, 8)? as u32,
        producer: part(8, 8)? as u32,
        place: part(16, 8)? as u32,
        sequence: part(24, 12)?,
        intended: Moment(part(36, 12)?),
    })
}

/// Over all but the hash itself.
fn hash(record: &[u8]) -> u64 {
    if record.len() == HEADER_BYTES {
        return checksum(ALGORITHM, &record[..HASH_FROM]);
    }
    let mut digest = Digest::new(ALGORITHM);
    digest.update(&record[..HASH_FROM]);
    digest.update(&record[HEADER_BYTES..]);
    digest.finalize()
}

fn put_hexadecimal(out: &mut [u8], mut value: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
    }
}

fn hexadecimal(digits: &[u8]) -> Result<u64, Damaged> {
    digits.iter().try_fold(0, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return Err(Damaged),
        };
        Ok(value << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Head = Head { run: 0xfeed_beef, producer: 7, place: 99, sequence: 1 << 40, intended: Moment(1 << 47) };

    #[test]
    fn a_record_says_what_it_was_made_of() {
        for (bytes, is_text) in [(HEADER_BYTES, false), (1024, false), (1024, true)] {
            let mut maker = Maker::new(bytes, 0.5, is_text, 1);
            let record = maker.make(&HEAD).to_vec();
            assert_eq!(record.len(), bytes);
            assert_eq!(read(&record), Ok(HEAD));
            assert!(!is_text || record.is_ascii());
            let other = maker.make(&HEAD).to_vec();
            assert!(bytes == HEADER_BYTES || other != record, "fillers differ");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let record = Maker::new(200, 0.5, false, 1).make(&HEAD).to_vec();
        for bit in 0..record.len() * 8 {
            let mut flipped = record.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&flipped), Err(Damaged), "bit {bit}");
        }
        assert_eq!(read(&record[..150]), Err(Damaged));
        assert_eq!(read(&record[..20]), Err(Damaged));
    }

    #[test]
    fn the_share_that_cannot_be_compressed_is_as_wanted() {
        let mut maker = Maker::new(1024, 0.5, false, 1);
        let record = maker.make(&HEAD);
        assert_eq!(record.iter().rev().take_while(|byte| **byte == b'x').count() / 10, (1024 - 512 - 64) / 10);
    }
}
