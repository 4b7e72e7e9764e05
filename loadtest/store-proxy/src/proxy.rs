//! The proxy as a whole: its addresses, its settings, and the connections that it takes.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Uri, body::Incoming};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tidelog_host::Random;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::control;
use crate::counts::Counts;
use crate::delays::Delays;
use crate::error::{Error, invalid};
use crate::faults::Faults;
use crate::latency::{Draw, Latency};
use crate::pool::Pool;
use crate::report::{self, Report};
use crate::request::handle;
use crate::socket::{Reset, Socket};

/// More clients wait until one of these has gone.
const CONNECTIONS_MAX: usize = 4_096;
const CONTROL_CONNECTIONS_MAX: usize = 64;
/// The store is looked for so long at the start.
const STORE_WAIT_MAX: Duration = Duration::from_secs(5);
/// When the system has no room for another connection, it is asked again after this.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// How a proxy starts.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the store is: `http://host:port`.
    pub store: String,
    /// Where clients connect, `host:port`. Port 0 is any that is free.
    pub listen: String,
    /// Where counts are told and settings changed, `host:port`.
    pub control_listen: String,
    /// How long answers take.
    pub latency: Latency,
    /// What goes wrong.
    pub faults: Faults,
    /// What of it was payload, when that is known before.
    pub payload_bytes: Option<u64>,
    /// The same seed draws the same delays and faults.
    pub seed: u64,
}

impl Options {
    /// A proxy on free loopback ports that adds nothing yet.
    #[must_use]
    pub fn new(store: impl Into<String>) -> Options {
        Options {
            store: store.into(),
            listen: "127.0.0.1:0".to_owned(),
            control_listen: "127.0.0.1:0".to_owned(),
            latency: Latency::NONE,
            faults: Faults::default(),
            payload_bytes: None,
            seed: 1,
        }
    }
}

/// A proxy that runs on the runtime that it was started on. Dropped, it ends all its connections at once.
pub struct StoreProxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    control_address: SocketAddr,
    tasks: [JoinHandle<()>; 2],
}

/// What all connections know.
pub(crate) struct Shared {
    pub(crate) settings: Mutex<Settings>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) delays: Delays,
    pub(crate) seed: u64,
    /// The number of the next request goes with its draw.
    random: Mutex<(u64, Random)>,
}

pub(crate) struct Settings {
    pub(crate) latency: Latency,
    pub(crate) faults: Faults,
    pub(crate) payload_bytes: Option<u64>,
}

impl Shared {
    /// The number of a request that begins, from 1, and what it gets of chance.
    pub(crate) fn draw(&self) -> (u64, Draw) {
        let mut random = self.random.lock();
        random.0 += 1;
        (random.0, Draw::next(&random.1))
    }

    pub(crate) fn set_faults(&self, faults: Faults) -> Result<(), Error> {
        faults.check()?;
        self.settings.lock().faults = faults;
        Ok(())
    }
}

impl StoreProxy {
    /// Starts a proxy before a store that takes connections. It serves when this returns.
    ///
    /// # Errors
    /// A setting that cannot work, a store that cannot be reached, an address that is taken.
    pub async fn start(options: Options) -> Result<StoreProxy, Error> {
        options.faults.check()?;
        let store = find_store(&options.store).await?;
        let delays = Delays::start().map_err(|error| invalid(format!("no thread can be started: {error}")))?;
        let (listener, address) = listen(&options.listen).await?;
        let (control_listener, control_address) = listen(&options.control_listen).await?;
        let shared = Arc::new(Shared {
            settings: Mutex::new(Settings {
                latency: options.latency,
                faults: options.faults,
                payload_bytes: options.payload_bytes,
            }),
            counts: Arc::new(Counts::new()),
            pool: Arc::new(Pool::new(store)),
            delays,
            seed: options.seed,
            random: Mutex::new((0, Random::seeded(options.seed))),
        });
        let (of_clients, of_control) = (shared.clone(), shared.clone());
        let tasks = [
            tokio::spawn(accept(listener, CONNECTIONS_MAX, move |stream| serve(of_clients.clone(), stream))),
            tokio::spawn(accept(control_listener, CONTROL_CONNECTIONS_MAX, move |stream| {
                serve_control(of_control.clone(), stream)
            })),
        ];
        Ok(StoreProxy { shared, address, control_address, tasks })
    }

