//! A server for tests that answers what it is told to, however wrong that is.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::{Client, Retries};

/// A request, as far as tests look at it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Like `POST /v1/topics/t/records`.
    pub(crate) line: String,
    /// Lower case names, and values.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// How many records it has.
    pub(crate) fn records(&self) -> usize {
        serde_json::from_str::<serde_json::Value>(&self.body).unwrap()["records"].as_array().unwrap().len()
    }
}

/// What is answered.
pub(crate) enum Reply {
    /// A status, headers in one text, and a body.
    Whole(u16, &'static str, String),
    /// The connection ends without an answer.
    Break,
    /// Nothing, for ever.
    Silence,
    /// A stream of events in these pieces; then it ends properly, breaks, or goes on in silence.
    Events(Vec<String>, After),
}

/// How a stream goes on behind its pieces.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    End,
    Break,
    Silence,
}

impl Reply {
    pub(crate) fn json(body: impl Into<String>) -> Reply {
        Reply::Whole(200, "", body.into())
    }

    pub(crate) fn problem(status: u16, code: &str, retry: bool, may_have_happened: bool) -> Reply {
        let body = serde_json::json!(
            {"status": status, "code": code, "detail": "told to", "retry": retry, "may_have_happened": may_have_happened}
        );
        Reply::Whole(status, "", body.to_string())
    }

    /// Places for records, from an offset on.
    pub(crate) fn places(request: &Request, first: usize) -> Reply {
        let places = (first..first + request.records()).map(|offset| format!(r#"{{"partition":0,"offset":{offset}}}"#));
        Reply::json(format!(r#"{{"records":[{}]}}"#, places.collect::<Vec<_>>().join(",")))
    }
}

/// A server that answers by a function, for as long as the runtime lives.
pub(crate) struct Server {
    pub(crate) client: Client,
    requests: Arc<Mutex<Vec<Request>>>,
    came: mpsc::UnboundedReceiver<()>,
}

impl Server {
    /// Each request, with how many came before it, is answered by `answer`.
    pub(crate) async fn start(answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let retries = Retries {
            pause_min: std::time::Duration::from_millis(1),
            pause_max: std::time::Duration::from_millis(5),
            give_up_after: std::time::Duration::from_secs(5),
        };
        let client = Client::builder(&url).retries(retries).build().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (tell, came) = mpsc::unbounded_channel();
        let (answer, seen) = (Arc::new(answer), requests.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, seen, tell) = (answer.clone(), seen.clone(), tell.clone());
                tokio::spawn(async move { connection(stream, &*answer, &seen, &tell).await });
            }
        });
        Server { client, requests, came }
    }

    /// What came so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits until one more request has come.
    pub(crate) async fn request(&mut self) {
        self.came.recv().await.unwrap();
    }
}

async fn connection(
    mut stream: TcpStream,
    answer: &(impl Fn(&Request, usize) -> Reply + ?Sized),
    seen: &Mutex<Vec<Request>>,
    tell: &mpsc::UnboundedSender<()>,
) -> Option<()> {
    let mut bytes = Vec::new();
    loop {
        let request = receive(&mut stream, &mut bytes).await?;
        let before = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            seen.len() - 1
        };
        let _ = tell.send(());
        match answer(&request, before) {
            Reply::Whole(status, headers, body) => {
                let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
                stream.write_all(format!("{head}{body}").as_bytes()).await.ok()?;
            }
            Reply::Break => return None,
            Reply::Silence => std::future::pending().await,
            Reply::Events(pieces, after) => {
                let head = "HTTP/1.1 200 x\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
                stream.write_all(head.as_bytes()).await.ok()?;
                for piece in pieces {
                    stream.write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes()).await.ok()?;
                }
                match after {
                    After::End => stream.write_all(b"0\r\n\r\n").await.ok()?,
                    After::Break => return None,
                    After::Silence => std::future::pending().await,
                }
            }
        }
    }
}

/// One request; what comes behind it stays in `bytes`.
async fn receive(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<Request> {
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers = lines.filter_map(header).collect::<Vec<_>>();
    let length =
        headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, value)| value.parse().unwrap());
    while bytes.len() < end + 4 + length {
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(bytes[end + 4..end + 4 + length].to_vec()).unwrap();
    bytes.drain(..end + 4 + length);
    Some(Request { line, headers, body })
}
