//! The proxy before a store that remembers what it was asked: what passes, how long it takes, what goes wrong when it shall, and
//! what is counted of it all.

#![allow(clippy::unwrap_used)]

mod faults;
mod latency;
mod passing;
mod program;
mod store;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tidelog_store_proxy::{Operation, OperationCounts, Options, StoreProxy};
use tokio::net::TcpStream;

use crate::store::Store;

/// Longer than anything here takes on a machine that works.
const WAIT_MAX: Duration = Duration::from_secs(20);

async fn start() -> (Store, StoreProxy) {
    let store = Store::start().await;
    let proxy = StoreProxy::start(Options::new(store.endpoint())).await.unwrap();
    (store, proxy)
}

/// One connection.
struct Client {
    address: String,
    connection: SendRequest<Full<Bytes>>,
}

impl Client {
    async fn connect(endpoint: &str) -> Client {
        let address = endpoint.strip_prefix("http://").unwrap().to_owned();
        let stream = TcpStream::connect(&address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (connection, driver) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(driver);
        Client { address, connection }
    }

    /// The head of the answer; an error is a connection that ended.
    async fn head(
        &mut self,
        method: Method,
        path: &str,
        body: &[u8],
    ) -> Result<Response<hyper::body::Incoming>, hyper::Error> {
        let request = Request::builder().method(method).uri(path).header("host", &self.address);
        let request = request.body(Full::from(body.to_vec())).unwrap();
        self.connection.ready().await?;
        tokio::time::timeout(WAIT_MAX, self.connection.send_request(request)).await.expect("an answer or an end")
    }

    /// Status and body.
    async fn ask(&mut self, method: Method, path: &str, body: &[u8]) -> Result<(StatusCode, Bytes), hyper::Error> {
        let (head, body) = self.head(method, path, body).await?.into_parts();
        Ok((head.status, body.collect().await?.to_bytes()))
    }
}

async fn ask_once(
    endpoint: &str,
    method: Method,
    path: &str,
    body: &[u8],
) -> Result<(StatusCode, Bytes), hyper::Error> {
    Client::connect(endpoint).await.ask(method, path, body).await
}

/// An answer of the control address.
async fn control(proxy: &StoreProxy, method: Method, path: &str, body: &str) -> (StatusCode, Value) {
    let (status, text) = ask_once(&proxy.control_endpoint(), method, path, body.as_bytes()).await.unwrap();
    (status, serde_json::from_slice(&text).unwrap())
}

fn of(proxy: &StoreProxy, operation: Operation) -> OperationCounts {
    let counts = proxy.report().operations.get(&operation).cloned().unwrap_or_default();
    assert_eq!(counts.requests, counts.answers.count() + counts.unanswered + counts.in_flight, "{counts:?}");
    counts
}
