//! A store in memory that remembers what it was asked.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// What was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub method: Method,
    pub target: String,
    pub host: String,
    pub body_bytes: usize,
}

#[derive(Default)]
struct Kept {
    objects: BTreeMap<String, Bytes>,
    seen: Vec<Seen>,
    connections: BTreeSet<SocketAddr>,
}

/// Ends with its owner, and its connections with it.
pub struct Store {
    address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
    task: JoinHandle<()>,
}

impl Store {
    pub async fn start() -> Store {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let kept = Arc::new(Mutex::new(Kept::default()));
        let of_task = kept.clone();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, client) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let kept = of_task.clone();
                let service = service_fn(move |request| answer(kept.clone(), client, request));
                connections.spawn(async move {
                    // An error is a proxy that has gone.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Store { address, kept, task }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.kept.lock().unwrap().seen.clone()
    }

    /// That somebody asked something over.
    pub fn connections(&self) -> usize {
        self.kept.lock().unwrap().connections.len()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    kept: Arc<Mutex<Kept>>,
    client: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    // Who goes in the middle of a body has put nothing.
    let Ok(body) = body.collect().await else { return Ok(Response::new(Full::default())) };
    let body = body.to_bytes();
    let mut kept = kept.lock().unwrap();
    kept.connections.insert(client);
    let target = head.uri.to_string();
    let host = head.headers["host"].to_str().unwrap().to_owned();
    kept.seen.push(Seen { method: head.method.clone(), target: target.clone(), host, body_bytes: body.len() });
    let found = kept.objects.get(&target).cloned();
    let (status, text) = match head.method {
        Method::PUT => {
            kept.objects.insert(target, body);
            (StatusCode::OK, Bytes::new())
        }
        Method::DELETE => (StatusCode::NO_CONTENT, Bytes::new()),
        _ => found.map_or((StatusCode::NOT_FOUND, Bytes::new()), |found| (StatusCode::OK, found)),
    };
    let mut answer = Response::new(Full::new(text));
    *answer.status_mut() = status;
    Ok(answer)
}