    /// Where clients find the store: `http://host:port`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where counts are told and settings changed: `http://host:port`.
    #[must_use]
    pub fn control_endpoint(&self) -> String {
        format!("http://{}", self.control_address)
    }

    /// Requests that begin from now on take so long.
    pub fn set_latency(&self, latency: Latency) {
        self.shared.settings.lock().latency = latency;
    }

    /// What goes wrong with requests that begin from now on.
    ///
    /// # Errors
    /// It cannot be done; nothing has changed.
    pub fn set_faults(&self, faults: Faults) -> Result<(), Error> {
        self.shared.set_faults(faults)
    }

    /// What of it all was payload: costs are told per GiB of it.
    pub fn set_payload_bytes(&self, bytes: u64) {
        self.shared.settings.lock().payload_bytes = Some(bytes);
    }

    /// Counts from 0 again. What is under way is not counted any further.
    pub fn reset_counts(&self) {
        self.shared.counts.reset();
    }

    /// What was counted, and what it would cost.
    #[must_use]
    pub fn report(&self) -> Report {
        report::of(&self.shared)
    }
}

impl Drop for StoreProxy {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Takes connections until it is aborted, which ends them all.
async fn accept<F, S>(listener: TcpListener, count_max: usize, serve: F)
where
    F: Fn(TcpStream) -> S,
    S: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < count_max => match accepted {
                Ok((stream, _)) => {
                    // It only makes small answers slower when this fails.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(serve(stream));
                }
                // The system has run out of something, or the client has gone already.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
}

async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let reset = Reset::default();
    let socket = TokioIo::new(Socket::new(stream, reset.clone()));
    let service = service_fn(move |request| handle(shared.clone(), reset.clone(), request));
    // An error is a client that has gone, or was sent away.
    let _ = http1::Builder::new().serve_connection(socket, service).await;
}

async fn serve_control(shared: Arc<Shared>, stream: TcpStream) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(control::answer(&shared, request).await) }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn listen(at: &str) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |error: std::io::Error| Error::Listen { at: at.to_owned(), why: error.to_string() };
    let listener = TcpListener::bind(at).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// The address of the store, which takes connections there.
async fn find_store(store: &str) -> Result<SocketAddr, Error> {
    let wrong = || invalid(format!("{store:?} is no address of a store; http://127.0.0.1:9000 would work"));
    let uri: Uri = store.parse().map_err(|_| wrong())?;
    if uri.scheme_str() == Some("https") {
        return Err(invalid(format!("{store} speaks TLS, which the proxy does not; http://host:port would work")));
    }
    let host = uri.host().filter(|_| uri.scheme_str() == Some("http")).ok_or_else(wrong)?;
    if uri.path() != "/" || uri.query().is_some() {
        return Err(wrong());
    }
    let unreachable = |why: String| Error::Unreachable { at: store.to_owned(), why };
    let connecting = async {
        // Brackets are of the URL, not of the address.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let mut last = "its name has no address".to_owned();
        for address in tokio::net::lookup_host((host, uri.port_u16().unwrap_or(80))).await.map_err(|e| e.to_string())? {
            match TcpStream::connect(address).await {
                Ok(_) => return Ok(address),
                Err(error) => last = error.to_string(),
            }
        }
        Err(last)
    };
    match tokio::time::timeout(STORE_WAIT_MAX, connecting).await {
        Ok(found) => found.map_err(unreachable),
        Err(_) => Err(unreachable(format!("no connection within {} s", STORE_WAIT_MAX.as_secs()))),
    }
}
