//! An Arrow IPC stream as it arrives, taken apart into messages. What a message says of its lengths is checked before memory is
//! taken for it, and its metadata is verified before any of it is believed.

use arrow_ipc::{Message, MessageHeader, MetadataVersion};
use bytes::{Buf, Bytes};
use flatbuffers::VerifierOptions;

use crate::errors::Code;
use crate::options::BODY_BYTES_FREE;
use crate::problem::Refused;

/// The longest metadata of a message; a schema's takes some hundred bytes, unless its writer attaches something.
pub(super) const METADATA_BYTES_MAX: usize = 256 * 1024;
/// The longest body of a message, as it is sent and as it unfolds.
pub(super) const BODY_BYTES_MAX: usize = 8 << 20;
/// What metadata may lead to when it is followed, so that a little of it cannot stand for a lot.
const LEVELS_MAX: usize = 32;
const TABLES_MAX: usize = 1_000;
const PREFIX_BYTES: usize = 8;
const CONTINUATION: [u8; 4] = [0xff; 4];
/// What Arrow's file format begins with.
const FILE_MAGIC: &[u8] = b"ARROW1";

/// A message that is here.
pub(super) struct Whole {
    pub(super) kind: Kind,
    metadata: Vec<u8>,
    pub(super) body: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Schema,
    RecordBatch,
}

/// What came of bytes that were taken.
pub(super) enum Taken {
    /// More are needed.
    All,
    /// A part is about to be held, for which, and for what is made of it, so much room is needed.
    Begins { room_bytes: usize },
    /// A message.
    Message(Whole),
}

/// Takes a stream apart.
pub(super) struct Messages {
    state: State,
    count: u64,
}

enum State {
    Prefix { bytes: [u8; PREFIX_BYTES], filled: usize },
    Metadata { bytes: Vec<u8>, wanted: usize },
    Body { kind: Kind, metadata: Vec<u8>, bytes: Vec<u8>, wanted: usize },
    Ended,
}

impl State {
    fn prefix() -> State {
        State::Prefix { bytes: [0; PREFIX_BYTES], filled: 0 }
    }
}

impl Messages {
    pub(super) fn new() -> Messages {
        Messages { state: State::prefix(), count: 0 }
    }

    /// What is held of a message that is arriving.
    pub(super) fn held_bytes(&self) -> usize {
        match &self.state {
            State::Prefix { .. } | State::Ended => 0,
            State::Metadata { bytes, .. } => bytes.len(),
            State::Body { metadata, bytes, .. } => metadata.len() + bytes.len(),
        }
    }

    /// Takes bytes from the front of `bytes`, until there is something to say. To be called again until it is
    /// [`Taken::All`].
    ///
    /// # Errors
    /// When they are no stream, or more than is taken.
    pub(super) fn take(&mut self, bytes: &mut Bytes) -> Result<Taken, Refused> {
        loop {
            match &mut self.state {
                State::Ended if bytes.is_empty() => return Ok(Taken::All),
                State::Ended => return Err(invalid("bytes follow the end of the stream; send one stream in a body")),
                State::Prefix { bytes: prefix, filled } => {
                    let count = bytes.len().min(PREFIX_BYTES - *filled);
                    bytes.copy_to_slice(&mut prefix[*filled..*filled + count]);
                    *filled += count;
                    let is_begun = CONTINUATION.iter().zip(&prefix[..*filled]).all(|(wanted, found)| wanted == found);
                    if !is_begun && (*filled >= CONTINUATION.len() || bytes.is_empty()) {
                        return Err(self.not_a_message());
                    }
                    if *filled < PREFIX_BYTES {
                        return Ok(Taken::All);
                    }
                    let length = i32::from_le_bytes(*prefix.last_chunk().expect("it has eight"));
                    let Some(wanted) = usize::try_from(length).ok().filter(|wanted| *wanted <= METADATA_BYTES_MAX)
                    else {
                        let detail = format!(
                            "the metadata of message {} has {length} bytes; {METADATA_BYTES_MAX} are the most that work",
                            self.count + 1
                        );
                        return Err(invalid(detail));
                    };
                    if wanted == 0 {
                        self.state = State::Ended;
                        continue;
                    }
                    self.count += 1;
                    self.state = State::Metadata { bytes: Vec::new(), wanted };
                    // Whoever has long metadata takes all the room at once that its body may need.
                    let more = if wanted > BODY_BYTES_FREE { 2 * BODY_BYTES_MAX } else { 0 };
                    return Ok(Taken::Begins { room_bytes: wanted + more });
                }
                State::Metadata { bytes: metadata, wanted } => {
                    if !gather(metadata, *wanted, bytes) {
                        return Ok(Taken::All);
                    }
                    let metadata = std::mem::take(metadata);
                    let Judged { kind, body_bytes, is_compressed } = self.judge(&metadata)?;
                    let unfolded = if is_compressed { BODY_BYTES_MAX } else { 0 };
                    let room_bytes = metadata.len() + body_bytes + unfolded;
                    self.state = State::Body { kind, metadata, bytes: Vec::new(), wanted: body_bytes };
                    return Ok(Taken::Begins { room_bytes });
                }
                State::Body { kind, metadata, bytes: body, wanted } => {
                    // What has come as a whole already is not copied.
                    let body = if body.is_empty() && bytes.len() >= *wanted {
                        bytes.split_to(*wanted)
                    } else if gather(body, *wanted, bytes) {
                        Bytes::from(std::mem::take(body))
                    } else {
                        return Ok(Taken::All);
                    };
                    let message = Whole { kind: *kind, metadata: std::mem::take(metadata), body };
                    self.state = State::prefix();
                    return Ok(Taken::Message(message));
                }
            }
        }
    }

