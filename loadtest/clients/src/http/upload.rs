//! A request whose body is sent bit by bit, for as long as its sender likes.

use std::io::{self, BufReader, Write};
use std::net::TcpStream;

use super::{Answer, NoAnswer, WAIT_MAX, connect, head, read_answer};

/// A request that has begun.
pub struct Upload {
    connection: BufReader<TcpStream>,
}

impl Upload {
    /// Sends the head of a POST on a connection of its own.
    ///
    /// # Errors
    /// There is no connection.
    pub fn begin(address: &str, path: &str, headers: &[(&str, String)]) -> Result<Upload, NoAnswer> {
        let mut connection = connect(address, WAIT_MAX)?;
        let chunked = ("transfer-encoding", "chunked".to_owned());
        let head = head("POST", path, headers.iter().chain([&chunked]));
        connection.get_mut().write_all(head.as_bytes()).map_err(|_| NoAnswer::Lost)?;
        Ok(Upload { connection })
    }

    /// Sends some of the body, not nothing: that would be its end.
    ///
    /// # Errors
    /// The connection broke, now or before. Whatever was sent may have arrived.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        assert!(!bytes.is_empty(), "an empty chunk ends the body");
        let size = format!("{:x}\r\n", bytes.len());
        self.connection.get_mut().write_all(&[size.as_bytes(), bytes, b"\r\n"].concat())
    }

    /// Ends the body and waits for the answer, which may have come before.
    ///
    /// # Errors
    /// There is none.
    pub fn finish(mut self) -> Answer {
        // A server that has refused the rest may have closed its side, and its answer is there all the same.
        let _ = self.connection.get_mut().write_all(b"0\r\n\r\n");
        read_answer(&mut self.connection).map_err(|_| NoAnswer::Lost)
    }
}
