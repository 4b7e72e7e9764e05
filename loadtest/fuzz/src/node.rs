//! A whole node with its objects in memory, which is sent the frames: what can be decoded is answered, with an answer that can
//! be read; what cannot ends its connection; and nothing in the node panics.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use tempfile::TempDir;
use tidelog_kafka_wire::{Api, CONTROL_FRAME_BYTES_MAX, Request, RequestError, RequestHeader, decode_request};
use tidelog_node::{CacheOptions, IoEngine, Node, NodeOptions, Recorded, StoreOptions};
use tidelog_schemas::{World, apis, error_codes, look_at_answer, read_answer, request, write_request};
use tokio::runtime::Runtime;

use crate::{panics, plausible};

/// Requests that wait for something to happen, if that is what they say: such an answer is not waited for.
const WAITING: [Api; 3] = [Api::Fetch, Api::JoinGroup, Api::SyncGroup];
const WAITING_MAX: Duration = Duration::from_millis(20);
/// Longest wait for any other answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);
const MIB: usize = 1 << 20;
/// Longer answers, of all topics that were made meanwhile, are not taken apart: that takes a multiple of them.
const JUDGED_BYTES_MAX: usize = 4 * MIB;

/// The node and a connection to it.
pub struct Fuzzed {
    address: SocketAddr,
    connection: Mutex<Option<TcpStream>>,
    schemas: Vec<tidelog_schemas::Api>,
    // Dropped in this order: tasks end before their runtime, and the folder goes last.
    _node: Node,
    _runtime: Runtime,
    _folder: TempDir,
}

impl Fuzzed {
    /// Starts it, and gives it the topic that the corpus is about, whose id is put into `world`.
    ///
    /// # Errors
    /// It does not start, or does not do what a client asks.
    pub fn start(world: &mut World) -> anyhow::Result<Fuzzed> {
        let folder = TempDir::with_prefix("tidelog-fuzz-")?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let options = NodeOptions {
            recorded: Recorded::default(),
            data_dir: folder.path().join("data"),
            store: StoreOptions { url: "memory:".to_owned(), ..StoreOptions::default() },
            kafka_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            kafka_advertised: None,
            zone: None,
            http_listen: None,
            http_cors_allowed_origins: Vec::new(),
            http_known_hosts: Vec::new(),
            cache: CacheOptions {
                memory_bytes: 32 * MIB,
                written_bytes: 32 * MIB,
                disk_bytes: 64 * MIB,
                io: IoEngine::Psync,
            },
            in_flight_bytes_max: 128 * MIB,
            auto_create_topics: true,
            default_partitions: 1,
            version: "fuzzed".to_owned(),
        };
        let node = runtime.block_on(Node::start(options))?;
        let fuzzed = Fuzzed {
            address: node.kafka_addr(),
            connection: Mutex::new(None),
            schemas: apis(),
            _node: node,
            _runtime: runtime,
            _folder: folder,
        };
        let maker = World { fresh: world.topic.clone(), ..world.clone() };
        fuzzed.call(Api::CreateTopics, 7, &maker)?;
        let answer = fuzzed.call(Api::Metadata, 12, world)?;
        let metadata = plausible::schema(&fuzzed.schemas, Api::Metadata.key()).context("its schema")?;
        let topics = look_at_answer(metadata, &answer).items("Topics");
        world.topic_id = topics.first().and_then(|topic| topic.id("TopicId")).context("the topic is there")?;
        Ok(fuzzed)
    }

    fn call(&self, api: Api, version: i16, world: &World) -> anyhow::Result<tidelog_schemas::Value> {
        let schema = plausible::schema(&self.schemas, api.key()).context("its schema")?;
        let frame = write_request(schema, version, 1, Some("fuzz"), &request(schema, version, world, &[]));
        let mut stream = self.connect()?;
        stream.write_all(&frame)?;
        let answer =
            read_answer(schema, version, 1, &receive(&mut stream)?).map_err(|error| anyhow::anyhow!(error.0))?;
        let codes = error_codes(schema, version, &answer);
        ensure!(codes.iter().all(|code| *code == 0), "{} is answered {codes:?}", schema.name);
        Ok(answer)
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        stream.set_write_timeout(Some(ANSWER_MAX))?;
        Ok(stream)
    }

    /// Sends a frame without its length and looks at what comes.
    ///
    /// # Panics
    /// It is not what has to come.
    pub fn run(&self, input: &[u8]) {
        // Too short to be judged, as a server waits for the rest; or too long, which is judged before it is decoded.
        if !(8..=CONTROL_FRAME_BYTES_MAX).contains(&input.len()) {
            return;
        }
        let panics = panics::elsewhere();
        let mut kept = self.connection.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut stream = kept.take().unwrap_or_else(|| self.connect().expect("the node accepts"));
        let frame = [&(input.len() as u32).to_be_bytes(), input].concat();
        // What is refused by its first bytes may be closed before the last is written.
        let _ = stream.write_all(&frame);
        match decode_request(Bytes::copy_from_slice(input)) {
            Ok((header, request)) => {
                let goes_on = self.answered(&mut stream, &header, &request);
                *kept = goes_on.then_some(stream);
            }
            Err(RequestError::UnsupportedApiVersions { correlation_id, .. }) => {
                let answer = receive(&mut stream).expect("an answer of version 0");
                self.judge(Api::ApiVersions, 0, correlation_id, &answer);
                *kept = Some(stream);
            }
            Err(error) => assert!(receive(&mut stream).is_err(), "answered, although {error}"),
        }
        assert_eq!(panics::elsewhere(), panics, "the node panicked: {}", panics::last());
    }

    /// Whether the connection can be used for more.
    fn answered(&self, stream: &mut TcpStream, header: &RequestHeader, request: &Request) -> bool {
        // Nothing comes, or the end if something went wrong: either is right.
        if matches!(request, Request::Produce(produce) if produce.acks == 0) {
            return false;
        }
        let waits = WAITING.contains(&header.api);
        let patience = if waits { WAITING_MAX } else { ANSWER_MAX };
        stream.set_read_timeout(Some(patience)).expect("it is not zero");
        match receive(stream) {
            Ok(answer) => self.judge(header.api, header.version, header.correlation_id, &answer),
            Err(error) if waits && is_timeout(&error) => false,
            Err(error) => panic!("{} v{} is no request that has no answer: {error}", header.api.name(), header.version),
        }
    }

    /// An answer can be read to its end, and its codes say something. Says whether the client may go on at once.
    fn judge(&self, api: Api, version: i16, correlation: i32, answer: &[u8]) -> bool {
        if answer.len() > JUDGED_BYTES_MAX {
            return true;
        }
        let schema = plausible::schema(&self.schemas, api.key()).expect("looked for when the corpus was made");
        let read = read_answer(schema, version, correlation, answer);
        let read = read.unwrap_or_else(|error| panic!("{} v{version}: {}", schema.name, error.0));
        let codes = error_codes(schema, version, &read);
        assert!(codes.iter().all(|code| *code >= 0), "{} v{version} is answered UNKNOWN_SERVER_ERROR", schema.name);
        look_at_answer(schema, &read).int("ThrottleTimeMs").is_none_or(|wait| wait == 0)
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

/// The next frame, without its length.
fn receive(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    // A node of our own: it does not lie about lengths, and if it does, memory is counted.
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut frame)?;
    Ok(frame)
}
