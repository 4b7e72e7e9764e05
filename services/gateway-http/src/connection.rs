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
use crate::memory::Untaken;
use crate::options::{
    CONNECTION_BUFFER_BYTES, CONNECTION_STREAMS_MAX, CONNECTION_WINDOW_BYTES, SLOW_LOOK, SLOW_WHEN_WANTED_MAX,
    STREAM_WINDOW_BYTES,
};

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
    let untaken = Untaken::new();
    let service = service_fn(|request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(untaken.clone());
        router.clone().oneshot(request)
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
    let mut connection = pin!(http.serve_connection(TokioIo::new(Counted::new(stream, shared)), service));

    let came_late = shared.parts.tasks.is_stopping();
    let mut told_to_stop = came_late;
    let mut holds_some = false;
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
            () = untaken.some.notified(), if !holds_some => holds_some = true,
            () = clock.sleep(SLOW_LOOK), if holds_some => {
                let (some, is_slow) = untaken.look(&shared.memory, options, clock);
                holds_some = some;
                if is_slow {
                    return Ended::SlowReader;
                }
            }
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
        self.0.spawn_detached("http stream", OnPanic::Continue, future);
    }
}
