//! One connection: requests out, answers in, by the independent codec.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

/// Longest wait for an answer. Answers that wait on purpose wait for a second or two.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest answer that is read. Those to scripts are small.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// A connection to one of the systems.
pub struct Wire {
    stream: TcpStream,
    correlation: i32,
}

/// What came back.
pub enum Came {
    /// A frame, without its length and correlation id.
    Frame(Bytes),
    /// The end of the connection.
    End,
}

impl Wire {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn connect(address: &str) -> anyhow::Result<Wire> {
        let stream = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Wire { stream, correlation: 0 })
    }

    /// Sends `request` in `version`.
    ///
    /// # Errors
    /// The version cannot carry the request, or the connection is gone.
    pub fn send<R: Request>(&mut self, version: i16, request: &R) -> anyhow::Result<()> {
        let mut body = BytesMut::new();
        request.encode(&mut body, version)?;
        self.send_body(R::KEY, version, R::header_version(version), &body)
    }

    /// Sends a body that was encoded elsewhere, or is none.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn send_body(&mut self, api: i16, version: i16, header_version: i16, body: &[u8]) -> anyhow::Result<()> {
        self.correlation += 1;
        let header = RequestHeader::default()
            .with_request_api_key(api)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(StrBytes::from_static_str("parity")));
        let mut frame = BytesMut::new();
        header.encode(&mut frame, header_version)?;
        frame.extend_from_slice(body);
        self.stream.write_all(&i32::try_from(frame.len())?.to_be_bytes())?;
        self.stream.write_all(&frame)?;
        Ok(())
    }

    /// Takes what comes next.
    ///
    /// # Errors
    /// Nothing comes, or an answer to another request.
    pub fn receive(&mut self, header_version: i16) -> anyhow::Result<Came> {
        let mut length = [0; 4];
        match self.stream.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if is_end(&error) => return Ok(Came::End),
            Err(error) => return Err(error).with_context(|| format!("no answer within {PATIENCE:?}")),
        }
        let length = usize::try_from(i32::from_be_bytes(length))?;
        ensure!(length <= ANSWER_BYTES_MAX, "an answer of {length} bytes");
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        let mut bytes = Bytes::from(bytes);
        let header = ResponseHeader::decode(&mut bytes, header_version)?;
        ensure!(header.correlation_id == self.correlation, "an answer to request {}", header.correlation_id);
        ensure!(header.unknown_tagged_fields.is_empty(), "tagged fields in an answer's header");
        Ok(Came::Frame(bytes))
    }
}

fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)
}

/// The answer in a frame, all of it.
///
/// # Errors
/// It is not one, or bytes follow it.
pub fn decode<R: Request>(mut frame: Bytes, version: i16) -> anyhow::Result<R::Response> {
    let answer = R::Response::decode(&mut frame, version)?;
    ensure!(frame.is_empty(), "{} bytes follow the answer", frame.len());
    Ok(answer)
}

/// The version of the header of answers to `R`.
#[must_use]
pub fn answer_header<R: Request>(version: i16) -> i16 {
    R::Response::header_version(version)
}
