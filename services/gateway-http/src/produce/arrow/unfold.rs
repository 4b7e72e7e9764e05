//! Buffers of a record batch that are compressed, each for itself: LZ4 frames or Zstandard.

use std::io::{self, Read};

use arrow_ipc::{CompressionType, FieldNode, MessageBuilder, MessageHeader, RecordBatch, RecordBatchBuilder};
use bytes::Bytes;
use flatbuffers::FlatBufferBuilder;

use super::messages::{BODY_BYTES_MAX, invalid, too_large};
use crate::problem::Refused;

/// In front of each buffer: how long it is unfolded. −1 says that it is as it is.
const LENGTH_BYTES: usize = 8;
const AS_IT_IS: i64 = -1;
/// No buffer needs a window that is longer than the longest body.
const ZSTD_WINDOW_LOG_MAX: u32 = BODY_BYTES_MAX.ilog2();
const ALIGNMENT: usize = 8;

/// The same message, with metadata that says so, without compression. What buffers say of their lengths is added up before
/// memory is taken for them.
///
/// # Errors
/// When they are not what they say, or too much.
pub(super) fn unfold(
    batch: &RecordBatch<'_>,
    codec: CompressionType,
    body: &Bytes,
) -> Result<(Vec<u8>, Bytes), Refused> {
    let mut parts = Vec::new();
    let mut body_bytes = 0_usize;
    for buffer in batch.buffers().iter().flat_map(|buffers| buffers.iter()) {
        // The caller has seen that they lie in the body.
        let part = Part::of(&body[buffer.offset() as usize..][..buffer.length() as usize])?;
        parts.push((body_bytes, part));
        body_bytes += part.bytes().next_multiple_of(ALIGNMENT);
        if body_bytes > BODY_BYTES_MAX {
            return Err(too_large("the buffers of a record batch unfold to more bytes than are taken"));
        }
    }
    let mut unfolded = vec![0; body_bytes];
    for (from, part) in &parts {
        part.write(codec, &mut unfolded[*from..from + part.bytes()])?;
    }
    let buffers = parts.iter().map(|(from, part)| arrow_ipc::Buffer::new(*from as i64, part.bytes() as i64));
    Ok((metadata(batch, &buffers.collect::<Vec<_>>(), body_bytes), Bytes::from(unfolded)))
}

#[derive(Clone, Copy)]
enum Part<'a> {
    AsItIs(&'a [u8]),
    Packed { packed: &'a [u8], bytes: usize },
}

impl<'a> Part<'a> {
    fn of(sent: &'a [u8]) -> Result<Part<'a>, Refused> {
        if sent.is_empty() {
            return Ok(Part::AsItIs(sent));
        }
        let Some((length, packed)) = sent.split_first_chunk::<LENGTH_BYTES>() else {
            return Err(invalid("a compressed buffer is too short to say how long it is"));
        };
        match i64::from_le_bytes(*length) {
            AS_IT_IS => Ok(Part::AsItIs(packed)),
            length => match usize::try_from(length) {
                Ok(bytes) if bytes <= BODY_BYTES_MAX => Ok(Part::Packed { packed, bytes }),
                _ => Err(too_large(format!("a compressed buffer says that it has {length} bytes"))),
            },
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Part::AsItIs(bytes) => bytes.len(),
            Part::Packed { bytes, .. } => *bytes,
        }
    }

    fn write(&self, codec: CompressionType, out: &mut [u8]) -> Result<(), Refused> {
        let filled = match self {
            Part::AsItIs(bytes) => {
                out.copy_from_slice(bytes);
                return Ok(());
            }
            Part::Packed { bytes: 0, .. } => return Ok(()),
            Part::Packed { packed, .. } if codec == CompressionType::ZSTD => {
                zstd::stream::read::Decoder::with_buffer(*packed).and_then(|mut decoder| {
                    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                    fill(decoder, out)
                })
            }
            Part::Packed { packed, .. } => fill(lz4_flex::frame::FrameDecoder::new(*packed), out),
        };
        filled.map_err(|error| invalid(format!("a compressed buffer does not unfold: {error}")))
    }
}

/// Exactly as much as was said.
fn fill(mut decoder: impl Read, out: &mut [u8]) -> io::Result<()> {
    decoder.read_exact(out)?;
    match decoder.read(&mut [0])? {
        0 => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "it is longer than it says")),
    }
}

fn metadata(batch: &RecordBatch<'_>, buffers: &[arrow_ipc::Buffer], body_bytes: usize) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let nodes: Vec<FieldNode> = batch.nodes().iter().flat_map(|nodes| nodes.iter().copied()).collect();
    let nodes = builder.create_vector(&nodes);
    let buffers = builder.create_vector(buffers);
    let counts: Option<Vec<i64>> = batch.variadicBufferCounts().map(|counts| counts.iter().collect());
    let counts = counts.map(|counts| builder.create_vector(&counts));
    let mut plain = RecordBatchBuilder::new(&mut builder);
    plain.add_length(batch.length());
    plain.add_nodes(nodes);
    plain.add_buffers(buffers);
    if let Some(counts) = counts {
        plain.add_variadicBufferCounts(counts);
    }
    let plain = plain.finish();
    let mut message = MessageBuilder::new(&mut builder);
    message.add_version(arrow_ipc::MetadataVersion::V5);
    message.add_header_type(MessageHeader::RecordBatch);
    message.add_bodyLength(body_bytes as i64);
    message.add_header(plain.as_union_value());
    let message = message.finish();
    builder.finish(message, None);
    builder.finished_data().to_vec()
}
