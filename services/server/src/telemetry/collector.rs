//! An OpenTelemetry collector as seen from here: one that takes spans in a POST (OTLP over HTTP, protobuf).

use std::convert::Infallible;
use std::time::Duration;

use anyhow::{Context, ensure};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How long a collector may take, from the connection to the end of its answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);
/// Bytes of an answer, which nobody looks at.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const PATH: &str = "/v1/traces";

/// Where spans go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector {
    /// Host and port, as the setting has them.
    pub authority: String,
}

impl Collector {
    /// Sends spans. A connection for each time: it is every few seconds at most, and collectors come and go.
    ///
    /// # Errors
    /// When it does not take them, or not in time; they may have been taken all the same.
    pub async fn send(&self, spans: Vec<u8>) -> anyhow::Result<()> {
        let sent = tokio::time::timeout(ANSWER_WAIT_MAX, self.send_unbounded(spans)).await;
        sent.with_context(|| format!("no answer after {} s", ANSWER_WAIT_MAX.as_secs()))?
    }

    async fn send_unbounded(&self, spans: Vec<u8>) -> anyhow::Result<()> {
        let stream = TcpStream::connect(&self.authority).await.context("cannot connect")?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(PATH)
            .header(HOST, &self.authority)
            .header(CONTENT_TYPE, "application/x-protobuf")
            .body(Full::new(Bytes::from(spans)))?;
        let exchange = async {
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            // To its end, so that the collector has no broken connection to log.
            let read = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
            ensure!(status.is_success(), "it answers with status {status}");
            read.map(drop).map_err(|error| anyhow::anyhow!("its answer breaks off: {error}"))
        };
        // It ends when the collector hangs up, perhaps behind its answer: whether that came is for the exchange to say.
        let driving = async {
            let _ = connection.await;
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            answered = exchange => answered,
            never = driving => match never {},
        }
    }
}
