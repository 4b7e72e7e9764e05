//! Compression as Kafka's Java producer does it, so that every consumer can read it.

use std::io::Write;

use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use tidelog_model::Codec;

use super::snappy;

/// Zstandard's own default, and Kafka's.
const ZSTD_LEVEL: i32 = 3;
const TO_MEMORY: &str = "writing to memory does not fail";

/// The body of a batch: `records` compressed with `codec`. What [`super::decompress`] undoes.
#[must_use]
pub fn compress(codec: Codec, records: &[u8]) -> Vec<u8> {
    match codec {
        Codec::None => records.to_vec(),
        Codec::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(records).expect(TO_MEMORY);
            encoder.finish().expect(TO_MEMORY)
        }
        Codec::Snappy => snappy::compress(records),
        Codec::Lz4 => {
            // Kafka's Java client reads independent blocks only.
            let info = FrameInfo::new().block_mode(BlockMode::Independent).block_size(BlockSize::Max64KB);
            let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(records).expect(TO_MEMORY);
            encoder.finish().expect(TO_MEMORY)
        }
        Codec::Zstd => zstd::stream::encode_all(records, ZSTD_LEVEL).expect(TO_MEMORY),
    }
}
