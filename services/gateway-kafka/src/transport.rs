//! Frames off and onto a stream, with a time limit on every wait.

use std::io::{self, IoSlice};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tidelog_host::Clock;
use tidelog_kafka_wire::{FRAME_PREFIX_BYTES, FrameError, FramePrefix, check_frame};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::options::{BYTES_PER_SECOND_MIN, GatewayOptions};

/// Bytes of a frame whose length is not counted in it.
const LENGTH_BYTES: usize = 4;
/// Pieces handed to the system at once.
const SLICES_MAX: usize = 64;
/// Memory that is taken for a frame before its bytes come; beyond it, as they come.
const FRAME_BYTES_AHEAD: usize = 4 << 20;
/// Bytes of a frame that are read before room is made for all of it: so that saying that a large frame comes costs nobody
/// else anything. Every connection may hold this much beside the bound on bytes in flight.
const FRAME_BYTES_UNRESERVED: usize = 16 * 1024;
/// While others wait for the room that an unfinished frame holds, it must come at this pace…
const WANTED_BYTES_PER_SECOND_MIN: usize = 256 * 1024;
/// …after this long, which is also how often that is looked at.
const WANTED_AFTER: Duration = Duration::from_secs(1);
/// Longest that a frame may take to arrive, and an answer to be taken, whatever their length. Clients give a request up
/// before: after 30 (Java) and 60 seconds (librdkafka) unless they are told otherwise.
const FRAME_SECONDS_MAX: u64 = 60;
const ANSWER_SECONDS_MAX: u64 = 120;
/// How often a client that takes nothing is looked at.
const STALL_LOOK: Duration = Duration::from_secs(1);
/// How long a client may take nothing while others wait for the memory of its answer.
const STALL_WANTED_MAX: Duration = Duration::from_secs(2);

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    #[error("closed by the client")]
    Closed,
    #[error("closed in the middle of a frame")]
    CutOff,
    #[error("no request for too long")]
    Idle,
    #[error("a frame did not arrive in time")]
    FrameTimeout,
    #[error("answers are not taken")]
    WriteTimeout,
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The start of a frame that has passed the first checks.
pub(crate) struct Begun {
    pub(crate) prefix: FramePrefix,
    first: [u8; FRAME_PREFIX_BYTES],
}

/// Waits for the next frame and reads as much of it as decides whether the rest may come.
pub(crate) async fn begin_frame<R: AsyncRead + Unpin>(
    stream: &mut R,
    options: &GatewayOptions,
) -> Result<Begun, TransportError> {
    let mut first = [0; FRAME_PREFIX_BYTES];
    let mut have = match tokio::time::timeout(options.idle_timeout, stream.read(&mut first)).await {
        Ok(Ok(0)) => return Err(TransportError::Closed),
        Ok(read) => read?,
        Err(_) => return Err(TransportError::Idle),
    };
    let rest = async {
        while have < FRAME_PREFIX_BYTES {
            match stream.read(&mut first[have..]).await? {
                0 => return Err(TransportError::CutOff),
                read => have += read,
            }
        }
        Ok(())
    };
    tokio::time::timeout(options.frame_timeout, rest).await.map_err(|_| TransportError::FrameTimeout)??;
    Ok(Begun { prefix: check_frame(first)?, first })
}

/// A frame of which a part is there.
pub(crate) struct Arriving {
    bytes: usize,
    frame: BytesMut,
}

/// Reads the first bytes of a frame: all of a small one, as much of a large one as may come before room is made for it.
pub(crate) async fn start_frame<R: AsyncRead + Unpin>(
    stream: &mut R,
    begun: Begun,
    options: &GatewayOptions,
) -> Result<Arriving, TransportError> {
    let bytes = begun.prefix.bytes;
    let first = bytes.min(FRAME_BYTES_UNRESERVED);
    let mut frame = BytesMut::with_capacity(first);
    frame.put_slice(&begun.first[LENGTH_BYTES..]);
    let rest = async {
        while frame.len() < first {
            read_some(stream, &mut frame, first).await?;
        }
        Ok::<(), TransportError>(())
    };
    tokio::time::timeout(options.frame_timeout, rest).await.map_err(|_| TransportError::FrameTimeout)??;
    Ok(Arriving { bytes, frame })
}

