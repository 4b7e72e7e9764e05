//! Bodies that come encoded, unfolded a little at a time.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::{Buf, Bytes};
use flate2::{Decompress, FlushDecompress, Status};
use http_body::{Frame, SizeHint};
use tidelog_model::mutant;
use tokio::task::coop;
use zstd::stream::raw::{DParameter, Decoder as ZstdDecoder, Operation};

use super::Encoding;
use crate::errors::Code;
use crate::gateway::Shared;
use crate::memory::{Address, Share};
use crate::options::{
    GZIP_DECODER_BYTES, UNFOLDED_BYTES_FREE, UNFOLDED_TIMES_MAX, ZSTD_DECODER_BYTES, ZSTD_WINDOW_LOG_MAX,
};
use crate::problem::Refused;

/// What is unfolded at once.
const OUT_BYTES: usize = 64 * 1024;
/// What a gzip body may look back over, as a power of two: all that the format has.
const GZIP_WINDOW_LOG: u8 = 15;

/// Why a body could not be unfolded.
#[derive(Debug, thiserror::Error)]
enum BadEncoding {
    #[error("the body is not valid {what}: {error}")]
    Invalid { what: &'static str, error: io::Error },
    #[error("the body ends before its {what} does")]
    CutOff { what: &'static str },
    #[error("the body unfolds to more than {} times its length; send it as it is", UNFOLDED_TIMES_MAX)]
    Bomb,
}

/// The body as it was before it was encoded, when there is room for a decoder.
///
/// # Errors
/// When as many bodies are being unfolded as may be, and none of them made way in time.
pub(crate) async fn unfold(
    shared: &Shared,
    address: Address,
    body: Body,
    encoding: Encoding,
) -> Result<Unfolding, Refused> {
    let bytes = match encoding {
        Encoding::Gzip => GZIP_DECODER_BYTES,
        Encoding::Zstd => ZSTD_DECODER_BYTES,
    };
    let (memory, clock) = (&shared.memory, &shared.parts.clock);
    let detail = "as many encoded bodies as may be are being unfolded; try again in a moment, or send it as it is";
    let share = memory.room_in_time(clock, &memory.decoders, (address, bytes), detail).await?;
    let internal = |error: io::Error| Refused::new(Code::Internal, format!("no body can be unfolded: {error}"));
    let decoder = Decoder::new(encoding).map_err(internal)?;
    let (input, came_bytes, unfolded_bytes) = (Bytes::new(), 0, 0);
    Ok(Unfolding { inner: body, input, decoder, came_bytes, unfolded_bytes, is_done: false, _share: share })
}

/// What is to be said of a body that ended with this error, if it was for its encoding.
pub(crate) fn refused_by(error: &(dyn Error + 'static)) -> Option<Refused> {
    let mut next = Some(error);
    let bad = loop {
        let one = next?;
        if let Some(bad) = one.downcast_ref::<BadEncoding>() {
            break bad;
        }
        next = one.source();
    };
    let code = match bad {
        BadEncoding::Invalid { .. } => Code::InvalidBody,
        BadEncoding::CutOff { .. } => Code::BodyCutOff,
        BadEncoding::Bomb => Code::BodyTooLarge,
    };
    Some(Refused::parameter(code, "content-encoding", bad.to_string()))
}

struct Decoder {
    library: Library,
    /// There is more to come of what it has.
    has_more: bool,
    /// What has begun, or has yet to, is not at its end.
    is_inside: bool,
}

enum Library {
    Gzip(Decompress),
    Zstd(ZstdDecoder<'static>),
}

impl Decoder {
    fn new(encoding: Encoding) -> io::Result<Decoder> {
        let library = match encoding {
            Encoding::Gzip => Library::Gzip(Decompress::new_gzip(GZIP_WINDOW_LOG)),
            Encoding::Zstd => {
                let mut decoder = ZstdDecoder::new()?;
                decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
                Library::Zstd(decoder)
            }
        };
        Ok(Decoder { library, has_more: false, is_inside: true })
    }

    fn what(&self) -> &'static str {
        match self.library {
            Library::Gzip(_) => Encoding::Gzip.name(),
            Library::Zstd(_) => Encoding::Zstd.name(),
        }
    }

    /// Unfolds some of `input`, which it takes from it; never more than [`OUT_BYTES`].
    fn step(&mut self, input: &mut Bytes) -> io::Result<Vec<u8>> {
        let mut out = vec![0; OUT_BYTES];
        let (read, written, is_end) = match &mut self.library {
            Library::Gzip(decoder) => {
                let before = (decoder.total_in(), decoder.total_out());
                let status = decoder.decompress(input, &mut out, FlushDecompress::None)?;
                let moved = ((decoder.total_in() - before.0) as usize, (decoder.total_out() - before.1) as usize);
                let is_end = status == Status::StreamEnd;
                if is_end {
                    // Another may follow.
                    *decoder = Decompress::new_gzip(GZIP_WINDOW_LOG);
                }
                (moved.0, moved.1, is_end)
            }
            Library::Zstd(decoder) => {
                let status = decoder.run_on_buffers(input, &mut out)?;
                (status.bytes_read, status.bytes_written, status.remaining == 0)
            }
        };
        if read == 0 && written == 0 && !is_end && !input.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it does not go on"));
        }
        input.advance(read);
        self.is_inside = !is_end;
        self.has_more = written == OUT_BYTES && !is_end;
        out.truncate(written);
        out.shrink_to_fit();
        Ok(out)
    }
}

/// A body that is unfolded as it comes.
pub(crate) struct Unfolding {
    inner: Body,
    /// What came of it and is not unfolded yet.
    input: Bytes,
    decoder: Decoder,
    came_bytes: u64,
    unfolded_bytes: u64,
    is_done: bool,
    _share: Share,
}

impl Unfolding {
    /// What it has unfolded to so far.
    pub(crate) fn unfolded_bytes(&self) -> u64 {
        self.unfolded_bytes
    }

    /// The rest of the body as it comes; the decoder is others'.
    pub(crate) fn give_way(self) -> Body {
        self.inner
    }

    fn step(&mut self) -> Result<Vec<u8>, BadEncoding> {
        let what = self.decoder.what();
        let out = self.decoder.step(&mut self.input).map_err(|error| BadEncoding::Invalid { what, error })?;
        self.unfolded_bytes += out.len() as u64;
        let bytes_max = UNFOLDED_BYTES_FREE.max(self.came_bytes.saturating_mul(UNFOLDED_TIMES_MAX));
        if self.unfolded_bytes > bytes_max { Err(BadEncoding::Bomb) } else { Ok(out) }
    }

    fn end(&self) -> Result<(), BadEncoding> {
        let what = self.decoder.what();
        if self.decoder.is_inside && !mutant!("http-torn-body-taken") {
            return Err(BadEncoding::CutOff { what });
        }
        Ok(())
    }
}

impl http_body::Body for Unfolding {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        loop {
            if self.is_done {
                return Poll::Ready(None);
            }
            if self.input.is_empty() && !self.decoder.has_more {
                match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
                    Some(Ok(frame)) => {
                        self.input = frame.into_data().unwrap_or_default();
                        self.came_bytes += self.input.len() as u64;
                    }
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => {
                        self.is_done = true;
                        if let Err(bad) = self.end() {
                            return Poll::Ready(Some(Err(axum::Error::new(bad))));
                        }
                    }
                }
                continue;
            }
            // Little may unfold to much, none of which waits for anything: others get their turn.
            ready!(coop::poll_proceed(context)).made_progress();
            match self.step() {
                Ok(out) if out.is_empty() => {}
                Ok(out) => return Poll::Ready(Some(Ok(Frame::data(out.into())))),
                Err(bad) => {
                    self.is_done = true;
                    return Poll::Ready(Some(Err(axum::Error::new(bad))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_done
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
