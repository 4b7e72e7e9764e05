//! Looks whether a client compressed what it wrote: its records come back the same either way.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, ensure};

/// The codecs, in the order of their numbers in a batch.
const CODECS: &[&str] = &["none", "gzip", "snappy", "lz4", "zstd"];
const WAIT: Duration = Duration::from_secs(20);
/// For one batch, and the frame around it.
const BYTES_MAX: i32 = 1 << 20;
const ATTRIBUTES_AT: usize = 22;

/// Complains unless the first batch of partition 0 is in the codec that the feature is named after. Other features pass.
///
/// # Errors
/// It is in another, or cannot be read.
pub fn check(address: &str, topic: &str, feature: &str) -> anyhow::Result<()> {
    if !CODECS.contains(&feature) {
        return Ok(());
    }
    let attributes = first_attributes(address, topic).context("looking at the first batch")?;
    let found = CODECS.get(usize::from(attributes & 7)).copied().unwrap_or("unknown");
    ensure!(found == feature, "its first batch is in codec {found}, not {feature}");
    Ok(())
}

/// The low byte of the attributes of the first batch, by a Fetch of version 4, which names topics.
fn first_attributes(address: &str, topic: &str) -> anyhow::Result<u8> {
    let mut request = Vec::new();
    // Fetch 4, correlation 0, no client id; a replica of nobody, no waiting for anything, uncommitted reads too.
    request.extend([0, 1, 0, 4, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    request.extend([0, 0, 0, 0, 0, 0, 0, 0]);
    request.extend(BYTES_MAX.to_be_bytes());
    request.extend([0, 0, 0, 0, 1]);
    request.extend(i16::try_from(topic.len())?.to_be_bytes());
    request.extend(topic.bytes());
    // One partition, 0, from offset 0.
    request.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    request.extend(BYTES_MAX.to_be_bytes());
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(WAIT))?;
    let mut frame = i32::try_from(request.len())?.to_be_bytes().to_vec();
    frame.extend(request);
    stream.write_all(&frame)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = i32::from_be_bytes(length);
    ensure!((0..=2 * BYTES_MAX).contains(&length), "an answer of {length} bytes");
    let mut answer = vec![0; usize::try_from(length)?];
    stream.read_exact(&mut answer)?;
    // Correlation, throttle time, one topic and its name, one partition and its number.
    let at = 4 + 4 + 4 + 2 + topic.len() + 4 + 4;
    let error = answer.get(at..at + 2).context("the answer is cut off")?;
    ensure!(error == [0, 0], "error {error:?}");
    // The error, two offsets, aborted transactions (an array that may be null), then the length of the records.
    let aborted = answer.get(at + 18..at + 22).context("the answer is cut off")?;
    ensure!(matches!(aborted, [0, 0, 0, 0] | [0xff, 0xff, 0xff, 0xff]), "there are aborted transactions");
    answer.get(at + 26 + ATTRIBUTES_AT).copied().context("there are no records")
}
