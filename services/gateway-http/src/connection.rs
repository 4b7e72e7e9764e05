//! One connection: HTTP/1.1, or HTTP/2 from its first byte on.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tidelog_host::Tasks;
use tidelog_host::tasks::OnPanic;
use tokio::net::TcpStream;
use tower::ServiceExt;

use crate::counted::Counted;
use crate::gateway::Shared;
use crate::memory::{Cut, Taker};
use crate::options::{
    CONNECTION_BUFFER_BYTES, CONNECTION_STREAMS_MAX, CONNECTION_WINDOW_BYTES, SLOW_WHEN_WANTED_MAX, STREAM_WINDOW_BYTES,
};
use crate::socket::Socket;

tokio::task_local! {
    /// Ends the stream of HTTP/2 that a task works for.
    static STREAM: Arc<Cut>;
}

/// Why a connection ended.
pub(crate) enum Ended {
    /// In order, or as the text says.
    Http(Option<String>),
    /// Its client does not take its answers.
    SlowReader,
    /// It came while the node was stopping, and stayed.
    Stopping,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Http(None) => f.write_str("closed"),
            Ended::Http(Some(error)) => f.write_str(error),
            Ended::SlowReader => f.write_str("answers are not taken"),
            Ended::Stopping => f.write_str("the node is stopping"),
        }
    }
}

/// Serves a connection until it ends. When the node stops, what is under way is finished.
pub(crate) async fn serve(shared: &Arc<Shared>, router: Router, stream: TcpStream) -> Ended {
    let options = &shared.options;
    let clock = &shared.parts.clock;
    let client = shared.memory.enter(clock);
    let service = service_fn(|request: Request<Incoming>| {
        let (client, router) = (client.clone(), router.clone());
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Taker::new(&client, STREAM.try_with(Arc::clone).ok()));
            router.oneshot(request).await
        }
    });
    let mut http = auto::Builder::new(Runs(shared.parts.tasks.clone()));
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(options.head_timeout)
        .max_buf_size(CONNECTION_BUFFER_BYTES);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(options.head_timeout)
        .keep_alive_timeout(options.head_timeout)
        .max_header_list_size(CONNECTION_BUFFER_BYTES as u32)
        .max_concurrent_streams(CONNECTION_STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(STREAM_WINDOW_BYTES as usize);
    let stream = Counted::new(Socket::new(stream, &client), shared);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));

    let came_late = shared.parts.tasks.is_stopping();
    let mut told_to_stop = came_late;
    let late = clock.sleep(SLOW_WHEN_WANTED_MAX);
    let mut late = pin!(late);
    loop {
        tokio::select! {
            ended = connection.as_mut() => return Ended::Http(ended.err().map(|error| error.to_string())),
            () = shared.parts.tasks.stopping(), if !told_to_stop => {
                told_to_stop = true;
                connection.as_mut().graceful_shutdown();
            }
            // It may ask whether the node is ready, and has no other business here.
            () = late.as_mut(), if came_late => return Ended::Stopping,
            () = client.cut.told() => return Ended::SlowReader,
        }
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
