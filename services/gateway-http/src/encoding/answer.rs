//! Answers, encoded as they go.
//!
//! Not by tower-http's layer: it lets an encoder keep what came until more comes, so that an event would reach its reader with
//! the next one, and it makes an encoder for whoever asks. Here each part is flushed, and there are so many encoders at once.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::{Body as _, Frame, SizeHint};
use zstd::stream::write::Encoder as ZstdEncoder;

use super::Encoding;
use crate::gateway::Shared;
use crate::memory::Share;
use crate::options::ENCODER_BYTES;

/// Shorter answers gain nothing.
const BYTES_MIN: u64 = 1_024;
/// What is encoded at once, so that others get their turn.
const PART_BYTES_MAX: usize = 64 * 1024;
/// The fastest of each: an answer waits for it.
const GZIP_LEVEL: u32 = 1;
const ZSTD_LEVEL: i32 = 1;
/// What a zstd encoder looks back over, as a power of two: more of it is memory of ours and of the reader.
const ZSTD_WINDOW_LOG: u32 = 17;

/// Encodes an answer for a client that accepts that.
pub(crate) fn encode(shared: &Shared, accepted: Option<Encoding>, mut response: Response) -> Response {
    if !is_worth_it(&response) {
        return response;
    }
    response.headers_mut().append(VARY, HeaderValue::from(ACCEPT_ENCODING));
    let Some(encoding) = accepted else { return response };
    // Without room for an encoder it goes as it is, which everybody takes.
    let Some(share) = shared.memory.encoders.try_take(ENCODER_BYTES) else { return response };
    let Ok(encoder) = Encoder::new(encoding) else { return response };
    response.headers_mut().remove(CONTENT_LENGTH);
    response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
    response.map(|inner| Body::new(Encoded { inner, rest: Bytes::new(), encoder: Some(encoder), _share: share }))
}

fn is_worth_it(response: &Response) -> bool {
    let is_long = response.body().size_hint().exact().is_none_or(|bytes| bytes >= BYTES_MIN);
    is_long && !response.headers().contains_key(CONTENT_ENCODING) && is_text(response.headers())
}

/// Whether it is of a kind that shrinks. Arrow is not: its readers want it fast, and say that they accept gzip all the same.
fn is_text(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.starts_with("text/") || ["json", "javascript", "xml", "yaml"].iter().any(|kind| essence.ends_with(kind))
}

enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(ZstdEncoder<'static, Vec<u8>>),
}

impl Encoder {
    fn new(encoding: Encoding) -> io::Result<Encoder> {
        Ok(match encoding {
            Encoding::Gzip => Encoder::Gzip(GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL))),
            Encoding::Zstd => {
                let mut encoder = ZstdEncoder::new(Vec::new(), ZSTD_LEVEL)?;
                encoder.window_log(ZSTD_WINDOW_LOG)?;
                Encoder::Zstd(encoder)
            }
        })
    }

    /// All that is needed to read `bytes`.
    fn encode(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Encoder::Gzip(encoder) => {
                encoder.write_all(bytes)?;
                encoder.flush()?;
                Ok(std::mem::take(encoder.get_mut()))
            }
            Encoder::Zstd(encoder) => {
                encoder.write_all(bytes)?;
                encoder.flush()?;
                Ok(std::mem::take(encoder.get_mut()))
            }
        }
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Encoder::Gzip(encoder) => encoder.finish(),
            Encoder::Zstd(encoder) => encoder.finish(),
        }
    }
}

struct Encoded {
    inner: Body,
    /// What came of it and is not encoded yet.
    rest: Bytes,
    /// None after the end.
    encoder: Option<Encoder>,
    _share: Share,
}

impl http_body::Body for Encoded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let Some(encoder) = &mut this.encoder else { return Poll::Ready(None) };
        while this.rest.is_empty() {
            match ready!(Pin::new(&mut this.inner).poll_frame(context)) {
                // Trailers say nothing here.
                Some(Ok(frame)) => this.rest = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => {
                    // Without an end, so that nobody takes it for all there was.
                    this.encoder = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    let end = this.encoder.take().expect("looked at above").finish();
                    return Poll::Ready(Some(end.map(|end| Frame::data(end.into())).map_err(axum::Error::new)));
                }
            }
        }
        let bytes = this.rest.len().min(PART_BYTES_MAX);
        let part = this.rest.split_to(bytes);
        Poll::Ready(Some(encoder.encode(&part).map(|part| Frame::data(part.into())).map_err(axum::Error::new)))
    }

    fn is_end_stream(&self) -> bool {
        self.encoder.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
