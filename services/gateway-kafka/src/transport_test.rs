//! Slow clients, by a clock that jumps.

use tidelog_model::{NodeId, TenantId};
use tokio::io::DuplexStream;
use tokio::time::Instant;

use super::*;

const MIB: usize = 1 << 20;

fn options() -> GatewayOptions {
    GatewayOptions::embedded(NodeId(1), TenantId(1), "there".to_owned(), 9092)
}

/// The prefix of a Produce frame of so many bytes.
fn prefix(bytes: usize) -> [u8; FRAME_PREFIX_BYTES] {
    let mut prefix = [0; FRAME_PREFIX_BYTES];
    prefix[..4].copy_from_slice(&(bytes as i32).to_be_bytes());
    prefix[7] = 9;
    prefix
}

async fn receive(stream: &mut DuplexStream) -> Result<Bytes, TransportError> {
    let options = options();
    let begun = begin_frame(stream, &options).await?;
    let arriving = start_frame(stream, begun, &options).await?;
    finish_frame(stream, arriving, &options, &Clock::real(), || false).await
}

/// A client that sends `pieces`, each after a pause; how long it was put up with, and what came.
async fn sent(bytes: usize, pieces: usize, pause: Duration) -> (Duration, Result<Bytes, TransportError>) {
    let (mut client, mut server) = tokio::io::duplex(MIB);
    let begun = Instant::now();
    let sending = async move {
        client.write_all(&prefix(bytes)).await.unwrap();
        let mut left = bytes - FRAME_PREFIX_BYTES + LENGTH_BYTES;
        for _ in 0..pieces {
            let piece = left.min((bytes / pieces).max(1));
            // The other side may have gone.
            let _ = client.write_all(&vec![0; piece]).await;
            left -= piece;
            tokio::time::sleep(pause).await;
        }
        let _ = client.write_all(&vec![0; left]).await;
        std::future::pending::<()>().await;
    };
    let received = tokio::select! {
        received = receive(&mut server) => received,
        () = sending => unreachable!("it waits for ever"),
    };
    (begun.elapsed(), received)
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_comes_is_waited_for_and_one_that_stops_is_not() {
    let (took, received) = sent(4 * MIB, 20, Duration::from_secs(1)).await;
    assert_eq!(received.unwrap().len(), 4 * MIB);
    assert!(took >= Duration::from_secs(19));
    // A half, and then nothing: not the minutes that the rest might take.
    let (took, received) = sent(64 * MIB, 2, Duration::from_secs(10_000)).await;
    assert!(matches!(received, Err(TransportError::FrameTimeout)));
    assert!(took <= options().frame_timeout * 2, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_trickles_is_given_up_after_a_minute() {
    let (took, received) = sent(64 * MIB, 10_000, Duration::from_secs(1)).await;
    assert!(matches!(received, Err(TransportError::FrameTimeout)));
    assert!(took <= Duration::from_secs(FRAME_SECONDS_MAX) + options().frame_timeout * 2, "{took:?}");
    // A small one earlier.
    let (took, received) = sent(8 * 1024, 8 * 1024, Duration::from_secs(1)).await;
    assert!(matches!(received, Err(TransportError::FrameTimeout)));
    assert!(took <= options().frame_timeout * 2, "{took:?}");
}

/// A client that takes so many bytes each second; how long it was put up with.
async fn taken(answer: usize, bytes: usize) -> (Duration, Result<(), TransportError>) {
    let (mut client, mut server) = tokio::io::duplex(1024);
    let begun = Instant::now();
    let taking = async move {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            client.read_exact(&mut vec![0; bytes]).await.unwrap();
        }
    };
    let pieces = vec![Bytes::from(vec![0; answer])];
    let options = options();
    let clock = Clock::real();
    let written = tokio::select! {
        written = write_pieces(&mut server, pieces, &options, &clock, || false) => written,
        () = taking => unreachable!("it reads for ever"),
    };
    (begun.elapsed(), written)
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_taken_slowly_is_given_up() {
    let (_, written) = taken(4 * MIB, 100 * 1024).await;
    assert!(written.is_ok());
    let (took, written) = taken(4 * MIB, 1).await;
    assert!(matches!(written, Err(TransportError::WriteTimeout)));
    assert!(took <= options().write_timeout + Duration::from_secs(64 + 2), "{took:?}");
    let (took, written) = taken(16 * MIB, 1).await;
    assert!(matches!(written, Err(TransportError::WriteTimeout)));
    assert!(took <= options().write_timeout + Duration::from_secs(ANSWER_SECONDS_MAX + 2), "{took:?}");
}
