//! Frames off and onto a stream, with a time limit on every wait.

use std::io::{self, IoSlice};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tidelog_kafka_wire::{FRAME_PREFIX_BYTES, FrameError, FramePrefix, check_frame};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::options::{FRAME_BYTES_PER_SECOND_MIN, GatewayOptions};

/// Bytes of a frame whose length is not counted in it.
const LENGTH_BYTES: usize = 4;
/// Pieces handed to the system at once.
const SLICES_MAX: usize = 64;
/// Memory that is taken for a frame before its bytes come; beyond it, as they come.
const FRAME_BYTES_AHEAD: usize = 4 << 20;

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

/// Reads the rest of a frame; the result is without the length field.
pub(crate) async fn finish_frame<R: AsyncRead + Unpin>(
    stream: &mut R,
    begun: Begun,
    options: &GatewayOptions,
) -> Result<Bytes, TransportError> {
    let bytes = begun.prefix.bytes;
    let patience = options.frame_timeout + Duration::from_secs((bytes / FRAME_BYTES_PER_SECOND_MIN) as u64);
    let mut frame = BytesMut::with_capacity(bytes.min(FRAME_BYTES_AHEAD));
    frame.put_slice(&begun.first[LENGTH_BYTES..]);
    let rest = async {
        while frame.len() < bytes {
            if frame.len() == frame.capacity() {
                // Doubles, so that what is held is at most twice what has come.
                frame.reserve(frame.len().min(bytes - frame.len()));
            }
            let missing = bytes - frame.len();
            match stream.read_buf(&mut (&mut frame).limit(missing)).await? {
                0 => return Err(TransportError::CutOff),
                _ => continue,
            }
        }
        Ok(())
    };
    tokio::time::timeout(patience, rest).await.map_err(|_| TransportError::FrameTimeout)??;
    Ok(frame.freeze())
}

/// Writes pieces one after the other. The client has to take some of it every so often.
pub(crate) async fn write_pieces<W: AsyncWrite + Unpin>(
    stream: &mut W,
    mut pieces: Vec<Bytes>,
    options: &GatewayOptions,
) -> Result<(), TransportError> {
    let mut from = 0;
    while from < pieces.len() {
        if pieces[from].is_empty() {
            from += 1;
            continue;
        }
        let slices = pieces[from..].iter().take(SLICES_MAX).map(|piece| IoSlice::new(piece)).collect::<Vec<_>>();
        let mut written = match tokio::time::timeout(options.write_timeout, stream.write_vectored(&slices)).await {
            Ok(Ok(0)) => return Err(TransportError::Io(io::ErrorKind::WriteZero.into())),
            Ok(written) => written?,
            Err(_) => return Err(TransportError::WriteTimeout),
        };
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
