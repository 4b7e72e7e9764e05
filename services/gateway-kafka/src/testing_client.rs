//! A client that speaks frames, for tests.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use tidelog_kafka_wire::RequestHeader;
use tidelog_kafka_wire::messages::{AnyRequest, Response};
use tidelog_kafka_wire::testing::{decode_response, encode_request};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// A client that sends when told and reads answers when told.
pub(crate) struct Client<S = TcpStream> {
    pub(crate) stream: S,
    correlation: i32,
    sent: VecDeque<RequestHeader>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn new(stream: S) -> Client<S> {
        Client { stream, correlation: 0, sent: VecDeque::new() }
    }

    /// Sends a request without waiting for its answer.
    pub(crate) async fn send<R: AnyRequest>(&mut self, version: i16, request: &R) {
        self.correlation += 1;
        let (header, frame) = encode_request(version, self.correlation, request);
        self.stream.write_all(&frame).await.unwrap();
        self.sent.push_back(header);
    }

    /// The next answer, which must be to the oldest request that was not answered yet.
    pub(crate) async fn answer<M: Response>(&mut self) -> M {
        let header = self.sent.pop_front().expect("a request was sent");
        let frame = self.frame().await.expect("an answer comes");
        decode_response(&header, frame)
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn call<R, M>(&mut self, version: i16, request: &R) -> M
    where
        R: AnyRequest,
        M: Response,
    {
        self.send(version, request).await;
        self.answer().await
    }

    /// The next frame without its length, or `None` when the door has closed the connection.
    pub(crate) async fn frame(&mut self) -> Option<Bytes> {
        let length = match self.stream.read_u32().await {
            Ok(length) => length as usize,
            Err(_) => return None,
        };
        let mut frame = BytesMut::zeroed(length);
        self.stream.read_exact(&mut frame).await.ok()?;
        Some(frame.freeze())
    }
}
