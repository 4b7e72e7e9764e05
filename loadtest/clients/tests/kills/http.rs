//! Just enough of HTTP/1.1 that a test knows what has left and what has not.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;

const WAIT_MAX: Duration = Duration::from_secs(35);

/// A client with one connection, which is made anew when it breaks.
pub struct Http {
    address: String,
    connection: Option<BufReader<TcpStream>>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum NoAnswer {
    /// Nothing of the request has left.
    NotSent,
    /// It may have arrived.
    Lost,
}

impl Http {
    pub fn new(address: &str) -> Http {
        Http { address: address.to_owned(), connection: None }
    }

    /// Sends a request once. A connection from before may be closed already, and that shows only after sending.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: &[u8],
    ) -> Result<(u16, Value), NoAnswer> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let connection = TcpStream::connect(&self.address).map_err(|_| NoAnswer::NotSent)?;
                connection.set_read_timeout(Some(WAIT_MAX)).map_err(|_| NoAnswer::NotSent)?;
                connection.set_nodelay(true).map_err(|_| NoAnswer::NotSent)?;
                BufReader::new(connection)
            }
        };
        let (connection, answer) = exchange(connection, method, path, headers, body).map_err(|_| NoAnswer::Lost)?;
        self.connection = Some(connection);
        Ok(answer)
    }
}

fn exchange(
    mut connection: BufReader<TcpStream>,
    method: &str,
    path: &str,
    headers: &[(&str, String)],
    body: &[u8],
) -> anyhow::Result<(BufReader<TcpStream>, (u16, Value))> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    connection.get_mut().write_all(&[head.as_bytes(), body].concat())?;
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
            None => break,
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    let json = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
    Ok((connection, (status, json)))
}
