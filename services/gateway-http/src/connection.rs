//! One connection: HTTP/1.1, or HTTP/2 from its first byte on.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use futures::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tidelog_host::Tasks;
use tidelog_host::tasks::OnPanic;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::counted::Counted;
use crate::gateway::Shared;
use crate::memory::{Address, Client, Cut, Taker};
use crate::opening::Opening;
use crate::options::{
    CONNECTION_BUFFER_BYTES, CONNECTION_STREAMS_MAX, CONNECTION_WINDOW_BYTES, GatewayOptions, SLOW_WHEN_WANTED_MAX,
    STREAM_WINDOW_BYTES,
};
use crate::passage;
use crate::socket::Socket;

tokio::task_local! {
    /// Ends the stream of HTTP/2 that a task works for.
    static STREAM: Arc<Cut>;
}

/// Why a connection ended.
pub(crate) enum Ended {
    /// In order, or as the text says.
    Http(Option<String>),
    /// Its client did not say in time what it speaks.
    Silent,
    /// Its client does not take its answers.
    SlowReader,
    /// It came while the node was stopping, and stayed, or had asked nothing yet.
    Stopping,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Http(None) => f.write_str("closed"),
            Ended::Http(Some(error)) => f.write_str(error),
            Ended::Silent => f.write_str("no request came"),
            Ended::SlowReader => f.write_str("answers are not taken"),
            Ended::Stopping => f.write_str("the node is stopping"),
        }
    }
}

/// Serves a connection until it ends. When the node stops, what is under way is finished.
pub(crate) async fn serve(shared: &Arc<Shared>, router: Router, mut stream: TcpStream, address: IpAddr) -> Ended {
    let (options, clock) = (&shared.options, &shared.parts.clock);
    // Who comes while the node stops may ask whether it is ready, and has no other business here.
    let leaves_at = shared.parts.tasks.is_stopping().then(|| clock.now() + SLOW_WHEN_WANTED_MAX);
    let opening = tokio::select! {
        // Who has asked something is answered.
        biased;
        opening = Opening::read(&mut stream) => opening,
        () = shared.parts.tasks.stopping(), if leaves_at.is_none() => return Ended::Stopping,
        () = reached(leaves_at) => return Ended::Stopping,
        () = clock.sleep(options.head_timeout) => return Ended::Silent,
    };
    let opening = match opening {
        Ok(opening) if opening.is_empty() => return Ended::Http(None),
        Ok(opening) => opening,
        Err(error) => return Ended::Http(Some(error.to_string())),
    };
    let is_http2 = opening.is_http2();
    let client = shared.memory.enter(clock, Address::of(address));
    let io = TokioIo::new(Counted::new(Socket::new(stream, opening, &client), shared));
    if is_http2 {
        let service = service_fn(|request: Request<Incoming>| {
            let (client, shared, router) = (client.clone(), shared.clone(), router.clone());
            // Within the stream's task.
            async move {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(Taker::new(&client, STREAM.try_with(Arc::clone).ok()));
                Ok::<_, Infallible>(passage::around(&shared, router, request).await)
            }
        });
        // In a place of its own: it is ten times as large, and the rarer kind.
        let mut connection = Box::pin(http2(options, &shared.parts.tasks).serve_connection(io, service));
        until_ended(shared, &client, leaves_at, connection.as_mut(), http2::Connection::graceful_shutdown).await
    } else {
        let service = service_fn(|request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Taker::new(&client, None));
            // In a place of its own: the library keeps one for as long as the connection lives.
            Box::pin(passage::around(shared, router.clone(), request).map(Ok::<_, Infallible>))
        });
        let connection = pin!(http1(options).serve_connection(io, service));
        until_ended(shared, &client, leaves_at, connection, http1::Connection::graceful_shutdown).await
    }
}

fn http1(options: &GatewayOptions) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(options.head_timeout)
        .max_buf_size(CONNECTION_BUFFER_BYTES)
        // The buffer may become larger than it is to be, and a head that is in it by then would be taken.
        .max_header_size(CONNECTION_BUFFER_BYTES);
    http
}

fn http2(options: &GatewayOptions, tasks: &Tasks) -> http2::Builder<Runs> {
    let mut http = http2::Builder::new(Runs(tasks.clone()));
    http.timer(TokioTimer::new())
        .keep_alive_interval(options.head_timeout)
        .keep_alive_timeout(options.head_timeout)
        .max_header_list_size(CONNECTION_BUFFER_BYTES as u32)
        .max_concurrent_streams(CONNECTION_STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(STREAM_WINDOW_BYTES as usize);
    http
}

/// Runs a connection until it ends; when the node stops, it is told to finish what is under way.
async fn until_ended<C: Future<Output = hyper::Result<()>>>(
    shared: &Shared,
    client: &Client,
    leaves_at: Option<Instant>,
    mut connection: Pin<&mut C>,
    finish: impl Fn(Pin<&mut C>),
) -> Ended {
    let mut told_to_stop = leaves_at.is_some();
    loop {
        tokio::select! {
            ended = connection.as_mut() => return Ended::Http(ended.err().map(|error| error.to_string())),
            () = shared.parts.tasks.stopping(), if !told_to_stop => {
                told_to_stop = true;
                finish(connection.as_mut());
            }
            () = reached(leaves_at) => return Ended::Stopping,
            () = client.cut.told() => return Ended::SlowReader,
        }
    }
}

/// Waits until then; without a time for ever.
async fn reached(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Runs the streams of HTTP/2 as tasks.
#[derive(Clone)]
struct Runs(Tasks);

impl<F> hyper::rt::Executor<F> for Runs
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        let cut = Arc::<Cut>::default();
        let stream = STREAM.scope(cut.clone(), future);
        self.0.spawn_detached("http stream", OnPanic::Continue, async move {
            tokio::select! {
                () = stream => {}
                // What it has left in the connection is thrown away, and its client told so.
                () = cut.told() => tracing::debug!("a stream ends whose answer is not taken"),
            }
        });
    }
}
