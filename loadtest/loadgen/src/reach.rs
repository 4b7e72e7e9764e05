//! Whether a server is there, and speaks what it shall: said within seconds, and not by a client that tries again in silence.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::failure::Failure;

const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// Until the first answer.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// Key 18, version 0, correlation 1, no client id.
const API_VERSIONS: &[u8] = &[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff];
const LIVEZ: &[u8] = b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// Connects to `host:port`, or says why not.
pub(crate) fn connect(address: &str) -> anyhow::Result<TcpStream> {
    let mut why = anyhow::anyhow!("no such name");
    for one in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&one, CONNECT_WAIT) {
            Ok(stream) => return Ok(stream),
            Err(error) => why = error.into(),
        }
    }
    Err(why)
}

/// Asks as Kafka's clients begin.
pub(crate) fn look_for_kafka(address: &str) -> Result<(), Failure> {
    let answer = first_answer(address, API_VERSIONS, 8)?;
    match answer.get(4..8) {
        Some([0, 0, 0, 1]) => Ok(()),
        _ => Err(Failure::Unreachable(format!(
            "{address} does not speak Kafka ({}): --kafka is its Kafka listener, without TLS",
            what(&answer)
        ))),
    }
}

/// Asks for something that every HTTP server answers somehow.
pub(crate) fn look_for_http(address: &str) -> Result<(), Failure> {
    let answer = first_answer(address, LIVEZ, 5)?;
    if answer.starts_with(b"HTTP/") {
        return Ok(());
    }
    let what = what(&answer);
    Err(Failure::Unreachable(format!(
        "{address} does not speak HTTP ({what}): --http is its HTTP listener, without TLS"
    )))
}

fn what(answer: &[u8]) -> &'static str {
    match answer {
        [] => "it ends the connection, or does not answer",
        _ if answer.starts_with(b"HTTP/") => "it answers in HTTP",
        _ => "it answers in something else",
    }
}

/// The first bytes of what is answered; fewer when no more come.
fn first_answer(address: &str, request: &[u8], bytes: usize) -> Result<Vec<u8>, Failure> {
    let unreachable = |error: anyhow::Error| Failure::Unreachable(format!("{address} is not reachable: {error:#}"));
    let mut stream = connect(address).map_err(unreachable)?;
    Ok(exchange(&mut stream, request, bytes).unwrap_or_default())
}

fn exchange(stream: &mut TcpStream, request: &[u8], bytes: usize) -> anyhow::Result<Vec<u8>> {
    stream.set_read_timeout(Some(ANSWER_WAIT))?;
    stream.write_all(request).context("asking")?;
    let mut answer = vec![0; bytes];
    let mut come = 0;
    while come < bytes {
        match stream.read(&mut answer[come..]) {
            Ok(count) if count > 0 => come += count,
            _ if come == 0 => bail!("no answer"),
            _ => break,
        }
    }
    answer.truncate(come);
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// An answer to ApiVersions, as short as it can be.
    const KAFKA: &[u8] = &[0, 0, 0, 6, 0, 0, 0, 1, 0, 0];

    /// A server that answers so to whatever it is asked, and ends the connection.
    fn server(answer: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 64]);
            stream.write_all(answer).unwrap();
        });
        address
    }

    #[test]
    fn a_server_is_known_by_its_first_words() {
        assert!(look_for_kafka(&server(KAFKA)).is_ok());
        assert!(look_for_http(&server(b"HTTP/1.1 404 Not Found\r\n\r\n")).is_ok());
        let refused = |found: Result<(), Failure>| {
            let failure = found.expect_err("another protocol");
            assert_eq!(failure.exit_code(), 3);
            failure.to_string()
        };
        assert!(refused(look_for_kafka(&server(b"HTTP/1.1 400 Bad Request\r\n\r\n"))).contains("it answers in HTTP"));
        assert!(refused(look_for_kafka(&server(b""))).contains("does not speak Kafka (it ends the connection"));
        assert!(refused(look_for_http(&server(KAFKA))).contains("something else"));
    }
}
