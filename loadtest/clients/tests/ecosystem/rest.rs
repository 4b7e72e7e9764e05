//! Just enough HTTP to tell a Connect worker what to do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, ensure};

/// A worker that waits for its group answers later than this; it is asked again then.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Larger than any status.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// What is at `path`.
pub fn get(address: &str, path: &str) -> anyhow::Result<String> {
    request(address, "GET", path, "")
}

/// Puts `body`, which is JSON.
pub fn put(address: &str, path: &str, body: &str) -> anyhow::Result<String> {
    request(address, "PUT", path, body)
}

/// Deletes what is at `path`.
pub fn delete(address: &str, path: &str) -> anyhow::Result<String> {
    request(address, "DELETE", path, "")
}

fn request(address: &str, method: &str, path: &str, body: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    // In the older version an answer ends with the connection, so there are no chunks to put together.
    let head = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\n");
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    let status = head.split(' ').nth(1).context("no status")?;
    ensure!(status.starts_with('2'), "{method} {path}: {status} {body}");
    Ok(body.to_owned())
}
