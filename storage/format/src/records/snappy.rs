//! Snappy as Kafka's clients write it: one raw block (librdkafka, Go), or the framing of xerial's snappy-java (Java).

use std::io::{self, Read, Write};

/// First bytes of xerial's stream header.
const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// Magic, version and lowest compatible version.
const HEADER_BYTES: usize = 16;
/// Bytes of records per block; the Java client's default.
const BLOCK_BYTES: usize = 32 * 1024;
/// The densest element of the format is a copy of 64 bytes written in three; so output beyond this per byte is a lie.
const RATIO_MAX: usize = 22;

/// Unfolds either form, block by block.
pub(super) struct Decoder<'a> {
    rest: &'a [u8],
    framed: bool,
    block: Vec<u8>,
    /// Bytes of `block` that were read.
    read: usize,
    /// No block may unfold to more.
    bytes_max: usize,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(body: &'a [u8], bytes_max: usize) -> io::Result<Decoder<'a>> {
        let framed = body.starts_with(&MAGIC);
        let rest = if framed {
            body.get(HEADER_BYTES..).ok_or_else(|| invalid("the stream header is cut off"))?
        } else {
            body
        };
        Ok(Decoder { rest, framed, block: Vec::new(), read: 0, bytes_max })
    }

    /// What is left of the body.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn next_block(&mut self) -> io::Result<()> {
        let bytes = if self.framed {
            let (length, rest) =
                self.rest.split_first_chunk::<4>().ok_or_else(|| invalid("a block length is cut off"))?;
            self.rest = rest;
            u32::from_be_bytes(*length) as usize
        } else {
            self.rest.len()
        };
        if bytes > self.rest.len() {
            return Err(invalid("a block is cut off"));
        }
        let (block, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        let unfolded = snap::raw::decompress_len(block).map_err(io::Error::other)?;
        if unfolded > bytes.saturating_mul(RATIO_MAX) {
            return Err(invalid("a block states more output than its input can give"));
        }
        if unfolded > self.bytes_max {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.block.resize(unfolded, 0);
        let written = snap::raw::Decoder::new().decompress(block, &mut self.block).map_err(io::Error::other)?;
        self.block.truncate(written);
        self.read = 0;
        Ok(())
    }
}

impl Read for Decoder<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.read == self.block.len() {
            if self.rest.is_empty() {
                return Ok(0);
            }
            self.next_block()?;
        }
        let count = buffer.len().min(self.block.len() - self.read);
        buffer[..count].copy_from_slice(&self.block[self.read..self.read + count]);
        self.read += count;
        Ok(count)
    }
}

fn invalid(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// Writes xerial's framing, which every Kafka client reads.
pub(super) struct Encoder<W> {
    out: W,
    block: Vec<u8>,
}

impl<W: Write> Encoder<W> {
    pub(super) fn new(mut out: W) -> io::Result<Encoder<W>> {
        out.write_all(&MAGIC)?;
        out.write_all(&1_u32.to_be_bytes())?;
        out.write_all(&1_u32.to_be_bytes())?;
        Ok(Encoder { out, block: Vec::with_capacity(BLOCK_BYTES) })
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        self.write_block()?;
        Ok(self.out)
    }

    fn write_block(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let packed = snap::raw::Encoder::new().compress_vec(&self.block).map_err(io::Error::other)?;
        self.out.write_all(&(packed.len() as u32).to_be_bytes())?;
        self.out.write_all(&packed)?;
        self.block.clear();
        Ok(())
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, records: &[u8]) -> io::Result<usize> {
        let count = records.len().min(BLOCK_BYTES - self.block.len());
        self.block.extend_from_slice(&records[..count]);
        if self.block.len() == BLOCK_BYTES {
            self.write_block()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
