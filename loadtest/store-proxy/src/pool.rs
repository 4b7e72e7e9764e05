//! Connections to the store, kept for the next request. Not a library's, so that a request whose connection had been closed is
//! sent again only when nothing of it has left: otherwise a request could be done twice that was asked for once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;

use crate::body::RequestBody;

/// Stores close what idles; this is shorter than they wait.
const IDLE_TIME_MAX: Duration = Duration::from_secs(4);
/// More than these are closed after their request.
const IDLE_MAX: usize = 512;
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

pub(crate) struct Pool {
    store: SocketAddr,
    idle: Mutex<Vec<(Instant, SendRequest<RequestBody>)>>,
}

/// A connection whose answer is being read.
pub(crate) struct Lease {
    pool: Arc<Pool>,
    connection: SendRequest<RequestBody>,
}

impl Lease {
    /// The answer has been read to its end.
    pub(crate) fn give_back(self) {
        let mut idle = self.pool.idle.lock();
        if idle.len() < IDLE_MAX {
            idle.push((Instant::now(), self.connection));
        }
    }
}

impl Pool {
    pub(crate) fn new(store: SocketAddr) -> Pool {
        Pool { store, idle: Mutex::new(Vec::new()) }
    }

    /// Sends a request and comes back with the head of its answer. An error says that the store may or may not have done it.
    /// A cancelled caller ends the connection, and the store may have done it as well.
    pub(crate) async fn send(
        self: &Arc<Pool>,
        mut request: Request<RequestBody>,
    ) -> Result<(Response<Incoming>, Lease), String> {
        while let Some(mut connection) = self.take_idle() {
            if connection.ready().await.is_err() {
                continue;
            }
            match connection.try_send_request(request).await {
                Ok(answer) => return Ok((answer, Lease { pool: self.clone(), connection })),
                Err(mut error) => match error.take_message() {
                    Some(not_sent) => request = not_sent,
                    None => return Err(error.into_error().to_string()),
                },
            }
        }
        let mut connection = self.connect().await?;
        let answer = connection.send_request(request).await.map_err(|error| error.to_string())?;
        Ok((answer, Lease { pool: self.clone(), connection }))
    }

    /// The one that was used last, so that those that are too many grow old.
    fn take_idle(&self) -> Option<SendRequest<RequestBody>> {
        let mut idle = self.idle.lock();
        let young = Instant::now().checked_sub(IDLE_TIME_MAX);
        let first_young = idle.partition_point(|(since, _)| young.is_some_and(|young| *since < young));
        idle.drain(..first_young);
        idle.pop().map(|(_, connection)| connection)
    }

    async fn connect(&self) -> Result<SendRequest<RequestBody>, String> {
        let stream = tokio::time::timeout(CONNECT_TIME_MAX, TcpStream::connect(self.store)).await;
        let stream = stream.map_err(|_| "no connection in time".to_owned())?.map_err(|error| error.to_string())?;
        // It only makes small requests slower when this fails.
        let _ = stream.set_nodelay(true);
        let (connection, driver) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        // Ends when its connection is dropped. What it has to say is said to whoever sent the request.
        tokio::spawn(async move {
            let _ = driver.await;
        });
        Ok(connection)
    }
}