    /// Checks that the stream may end here. Its end mark may be left out.
    ///
    /// # Errors
    /// When it is torn.
    pub(super) fn end(&self) -> Result<(), Refused> {
        let (part, here, wanted) = match &self.state {
            State::Ended | State::Prefix { filled: 0, .. } if self.count > 0 => return Ok(()),
            State::Ended | State::Prefix { filled: 0, .. } => {
                return Err(invalid("the body is empty; an Arrow IPC stream begins with a schema"));
            }
            State::Prefix { filled, .. } => ("beginning", *filled, PREFIX_BYTES),
            State::Metadata { bytes, wanted } => ("metadata", bytes.len(), *wanted),
            State::Body { bytes, wanted, .. } => ("body", bytes.len(), *wanted),
        };
        let number = self.count + u64::from(part == "beginning");
        let detail = format!("the body ends inside message {number}: of the {wanted} bytes of its {part} {here} came");
        Err(Refused::new(Code::BodyCutOff, detail))
    }

    fn not_a_message(&self) -> Refused {
        let State::Prefix { bytes, filled } = &self.state else { unreachable!("asked where a message begins") };
        let found = &bytes[..*filled];
        let length = found.len().min(FILE_MAGIC.len());
        if self.count == 0 && found[..length] == FILE_MAGIC[..length] {
            return invalid(
                "the body is in Arrow's file format; the stream format works (pyarrow: pa.ipc.new_stream, polars: \
                 write_ipc_stream)",
            );
        }
        let detail = format!(
            "message {} does not begin as one of an Arrow IPC stream does, with ff ff ff ff and a length",
            self.count + 1
        );
        invalid(detail)
    }

    fn judge(&self, metadata: &[u8]) -> Result<Judged, Refused> {
        let number = self.count;
        let message =
            verify(metadata).map_err(|problem| invalid(format!("the metadata of message {number}: {problem}")))?;
        let kind = match message.header_type() {
            MessageHeader::Schema if number == 1 => Kind::Schema,
            MessageHeader::RecordBatch if number > 1 => Kind::RecordBatch,
            MessageHeader::DictionaryBatch => {
                let detail = format!(
                    "message {number} is a dictionary, which is not taken; send the column as it is (pyarrow: \
                     dictionary_decode, polars: cast to String)"
                );
                return Err(invalid(detail));
            }
            other => {
                let what = other.variant_name().unwrap_or("unknown");
                let wanted = if number == 1 { "a schema comes first" } else { "record batches follow the schema" };
                return Err(invalid(format!("message {number} is a {what}; {wanted}")));
            }
        };
        let length = message.bodyLength();
        let wanted = usize::try_from(length).ok().filter(|wanted| *wanted <= BODY_BYTES_MAX);
        let wanted = wanted.ok_or_else(|| too_large(format!("message {number} has a body of {length} bytes")))?;
        let batch = message.header_as_record_batch();
        let is_compressed = batch.is_some_and(|batch| batch.compression().is_some());
        Ok(Judged { kind, body_bytes: wanted, is_compressed })
    }
}

/// What metadata says of its message.
struct Judged {
    kind: Kind,
    body_bytes: usize,
    is_compressed: bool,
}

impl Whole {
    /// The metadata, verified.
    ///
    /// # Errors
    /// When it is none; that was seen before.
    pub(super) fn message(&self) -> Result<Message<'_>, Refused> {
        verify(&self.metadata).map_err(invalid)
    }
}

/// Fills `part` up to `wanted` bytes; whether it is full.
fn gather(part: &mut Vec<u8>, wanted: usize, bytes: &mut Bytes) -> bool {
    if part.is_empty() {
        part.reserve_exact(wanted);
    }
    let more = bytes.split_to(bytes.len().min(wanted - part.len()));
    part.extend_from_slice(&more);
    part.len() == wanted
}

pub(super) fn verify(metadata: &[u8]) -> Result<Message<'_>, String> {
    let options = VerifierOptions {
        max_depth: LEVELS_MAX,
        max_tables: TABLES_MAX,
        max_apparent_size: 2 * METADATA_BYTES_MAX,
        ..VerifierOptions::default()
    };
    let message = arrow_ipc::root_as_message_with_opts(&options, metadata)
        .map_err(|error| format!("it is not valid: {}", error.to_string().lines().next().unwrap_or_default()))?;
    match message.version() {
        MetadataVersion::V4 | MetadataVersion::V5 => Ok(message),
        other => Err(format!("it is of version {other:?}; V4 and V5 work")),
    }
}

pub(super) fn invalid(detail: impl Into<String>) -> Refused {
    Refused::new(Code::InvalidArrow, detail)
}

pub(super) fn too_large(what: impl std::fmt::Display) -> Refused {
    let detail = format!(
        "{what}; {BODY_BYTES_MAX} are the most that work: write smaller record batches (pyarrow: write_table(table, \
         max_chunksize=...))"
    );
    Refused::new(Code::ArrowBatchTooLarge, detail)
}
