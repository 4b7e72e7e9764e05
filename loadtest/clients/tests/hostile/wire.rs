//! A Kafka client that sends whatever it is told to. It shares no code with the server, so that one misunderstanding does
//! not hide another.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Longest wait for an answer or an end.
const PATIENCE: Duration = Duration::from_secs(60);

pub const PRODUCE: i16 = 0;
pub const FETCH: i16 = 1;
pub const LIST_OFFSETS: i16 = 2;
pub const METADATA: i16 = 3;
pub const API_VERSIONS: i16 = 18;
pub const CREATE_TOPICS: i16 = 19;
pub const INIT_PRODUCER_ID: i16 = 22;

/// Appends Kafka's primitive types, which are big-endian.
pub trait Put {
    fn i8(self, value: i8) -> Self;
    fn i16(self, value: i16) -> Self;
    fn i32(self, value: i32) -> Self;
    fn i64(self, value: i64) -> Self;
    /// With its length in two bytes.
    fn string(self, value: &str) -> Self;
    fn null_string(self) -> Self;
    /// With their length in four bytes.
    fn bytes(self, value: &[u8]) -> Self;
    /// As they are.
    fn raw(self, value: &[u8]) -> Self;
    /// With their length in a varint, as flexible versions have it; below 127 bytes.
    fn compact(self, value: &[u8]) -> Self;
}

impl Put for Vec<u8> {
    fn i8(self, value: i8) -> Self {
        self.raw(&value.to_be_bytes())
    }

    fn i16(self, value: i16) -> Self {
        self.raw(&value.to_be_bytes())
    }

    fn i32(self, value: i32) -> Self {
        self.raw(&value.to_be_bytes())
    }

    fn i64(self, value: i64) -> Self {
        self.raw(&value.to_be_bytes())
    }

    fn string(self, value: &str) -> Self {
        self.i16(i16::try_from(value.len()).unwrap()).raw(value.as_bytes())
    }

    fn null_string(self) -> Self {
        self.i16(-1)
    }

    fn bytes(self, value: &[u8]) -> Self {
        self.i32(i32::try_from(value.len()).unwrap()).raw(value)
    }

    fn raw(mut self, value: &[u8]) -> Self {
        self.extend_from_slice(value);
        self
    }

    fn compact(self, value: &[u8]) -> Self {
        assert!(value.len() < 127, "one byte of varint");
        self.raw(&[value.len() as u8 + 1]).raw(value)
    }
}

/// Nothing yet, to be put together.
pub fn body() -> Vec<u8> {
    Vec::new()
}

/// A whole frame with its length, for versions that are not flexible.
pub fn frame(api: i16, version: i16, correlation: i32, body: &[u8]) -> Vec<u8> {
    let content = Vec::new().i16(api).i16(version).i32(correlation).string("hostile").raw(body);
    Vec::new().bytes(&content)
}

/// Takes Kafka's primitive types out of an answer.
pub struct Answer {
    bytes: Vec<u8>,
    at: usize,
}

impl Answer {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let taken = self.bytes[self.at..self.at + N].try_into().unwrap();
        self.at += N;
        taken
    }

    pub fn i16(&mut self) -> i16 {
        i16::from_be_bytes(self.take())
    }

    pub fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.take())
    }

    pub fn i64(&mut self) -> i64 {
        i64::from_be_bytes(self.take())
    }

    pub fn string(&mut self) -> Option<String> {
        let length = usize::try_from(self.i16()).ok()?;
        let text = String::from_utf8(self.bytes[self.at..self.at + length].to_vec()).unwrap();
        self.at += length;
        Some(text)
    }

    pub fn bytes(&mut self) -> Vec<u8> {
        let length = usize::try_from(self.i32()).unwrap_or(0);
        let bytes = self.bytes[self.at..self.at + length].to_vec();
        self.at += length;
        bytes
    }

    /// Nothing is left.
    pub fn end(self) {
        assert_eq!(self.at, self.bytes.len(), "bytes follow the answer");
    }
}

/// How a connection went on after something was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Went {
    /// A frame came.
    Answered,
    /// The server ended it without a byte.
    Closed,
    /// Neither in the time given.
    Waits,
}

/// One connection.
pub struct Client {
    pub stream: TcpStream,
    correlation: i32,
}

impl Client {
    pub fn connect(address: &str) -> Client {
        Client::try_connect(address).expect("the server accepts")
    }

    pub fn try_connect(address: &str) -> io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Client { stream, correlation: 0 })
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends a request; returns its correlation id.
    pub fn send(&mut self, api: i16, version: i16, body: &[u8]) -> i32 {
        self.correlation += 1;
        self.send_raw(&frame(api, version, self.correlation, body)).expect("the server reads");
        self.correlation
    }

    /// Takes the next answer, which must be to `correlation`.
    pub fn receive(&mut self, correlation: i32) -> Answer {
        let bytes = self.receive_raw().expect("an answer");
        let mut answer = Answer { bytes, at: 0 };
        assert_eq!(answer.i32(), correlation, "answers come in order");
        answer
    }

    /// Takes the next frame, without its length.
    pub fn receive_raw(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut bytes = vec![0; usize::try_from(i32::from_be_bytes(length)).unwrap()];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Sends and receives.
    pub fn call(&mut self, api: i16, version: i16, body: &[u8]) -> Answer {
        let correlation = self.send(api, version, body);
        self.receive(correlation)
    }

    /// What comes within `bound`. A frame is left half read, so this ends the use of the connection.
    pub fn went(&mut self, bound: Duration) -> Went {
        self.stream.set_read_timeout(Some(bound.max(Duration::from_millis(1)))).unwrap();
        match self.stream.read(&mut [0; 4]) {
            Ok(0) => Went::Closed,
            Ok(_) => Went::Answered,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Went::Waits,
            Err(_) => Went::Closed,
        }
    }

    /// The server ends the connection without another byte, within `bound`.
    pub fn must_close(mut self, bound: Duration) {
        let begun = Instant::now();
        assert_eq!(self.went(bound), Went::Closed, "after {:?}", begun.elapsed());
    }
}
