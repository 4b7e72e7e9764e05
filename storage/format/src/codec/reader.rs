//! Reading values back: every length is compared with what is left before anything is made of it.

use bytes::{Buf, Bytes};

use super::{Corrupt, Decode};

/// Where values are read from. Byte strings share the input's memory.
#[derive(Debug)]
pub struct Reader {
    what: &'static str,
    bytes: Bytes,
}

impl Reader {
    /// Reads `bytes`, which should be a `what`.
    #[must_use]
    pub fn new(what: &'static str, bytes: Bytes) -> Reader {
        Reader { what, bytes }
    }

    /// Bytes not yet read.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// An error about the thing being read.
    #[must_use]
    pub fn corrupt(&self, problem: impl Into<String>) -> Corrupt {
        Corrupt::new(self.what, problem)
    }

    /// Takes `count` bytes, sharing their memory.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn raw(&mut self, count: usize) -> Result<Bytes, Corrupt> {
        if count > self.bytes.len() {
            return Err(self.corrupt(format!("needs {count} more bytes and {} are left", self.bytes.len())));
        }
        Ok(self.bytes.split_to(count))
    }

    /// Takes one byte.
    ///
    /// # Errors
    /// At the end.
    pub fn byte(&mut self) -> Result<u8, Corrupt> {
        if self.bytes.is_empty() {
            return Err(self.corrupt("ends early"));
        }
        Ok(self.bytes.get_u8())
    }

    /// Takes an unsigned LEB128 number.
    ///
    /// # Errors
    /// At the end, or for more than 64 bits.
    pub fn varint(&mut self) -> Result<u64, Corrupt> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.corrupt("has a number of more than 64 bits"))
    }

    /// Takes a signed number.
    ///
    /// # Errors
    /// As [`Reader::varint`].
    pub fn signed(&mut self) -> Result<i64, Corrupt> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// Takes a count of things that take `bytes_each_min` bytes at least, refusing one that cannot fit what is left: so
    /// nothing is allocated for a count that is not there.
    ///
    /// # Errors
    /// When it cannot.
    pub fn count(&mut self, bytes_each_min: usize) -> Result<usize, Corrupt> {
        let count = self.varint()?;
        let fits = self.bytes.len() / bytes_each_min.max(1);
        if count > fits as u64 {
            return Err(self.corrupt(format!("counts {count} items where {fits} fit at most")));
        }
        Ok(count as usize)
    }

    /// Takes a value.
    ///
    /// # Errors
    /// As its [`Decode`].
    pub fn get<T: Decode>(&mut self) -> Result<T, Corrupt> {
        T::decode(self)
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// When something is.
    pub fn end(&self) -> Result<(), Corrupt> {
        if self.bytes.is_empty() {
            Ok(())
        } else {
            Err(self.corrupt(format!("{} bytes follow its end", self.bytes.len())))
        }
    }
}
