//! The least that a server of small requests can spend on this machine: hyper alone, which reads each request to its end and
//! answers with as many bytes, and does nothing with what it got. A process of its own, as the one under measurement.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::Context;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

/// What a record's answer is as long as.
const ANSWER: &str = r#"{"topic":"bench","partitions":[{"partition":0,"first_offset":123456,"records":1}]}"#;

/// Runs until it is killed; says where it listens in its first line.
pub fn serve() -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let service = hyper::service::service_fn(answer);
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    })
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    request.into_body().collect().await?;
    let mut response = Response::new(Full::new(Bytes::from_static(ANSWER.as_bytes())));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// That process; killed when dropped.
pub struct Floor {
    child: Child,
    pub address: String,
}

impl Floor {
    pub fn start() -> anyhow::Result<Floor> {
        let program = std::env::current_exe()?;
        let mut child = Command::new(program).arg(crate::SERVE_HTTP_FLOOR).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        Ok(Floor { child, address: line.trim().to_owned() })
    }

    /// User and system time of the process since it started.
    pub fn cpu_seconds(&self) -> anyhow::Result<f64> {
        crate::server::cpu_seconds(self.child.id())
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
