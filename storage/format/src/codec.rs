//! A compact, checked encoding for stored values: integers as LEB128 varints, byte strings with their length first.
//!
//! Every stored thing begins with a version byte of its own; the encoding of a version never changes.

mod reader;
mod stored;
mod values;

use bytes::{BufMut, Bytes, BytesMut};

pub use reader::Reader;

/// Bytes that are not what was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is corrupt: {problem}")]
pub struct Corrupt {
    /// The thing that was being decoded.
    pub what: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl Corrupt {
    /// An error about `what`.
    #[must_use]
    pub fn new(what: &'static str, problem: impl Into<String>) -> Corrupt {
        Corrupt { what, problem: problem.into() }
    }
}

/// A value that can be stored.
pub trait Encode {
    /// Appends the value's bytes.
    fn encode(&self, out: &mut Writer);
}

/// A value that can be read back.
pub trait Decode: Sized {
    /// Takes the value's bytes from the front of `input`.
    ///
    /// # Errors
    /// [`Corrupt`] when the bytes are no such value.
    fn decode(input: &mut Reader) -> Result<Self, Corrupt>;
}

/// Where values are written to.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: BytesMut,
}

impl Writer {
    /// An empty one.
    #[must_use]
    pub fn new() -> Writer {
        Writer::default()
    }

    /// An empty one with room for `bytes`.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Writer {
        Writer { bytes: BytesMut::with_capacity(bytes) }
    }

    /// What was written.
    #[must_use]
    pub fn finish(self) -> Bytes {
        self.bytes.freeze()
    }

    /// Bytes written so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Appends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.put_slice(bytes);
    }

    /// Appends one byte.
    pub fn byte(&mut self, byte: u8) {
        self.bytes.put_u8(byte);
    }

    /// Appends an unsigned number as LEB128.
    pub fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.put_u8(value as u8);
    }

    /// Appends a signed number, zigzag, as LEB128.
    pub fn signed(&mut self, value: i64) {
        self.varint(((value << 1) ^ (value >> 63)) as u64);
    }

    /// Appends a value.
    pub fn put<T: Encode + ?Sized>(&mut self, value: &T) {
        value.encode(self);
    }
}

#[cfg(test)]
#[path = "codec/codec_test.rs"]
mod tests;
