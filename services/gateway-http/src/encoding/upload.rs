//! Bodies that come encoded, unfolded a little at a time.

use std::error::Error;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::{Buf, Bytes};
use flate2::write::MultiGzDecoder;
use http_body::{Frame, SizeHint};
use tidelog_model::mutant;
use tokio::task::coop;
use zstd::stream::raw::{DParameter, Decoder as ZstdDecoder, Operation};

use super::Encoding;
use crate::errors::Code;
use crate::gateway::Shared;
use crate::memory::Share;
use crate::options::{
    GZIP_DECODER_BYTES, UNFOLDED_BYTES_FREE, UNFOLDED_TIMES_MAX, ZSTD_DECODER_BYTES, ZSTD_WINDOW_LOG_MAX,
};
use crate::problem::Refused;

/// What is unfolded at once.
const OUT_BYTES: usize = 64 * 1024;
/// What a gzip decoder is given at once: a byte of it unfolds to a thousand at most.
const GZIP_IN_BYTES: usize = 64;

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

/// The body as it was before it was encoded.
///
/// # Errors
/// When as many bodies are being unfolded as may be.
pub(crate) fn unfold(shared: &Shared, body: Body, encoding: Encoding) -> Result<Body, Refused> {
    let bytes = match encoding {
        Encoding::Gzip => GZIP_DECODER_BYTES,
        Encoding::Zstd => ZSTD_DECODER_BYTES,
    };
    let share = shared.memory.decoders.try_take(bytes).ok_or_else(|| {
        let detail = "as many encoded bodies as may be are being unfolded; try again in a moment, or send it as it is";
        Refused::new(Code::Overloaded, detail)
    })?;
    let internal = |error: io::Error| Refused::new(Code::Internal, format!("no body can be unfolded: {error}"));
    let decoder = Decoder::new(encoding).map_err(internal)?;
    let (input, came_bytes, unfolded_bytes) = (Bytes::new(), 0, 0);
    Ok(Body::new(Unfolding { inner: body, input, decoder, came_bytes, unfolded_bytes, is_done: false, _share: share }))
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

enum Decoder {
    Gzip(MultiGzDecoder<Vec<u8>>),
    Zstd {
        decoder: ZstdDecoder<'static>,
        /// There is more to come of what it has.
        has_more: bool,
        /// A frame has begun and is not at its end.
        is_inside: bool,
    },
}

impl Decoder {
    fn new(encoding: Encoding) -> io::Result<Decoder> {
        Ok(match encoding {
            Encoding::Gzip => Decoder::Gzip(MultiGzDecoder::new(Vec::new())),
            Encoding::Zstd => {
                let mut decoder = ZstdDecoder::new()?;
                decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
                Decoder::Zstd { decoder, has_more: false, is_inside: false }
            }
        })
    }

    fn what(&self) -> &'static str {
        match self {
            Decoder::Gzip(_) => Encoding::Gzip.name(),
            Decoder::Zstd { .. } => Encoding::Zstd.name(),
        }
    }

    fn has_more(&self) -> bool {
        matches!(self, Decoder::Zstd { has_more: true, .. })
    }

    /// Unfolds some of `input`, which it takes from it; never more than about [`OUT_BYTES`].
    fn step(&mut self, input: &mut Bytes) -> io::Result<Vec<u8>> {
        match self {
            Decoder::Gzip(decoder) => {
                while !input.is_empty() && decoder.get_ref().len() < OUT_BYTES {
                    let part = input.split_to(input.len().min(GZIP_IN_BYTES));
                    decoder.write_all(&part)?;
                }
                Ok(std::mem::take(decoder.get_mut()))
            }
            Decoder::Zstd { decoder, has_more, is_inside } => {
                let mut out = vec![0; OUT_BYTES];
                let status = decoder.run_on_buffers(input, &mut out)?;
                input.advance(status.bytes_read);
                *has_more = status.bytes_written == OUT_BYTES;
                *is_inside = status.remaining > 0;
                out.truncate(status.bytes_written);
                Ok(out)
            }
        }
    }

    /// Whether nothing is missing.
    fn is_at_end(&mut self) -> io::Result<bool> {
        match self {
            Decoder::Gzip(decoder) => match decoder.try_finish() {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
                Err(error) => Err(error),
            },
            Decoder::Zstd { is_inside, .. } => Ok(!*is_inside),
        }
    }
}

struct Unfolding {
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
    fn step(&mut self) -> Result<Vec<u8>, BadEncoding> {
        let what = self.decoder.what();
        let out = self.decoder.step(&mut self.input).map_err(|error| BadEncoding::Invalid { what, error })?;
        self.unfolded_bytes += out.len() as u64;
        let bytes_max = UNFOLDED_BYTES_FREE.max(self.came_bytes.saturating_mul(UNFOLDED_TIMES_MAX));
        if self.unfolded_bytes > bytes_max { Err(BadEncoding::Bomb) } else { Ok(out) }
    }

    fn end(&mut self) -> Result<(), BadEncoding> {
        let what = self.decoder.what();
        match self.decoder.is_at_end() {
            Ok(true) => Ok(()),
            Ok(false) if mutant::is("http-torn-body-taken") => Ok(()),
            Ok(false) => Err(BadEncoding::CutOff { what }),
            Err(error) => Err(BadEncoding::Invalid { what, error }),
        }
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
            if self.input.is_empty() && !self.decoder.has_more() {
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
