//! A proxy that drops one record: the second one of partition 0 of every topic never reaches a reader.
//!
//! It is taken out of Fetch answers, and what is left is what compaction leaves of a batch, so every client takes it. Which
//! record it is depends on nothing else: whoever reads again misses it again. Everything else passes as it is.

mod answer;
mod batch;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use anyhow::ensure;

/// Larger than any frame that Tidelog sends or takes.
const FRAME_BYTES_MAX: usize = 128 << 20;
const FETCH: i16 = 1;

/// Versions of the Fetch requests under way on a connection, by correlation id.
type Fetches = Arc<Mutex<BTreeMap<i32, i16>>>;

/// A proxy that has an address and nothing behind it yet.
pub struct Listening {
    listener: TcpListener,
    address: String,
}

/// A proxy at work, until the process ends.
pub struct Proxy {
    address: String,
}

impl Proxy {
    /// Takes a free port on loopback, which the server behind has to advertise.
    ///
    /// # Errors
    /// There is none.
    pub fn listen() -> anyhow::Result<Listening> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        Ok(Listening { listener, address })
    }

    /// `host:port` for clients.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Listening {
    /// `host:port` to advertise.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Passes connections on to `server`.
    ///
    /// # Errors
    /// None yet: a server that is not there ends the connections.
    pub fn serve(self, server: &str) -> anyhow::Result<Proxy> {
        let (listener, server) = (self.listener, server.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if let Ok(server) = TcpStream::connect(&server) {
                    pass_on(client, server);
                }
            }
        });
        Ok(Proxy { address: self.address })
    }
}

/// Both directions, each by a thread that ends with either side.
fn pass_on(client: TcpStream, server: TcpStream) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (Ok(client_too), Ok(server_too)) = (client.try_clone(), server.try_clone()) else { return };
    let fetches = Fetches::default();
    let seen = fetches.clone();
    std::thread::spawn(move || between(client, server, |frame| Ok(note(frame, &seen))));
    std::thread::spawn(move || between(server_too, client_too, |frame| change(frame, &fetches)));
}

/// Reads frames and writes what `change` makes of them; says on standard error why it ended, unless a side closed.
fn between(mut from: TcpStream, mut to: TcpStream, change: impl Fn(Vec<u8>) -> anyhow::Result<Vec<u8>>) {
    let copied = (|| -> anyhow::Result<()> {
        loop {
            let mut length = [0; 4];
            from.read_exact(&mut length)?;
            let length = usize::try_from(i32::from_be_bytes(length))?;
            ensure!(length <= FRAME_BYTES_MAX, "a frame of {length} bytes");
            let mut frame = vec![0; length];
            from.read_exact(&mut frame)?;
            let frame = change(frame)?;
            let mut whole = i32::try_from(frame.len())?.to_be_bytes().to_vec();
            whole.extend(frame);
            to.write_all(&whole)?;
        }
    })();
    let error = copied.expect_err("ends by an error only");
    let closed = error.downcast_ref::<std::io::Error>().is_some_and(|error| {
        use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
        matches!(error.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe | NotConnected)
    });
    if !closed {
        eprintln!("proxy: {error:#}");
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// Remembers a Fetch request; a frame of anything else passes unseen.
fn note(frame: Vec<u8>, fetches: &Fetches) -> Vec<u8> {
    if let Some((api, rest)) = frame.split_first_chunk::<2>()
        && i16::from_be_bytes(*api) == FETCH
        && let Some((version, rest)) = rest.split_first_chunk::<2>()
        && let Some((correlation, _)) = rest.split_first_chunk::<4>()
    {
        let mut fetches = fetches.lock().expect("nobody panics with it");
        fetches.insert(i32::from_be_bytes(*correlation), i16::from_be_bytes(*version));
    }
    frame
}

/// Takes the record out of the answer to a Fetch request.
fn change(frame: Vec<u8>, fetches: &Fetches) -> anyhow::Result<Vec<u8>> {
    let correlation = frame.first_chunk::<4>().map(|bytes| i32::from_be_bytes(*bytes));
    let version = correlation.and_then(|id| fetches.lock().expect("nobody panics with it").remove(&id));
    match version {
        Some(version) => answer::without_one_record(&frame, version),
        None => Ok(frame),
    }
}
