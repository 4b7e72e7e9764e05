//! Compression as Kafka's Java producer does it, so that every consumer can read it.

use std::io::{self, Write};

use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use tidelog_model::Codec;
use tidelog_model::limits::BATCH_DECOMPRESSED_BYTES_MAX;

use super::decoder::{Decoder, failure};
use super::{RecordsError, snappy};

/// Zstandard's own default, and Kafka's.
const ZSTD_LEVEL: i32 = 3;
/// Levels beyond take hundreds of megabytes and most of a second for a batch, while everybody else waits.
const ZSTD_LEVEL_MAX: i32 = 9;
/// What is unfolded at once.
const WINDOW_BYTES: usize = 32 * 1024;

/// A codec and how hard it tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// The codec.
    pub codec: Codec,
    /// `None`: its default. Gzip has 1 to 9, Zstandard any number up to 9 (above it is 9), the others have no levels here.
    pub level: Option<i32>,
}

/// The body of a batch: `records` compressed with `codec`. What [`super::decompress`] undoes.
#[must_use]
pub fn compress(codec: Codec, records: &[u8]) -> Vec<u8> {
    let encoding = Encoding { codec, level: None };
    recompress(Codec::None, records, encoding, usize::MAX).expect("writing to memory does not fail")
}

/// The body of a batch in another encoding: the records are the same, byte for byte. They are never in memory as a whole
/// unless that is the result, or the body is raw snappy.
///
/// # Errors
/// [`RecordsError::TooLarge`] when the result would have more than `bytes_max` bytes; [`RecordsError::Compressed`] when
/// `body` is not valid.
pub fn recompress(from: Codec, body: &[u8], to: Encoding, bytes_max: usize) -> Result<Vec<u8>, RecordsError> {
    let failure = |error: io::Error| failure(to.codec, bytes_max, &error);
    let mut encoder = Encoder::new(to, bytes_max).map_err(failure)?;
    if from == Codec::None {
        encoder.write_all(body).map_err(failure)?;
    } else {
        let mut decoder = Decoder::new(from, body, BATCH_DECOMPRESSED_BYTES_MAX)?;
        let mut window = vec![0; WINDOW_BYTES];
        loop {
            match decoder.read(&mut window)? {
                0 => break,
                count => encoder.write_all(&window[..count]).map_err(failure)?,
            }
        }
        decoder.end()?;
    }
    encoder.finish().map_err(failure)
}

enum Encoder {
    None(Capped),
    Gzip(flate2::write::GzEncoder<Capped>),
    Snappy(snappy::Encoder<Capped>),
    Lz4(FrameEncoder<Capped>),
    Zstd(zstd::stream::write::Encoder<'static, Capped>),
}

impl Encoder {
    fn new(encoding: Encoding, bytes_max: usize) -> io::Result<Encoder> {
        let out = Capped { out: Vec::new(), bytes_max };
        Ok(match encoding.codec {
            Codec::None => Encoder::None(out),
            Codec::Gzip => {
                let level = encoding.level.and_then(|level| u32::try_from(level).ok()).map(|level| level.clamp(1, 9));
                let level = level.map_or_else(flate2::Compression::default, flate2::Compression::new);
                Encoder::Gzip(flate2::write::GzEncoder::new(out, level))
            }
            Codec::Snappy => Encoder::Snappy(snappy::Encoder::new(out)?),
            Codec::Lz4 => {
                // Kafka's Java client reads independent blocks only.
                let info = FrameInfo::new().block_mode(BlockMode::Independent).block_size(BlockSize::Max64KB);
                Encoder::Lz4(FrameEncoder::with_frame_info(info, out))
            }
            Codec::Zstd => {
                let level = encoding.level.unwrap_or(ZSTD_LEVEL).min(ZSTD_LEVEL_MAX);
                Encoder::Zstd(zstd::stream::write::Encoder::new(out, level)?)
            }
        })
    }

    fn write_all(&mut self, records: &[u8]) -> io::Result<()> {
        match self {
            Encoder::None(out) => out.write_all(records),
            Encoder::Gzip(encoder) => encoder.write_all(records),
            Encoder::Snappy(encoder) => encoder.write_all(records),
            Encoder::Lz4(encoder) => encoder.write_all(records),
            Encoder::Zstd(encoder) => encoder.write_all(records),
        }
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        let written = match self {
            Encoder::None(out) => Ok(out),
            Encoder::Gzip(encoder) => encoder.finish(),
            Encoder::Snappy(encoder) => encoder.finish(),
            Encoder::Lz4(encoder) => encoder.finish().map_err(io::Error::from),
            Encoder::Zstd(encoder) => encoder.finish(),
        };
        written.map(|capped| capped.out)
    }
}

/// Memory that does not grow beyond a bound.
struct Capped {
    out: Vec<u8>,
    bytes_max: usize,
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.bytes_max - self.out.len() {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
