//! Batches folded and unfolded. For Zstandard with contexts that are kept: to make one takes ten times as long as to fold a batch of
//! a few kilobytes, and what the generator uses is not there for the server.

use anyhow::{Context, ensure};
use crc_fast::{CrcAlgorithm, checksum};
use tidelog_format::records::compress;
use tidelog_model::{Codec, HEADER_BYTES};
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::get_frame_content_size;

/// Kafka's default, and Zstandard's.
const ZSTD_LEVEL: i32 = 3;
/// More is nothing that was sent.
const UNFOLDED_BYTES_MAX: u64 = 64 << 20;
/// Where the length, the checksum and the attributes of a batch are, and what of these is the codec.
const LENGTH_AT: usize = 8;
const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;
const CODEC_BITS: u8 = 7;

/// Folds the batches of a thread.
pub(super) struct Folder {
    codec: Codec,
    zstd: Option<Compressor<'static>>,
}

impl Folder {
    pub(super) fn new(codec: Codec) -> anyhow::Result<Folder> {
        let zstd = (codec == Codec::Zstd).then(|| Compressor::new(ZSTD_LEVEL)).transpose()?;
        Ok(Folder { codec, zstd })
    }

    /// The batch with its records compressed.
    pub(super) fn fold(&mut self, batch: Vec<u8>) -> Vec<u8> {
        if self.codec == Codec::None {
            return batch;
        }
        let body = match &mut self.zstd {
            Some(zstd) => zstd.compress(&batch[HEADER_BYTES..]).expect("there is room for whatever it becomes"),
            None => compress(self.codec, &batch[HEADER_BYTES..]),
        };
        let mut batch = batch;
        batch.truncate(HEADER_BYTES);
        batch.extend_from_slice(&body);
        put_length(&mut batch);
        batch[ATTRIBUTES_AT + 1] |= self.codec as u8;
        let crc = checksum(CrcAlgorithm::Crc32Iscsi, &batch[ATTRIBUTES_AT..]) as u32;
        batch[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
        batch
    }
}

/// Unfolds the batches of a thread, one after the other in the same memory.
pub(super) struct Unfolder {
    zstd: Decompressor<'static>,
    batch: Vec<u8>,
}

impl Unfolder {
    pub(super) fn new() -> anyhow::Result<Unfolder> {
        Ok(Unfolder { zstd: Decompressor::new()?, batch: Vec::new() })
    }

    /// The batch with its records as they were, for who does not look at its checksum. One whose size is not known before, or of
    /// another codec, stays as it is.
    pub(super) fn unfold<'a>(&'a mut self, batch: &'a [u8]) -> anyhow::Result<&'a [u8]> {
        let is_zstd = batch.get(ATTRIBUTES_AT + 1).is_some_and(|bits| bits & CODEC_BITS == Codec::Zstd as u8);
        let body = batch.get(HEADER_BYTES..).filter(|_| is_zstd);
        let Some((body, bytes)) = body.and_then(|body| Some((body, get_frame_content_size(body).ok()??))) else {
            return Ok(batch);
        };
        ensure!(bytes <= UNFOLDED_BYTES_MAX, "a batch that unfolds to {bytes} bytes");
        self.batch.resize(HEADER_BYTES + bytes as usize, 0);
        let written = self.zstd.decompress_to_buffer(body, &mut self.batch[HEADER_BYTES..]).context("unfolding")?;
        ensure!(written as u64 == bytes, "a batch unfolds to {written} bytes and not {bytes}");
        self.batch[..HEADER_BYTES].copy_from_slice(&batch[..HEADER_BYTES]);
        self.batch[ATTRIBUTES_AT + 1] &= !CODEC_BITS;
        put_length(&mut self.batch);
        Ok(&self.batch)
    }
}

/// What is behind it.
fn put_length(batch: &mut [u8]) {
    let length = i32::try_from(batch.len() - LENGTH_AT - 4).expect("batches are bounded");
    batch[LENGTH_AT..LENGTH_AT + 4].copy_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use tidelog_format::records::{BatchBuilder, check_batch, for_each_record};
    use tidelog_model::TimestampMs;

    use super::*;

    #[test]
    fn a_folded_batch_is_one_that_servers_take_and_unfolds_to_the_same() {
        let mut unfolder = Unfolder::new().unwrap();
        for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let mut folder = Folder::new(codec).unwrap();
            for bytes in [10_000, 1000, 2000] {
                let mut builder = BatchBuilder::default();
                builder.push(TimestampMs(1), None, Some(&vec![b'x'; bytes]), &[]);
                let batch = builder.finish().into_bytes();
                let folded = folder.fold(batch.clone());
                assert!(check_batch(&folded).is_ok(), "{codec:?}");
                assert!(codec == Codec::None || folded.len() < bytes / 2, "{codec:?}");
                let unfolded = unfolder.unfold(&folded).unwrap();
                assert_eq!(unfolded.len() > bytes, matches!(codec, Codec::None | Codec::Zstd), "{codec:?}");
                let mut seen = 0;
                for_each_record(unfolded, |record| {
                    seen += record.value.map_or(0, <[u8]>::len);
                    std::ops::ControlFlow::Continue(())
                })
                .unwrap();
                assert_eq!(seen, bytes);
            }
        }
    }

    #[test]
    fn what_does_not_say_its_size_or_is_no_batch_stays_as_it_is() {
        let mut builder = BatchBuilder::default();
        builder.push(TimestampMs(1), None, Some(&[b'x'; 1000]), &[]);
        let batch = builder.finish().into_bytes();
        let mut streamed = batch[..HEADER_BYTES].to_vec();
        streamed.extend(compress(Codec::Zstd, &batch[HEADER_BYTES..]));
        streamed[ATTRIBUTES_AT + 1] |= Codec::Zstd as u8;
        let mut unfolder = Unfolder::new().unwrap();
        assert_eq!(unfolder.unfold(&streamed).unwrap(), streamed);
        assert_eq!(unfolder.unfold(&batch[..10]).unwrap(), &batch[..10]);
        let mut damaged = Folder::new(Codec::Zstd).unwrap().fold(batch);
        let last = damaged.len() - 3;
        damaged.truncate(last);
        assert!(unfolder.unfold(&damaged).is_err());
    }
}
