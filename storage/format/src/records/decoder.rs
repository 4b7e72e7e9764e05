//! Decompression that reads a body piece by piece and stops at a bound.

use std::io::{self, Read};

use lz4_flex::frame::FrameDecoder;
use tidelog_model::Codec;

use super::{RecordsError, snappy};

/// Windows up to 128 MiB, which is what Kafka's Java client accepts. Zstandard takes that memory as it fills it, so it
/// is bounded by the bound on the output too.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// Output is taken in steps of at least this.
const STEP_BYTES: usize = 32 * 1024;

/// Unfolds `body` into at most `bytes_max` bytes.
///
/// # Errors
/// [`RecordsError::Compressed`] when the body is invalid, cut off, or has bytes after its end;
/// [`RecordsError::TooLarge`] when there would be more output. The memory taken never exceeds twice what was really
/// unfolded by more than the codec's window.
pub fn decompress(codec: Codec, body: &[u8], bytes_max: usize) -> Result<Vec<u8>, RecordsError> {
    if codec == Codec::None {
        return if body.len() > bytes_max { Err(RecordsError::TooLarge { bytes_max }) } else { Ok(body.to_vec()) };
    }
    let mut decoder = Decoder::new(codec, body, bytes_max)?;
    let mut out = Vec::new();
    let mut filled = 0;
    loop {
        if filled == out.len() {
            // Doubling, so that the copies stay proportionate; one byte over the bound shows that there is more.
            let step = out.len().max(STEP_BYTES).min((bytes_max + 1).saturating_sub(out.len()));
            out.resize(out.len() + step, 0);
        }
        match decoder.read(&mut out[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    decoder.end()?;
    out.truncate(filled);
    Ok(out)
}

/// One body being unfolded.
pub(super) struct Decoder<'a> {
    codec: Codec,
    inner: Inner<'a>,
    bytes_max: usize,
    bytes_read: usize,
}

enum Inner<'a> {
    Gzip(flate2::bufread::GzDecoder<&'a [u8]>),
    Snappy(snappy::Decoder<'a>),
    Lz4(FrameDecoder<Body<'a>>),
    Zstd(zstd::stream::read::Decoder<'static, &'a [u8]>),
}

impl<'a> Decoder<'a> {
    /// Of a codec that is not [`Codec::None`].
    pub(super) fn new(codec: Codec, body: &'a [u8], bytes_max: usize) -> Result<Decoder<'a>, RecordsError> {
        let inner = match codec {
            Codec::None => unreachable!("there is nothing to unfold"),
            Codec::Gzip => Ok(Inner::Gzip(flate2::bufread::GzDecoder::new(body))),
            Codec::Snappy => snappy::Decoder::new(body, bytes_max).map(Inner::Snappy),
            Codec::Lz4 => {
                check_lz4_header(body).map(|()| Inner::Lz4(FrameDecoder::new(Body { rest: body, dry: false })))
            }
            Codec::Zstd => zstd::stream::read::Decoder::with_buffer(body).and_then(|decoder| {
                let mut decoder = decoder.single_frame();
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Ok(Inner::Zstd(decoder))
            }),
        };
        let inner = inner.map_err(|error| failure(codec, bytes_max, &error))?;
        Ok(Decoder { codec, inner, bytes_max, bytes_read: 0 })
    }

    /// Fills the front of `buffer`, which is not empty; 0 at the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, RecordsError> {
        let read = match &mut self.inner {
            Inner::Gzip(decoder) => decoder.read(buffer),
            Inner::Snappy(decoder) => decoder.read(buffer),
            Inner::Lz4(decoder) => decoder.read(buffer),
            Inner::Zstd(decoder) => decoder.read(buffer),
        };
        let count = read.map_err(|error| failure(self.codec, self.bytes_max, &error))?;
        self.bytes_read += count;
        if self.bytes_read > self.bytes_max {
            return Err(RecordsError::TooLarge { bytes_max: self.bytes_max });
        }
        Ok(count)
    }

    /// To be called after the end was read: nothing may be missing from the body, nor follow it. Clients disagree on
    /// whether a second stream after the first counts, so we would not know how many records there are.
    pub(super) fn end(self) -> Result<(), RecordsError> {
        let whole = match self.inner {
            Inner::Gzip(decoder) => decoder.into_inner().is_empty(),
            Inner::Snappy(decoder) => decoder.rest().is_empty(),
            Inner::Lz4(decoder) => {
                let body = decoder.into_inner();
                body.rest.is_empty() && !body.dry
            }
            Inner::Zstd(decoder) => decoder.finish().is_empty(),
        };
        if whole {
            return Ok(());
        }
        let problem = "it is cut off, or bytes follow its end".to_owned();
        Err(RecordsError::Compressed { codec: self.codec, problem })
    }
}

/// A body that remembers being asked for more than it has: the LZ4 decoder takes a missing end mark for an end.
struct Body<'a> {
    rest: &'a [u8],
    dry: bool,
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.dry |= buffer.len() > self.rest.len();
        self.rest.read(buffer)
    }
}

/// Refuses what Kafka's own reader (`KafkaLZ4BlockInputStream`) refuses: a consumer could not read it either.
fn check_lz4_header(body: &[u8]) -> io::Result<()> {
    const MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();
    const INDEPENDENT_BLOCKS: u8 = 0x20;
    let problem = match body {
        [a, b, c, d, flags, ..] if [*a, *b, *c, *d] == MAGIC => {
            if flags & INDEPENDENT_BLOCKS != 0 {
                return Ok(());
            }
            "its blocks depend on each other"
        }
        _ => "it does not begin with a frame header",
    };
    Err(io::Error::new(io::ErrorKind::InvalidData, problem))
}

/// An error of a codec's library.
pub(super) fn failure(codec: Codec, bytes_max: usize, error: &io::Error) -> RecordsError {
    if error.kind() == io::ErrorKind::FileTooLarge {
        return RecordsError::TooLarge { bytes_max };
    }
    RecordsError::Compressed { codec, problem: error.to_string() }
}
