//! A server of one answer to a connection.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request: its first line and headers in lower case, and its body.
pub struct Request {
    pub head: String,
    pub body: String,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// Method and path.
    pub fn line(&self) -> &str {
        self.head.split(" http/").next().unwrap()
    }
}

/// Serves until the runtime ends; returns the address.
pub async fn serve(answer: impl Fn(&Request) -> (u16, String) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let answer = answer.clone();
            tokio::spawn(async move { converse(socket, &*answer).await });
        }
    });
    address
}

/// Whoever hangs up in the middle is let go.
async fn converse(mut socket: TcpStream, answer: &(dyn Fn(&Request) -> (u16, String) + Send + Sync)) -> Option<()> {
    let mut bytes = Vec::new();
    let request = loop {
        if let Some(request) = whole(&bytes) {
            break request;
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let (status, body) = answer(&request);
    let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    let head = format!("{head}etag: \"e\"\r\nx-aws-ec2-metadata-token-ttl-seconds: 600\r\n\r\n");
    socket.write_all(format!("{head}{body}").as_bytes()).await.ok()
}

fn whole(bytes: &[u8]) -> Option<Request> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    // Names of headers come in either case, keys in upper.
    let head = head.lines().map(|line| match line.split_once(": ") {
        Some((name, value)) => format!("{}: {value}\n", name.to_lowercase()),
        None => format!("{}\n", line.replace(" HTTP/", " http/")),
    });
    let request = Request { head: head.collect(), body: body.to_owned() };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    (request.body.len() >= length).then_some(request)
}