/// Reads the rest of a frame; the result is without the length field. `is_wanted` tells whether others wait for its room.
pub(crate) async fn finish_frame<R: AsyncRead + Unpin>(
    stream: &mut R,
    arriving: Arriving,
    options: &GatewayOptions,
    clock: &Clock,
    is_wanted: impl Fn() -> bool,
) -> Result<Bytes, TransportError> {
    let Arriving { bytes, mut frame } = arriving;
    let already = frame.len();
    let begun = clock.now();
    let mut came_at = begun;
    let patience = patience(options.frame_timeout, bytes, FRAME_SECONDS_MAX);
    frame.reserve(bytes.min(FRAME_BYTES_AHEAD).saturating_sub(already));
    while frame.len() < bytes {
        if frame.len() == frame.capacity() {
            // Doubles, so that what is held is at most twice what has come.
            frame.reserve(frame.len().min(bytes - frame.len()));
        }
        // When it is cut short nothing was read.
        let look = WANTED_AFTER.min(options.frame_timeout);
        if let Ok(read) = tokio::time::timeout(look, read_some(stream, &mut frame, bytes)).await {
            read?;
            came_at = clock.now();
        }
        let waited = begun.elapsed();
        let hurried = waited.saturating_sub(WANTED_AFTER).as_millis() as usize * WANTED_BYTES_PER_SECOND_MIN / 1_000;
        let is_late = waited > patience
            || came_at.elapsed() >= options.frame_timeout
            || (frame.len() - already < hurried && is_wanted());
        if is_late && frame.len() < bytes {
            return Err(TransportError::FrameTimeout);
        }
    }
    Ok(frame.freeze())
}

/// How long so many bytes may take in all.
fn patience(least: Duration, bytes: usize, seconds_max: u64) -> Duration {
    let seconds = (bytes / BYTES_PER_SECOND_MIN) as u64;
    least + Duration::from_secs(seconds.min(seconds_max))
}

/// Reads once, up to `bytes` in all and within the frame's capacity.
async fn read_some<R: AsyncRead + Unpin>(
    stream: &mut R,
    frame: &mut BytesMut,
    bytes: usize,
) -> Result<(), TransportError> {
    let missing = bytes - frame.len();
    match stream.read_buf(&mut frame.limit(missing)).await? {
        0 => Err(TransportError::CutOff),
        _ => Ok(()),
    }
}

/// Writes pieces one after the other. The client has to take some of it every so often; more often when `is_wanted` tells
/// that others wait for the memory that it holds.
pub(crate) async fn write_pieces<W: AsyncWrite + Unpin>(
    stream: &mut W,
    mut pieces: Vec<Bytes>,
    options: &GatewayOptions,
    clock: &Clock,
    is_wanted: impl Fn() -> bool,
) -> Result<(), TransportError> {
    let mut from = 0;
    let begun = clock.now();
    let mut taken_at = begun;
    let bytes = pieces.iter().map(Bytes::len).sum();
    let patience_in_all = patience(options.write_timeout, bytes, ANSWER_SECONDS_MAX);
    while from < pieces.len() {
        if pieces[from].is_empty() {
            from += 1;
            continue;
        }
        // Who takes a byte now and then holds the answer as well as who takes none.
        if begun.elapsed() > patience_in_all {
            return Err(TransportError::WriteTimeout);
        }
        let slices = pieces[from..].iter().take(SLICES_MAX).map(|piece| IoSlice::new(piece)).collect::<Vec<_>>();
        let mut written =
            match tokio::time::timeout(STALL_LOOK.min(options.write_timeout), stream.write_vectored(&slices)).await {
                Ok(Ok(0)) => return Err(TransportError::Io(io::ErrorKind::WriteZero.into())),
                Ok(written) => written?,
                Err(_) => {
                    let patience = if is_wanted() { STALL_WANTED_MAX } else { options.write_timeout };
                    if taken_at.elapsed() >= patience.min(options.write_timeout) {
                        return Err(TransportError::WriteTimeout);
                    }
                    continue;
                }
            };
        taken_at = clock.now();
        while written > 0 {
            let taken = written.min(pieces[from].len());
            pieces[from].advance(taken);
            written -= taken;
            if pieces[from].is_empty() {
                from += 1;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "transport_test.rs"]
mod tests;
