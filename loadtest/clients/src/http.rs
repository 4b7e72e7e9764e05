//! Just enough of HTTP/1.1 that a client knows what has left and what has not.
//!
//! [`Http`] asks and is answered, [`Upload`] sends a body bit by bit, and [`Events`] reads an answer that does not end.

mod events;
mod upload;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;

pub use events::{Came, Event, Events, NotOpened};
pub use upload::Upload;

/// Longer than the server takes to say that it does not know.
const WAIT_MAX: Duration = Duration::from_secs(35);

/// A client with one connection, which is made anew when it breaks.
pub struct Http {
    address: String,
    connection: Option<BufReader<TcpStream>>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// Nothing of the request has left.
    NotSent,
    /// It may have arrived.
    Lost,
}

/// Status and body.
pub type Answer = Result<(u16, Value), NoAnswer>;

impl Http {
    /// A client of the server at `address`. It does not connect yet.
    #[must_use]
    pub fn new(address: &str) -> Http {
        Http { address: address.to_owned(), connection: None }
    }

    /// Sends a request once. A connection from before may be closed already, and that shows only after sending.
    ///
    /// # Errors
    /// There is no answer.
    pub fn send(&mut self, method: &str, path: &str, headers: &[(&str, String)], body: &[u8]) -> Answer {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.address, WAIT_MAX)?,
        };
        let (connection, answer) = exchange(connection, method, path, headers, body).map_err(|_| NoAnswer::Lost)?;
        self.connection = Some(connection);
        Ok(answer)
    }
}

fn connect(address: &str, wait_max: Duration) -> Result<BufReader<TcpStream>, NoAnswer> {
    let connect = || {
        let connection = TcpStream::connect(address)?;
        connection.set_read_timeout(Some(wait_max))?;
        connection.set_nodelay(true)?;
        std::io::Result::Ok(BufReader::new(connection))
    };
    connect().map_err(|_| NoAnswer::NotSent)
}

fn exchange(
    mut connection: BufReader<TcpStream>,
    method: &str,
    path: &str,
    headers: &[(&str, String)],
    body: &[u8],
) -> anyhow::Result<(BufReader<TcpStream>, (u16, Value))> {
    let length = ("content-length", body.len().to_string());
    let head = head(method, path, headers.iter().chain([&length]));
    connection.get_mut().write_all(&[head.as_bytes(), body].concat())?;
    let answer = read_answer(&mut connection)?;
    Ok((connection, answer))
}

fn head<'a>(method: &str, path: &str, headers: impl Iterator<Item = &'a (&'a str, String)>) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head
}

fn read_answer(connection: &mut BufReader<TcpStream>) -> anyhow::Result<(u16, Value)> {
    let (status, length) = read_head(connection)?;
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    let json = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
    Ok((status, json))
}

/// Status, and the length of the body when it is known before.
fn read_head(connection: &mut BufReader<TcpStream>) -> anyhow::Result<(u16, usize)> {
    let mut line = String::new();
    connection.read_line(&mut line)?;
    let status = line.split(' ').nth(1).context("a status line")?.parse()?;
    let mut length = 0;
    loop {
        line.clear();
        ensure!(connection.read_line(&mut line)? > 0, "the head is cut off");
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse()?,
            Some(_) => {}
            None => return Ok((status, length)),
        }
    }
}
