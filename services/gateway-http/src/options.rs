//! What can be set about the HTTP door, and its bounds.

use std::time::Duration;

use tidelog_model::TenantId;

/// Options of [`crate::Gateway`].
#[derive(Clone, Debug)]
pub struct GatewayOptions {
    /// Whose requests these are: as yet all of them belong to one tenant.
    pub tenant: TenantId,
    /// Whether a topic that is produced to comes into being.
    pub auto_create_topics: bool,
    /// Partitions of a topic whose creator does not say how many.
    pub partitions_default: u32,
    /// Origins whose pages may use this door from a browser, or `*` for all.
    pub cors_allowed_origins: Vec<String>,
    /// Names by which it may be asked, in small letters, beside `localhost` and addresses; any name when not set.
    pub known_hosts: Option<Vec<String>>,
    /// Connections at once. Further ones are closed at once.
    pub connections_max: usize,
    /// Requests that are being worked on. Further ones are told to come again. Streams do not count once they have begun, nor
    /// does what waits for room in memory.
    pub requests_max: usize,
    /// Streams that have begun. Further ones are told to come again.
    pub streams_max: usize,
    /// Bytes of request bodies beyond the first of each, on the whole node.
    pub uploads_bytes_max: usize,
    /// Bytes of those of which little has come, beside that.
    pub begun_uploads_bytes_max: usize,
    /// Bytes of records that were read and are not yet made into answers, on the whole node.
    pub reads_bytes_max: usize,
    /// Bytes of answers in pieces, until they are written, on the whole node.
    pub pieces_bytes_max: usize,
    /// Bytes of answers that are made as a whole, until they are written, on the whole node.
    pub pages_bytes_max: usize,
    /// A request's head must be there after this long, which is also how long a connection without a request is kept.
    pub head_timeout: Duration,
    /// A body that has begun must go on after this long.
    pub body_timeout: Duration,
    /// A client must have taken some of its answer after this long.
    pub write_timeout: Duration,
    /// How long an append may take until it is said to be uncertain.
    pub append_timeout: Duration,
    /// How long an administrator's request may take.
    pub admin_timeout: Duration,
    /// How often a stream at the tail shows that it is alive.
    pub heartbeat: Duration,
    /// How long a stop waits for requests that are being worked on.
    pub drain_timeout: Duration,
}

/// Bytes of a body that are held before room is made for more: every request may hold this much beside the bounds.
pub(crate) const BODY_BYTES_FREE: usize = 16 * 1024;
/// What a connection holds of requests that have come and are not read yet; the longest head too.
pub(crate) const CONNECTION_BUFFER_BYTES: usize = 32 * 1024;
/// Room for a body of which little has come: what has come, and as much again for what is made of it. A client that says that it
/// will send much, and does not, holds no more than this.
pub(crate) const BEGUN_UPLOAD_BYTES_MAX: usize = 512 * 1024;
/// Answers up to this size do not wait for larger ones; all of them.
pub(crate) const SMALL_PAGE_BYTES_MAX: usize = 512 * 1024;
pub(crate) const SMALL_PAGES_BYTES_MAX: usize = 32 << 20;
/// How long a request waits for room for its body or its answer.
pub(crate) const ROOM_WAIT_MAX: Duration = Duration::from_secs(10);
/// Requests that wait for that at once, and those of one address: further ones are told to come again.
pub(crate) const ROOM_WAITERS_MAX: usize = 8_192;
pub(crate) const ROOM_WAITERS_OF_ADDRESS_MAX: usize = 2_048;
/// What the system holds of an answer before it is sent. It takes megabytes otherwise, of clients that take nothing too, and they
/// would seem to have taken as much.
pub(crate) const UNSENT_BYTES_MAX: u32 = 64 * 1024;
/// The slowest that a body may arrive whose room others wait for, and that an answer may be taken.
pub(crate) const BYTES_PER_SECOND_MIN: usize = 64 * 1024;
/// How long that is put up with when others wait.
pub(crate) const SLOW_WHEN_WANTED_MAX: Duration = Duration::from_secs(2);
/// How much longer than at that pace an answer may take when others wait for the room it holds.
pub(crate) const LATENESS_WHEN_WANTED_MAX: Duration = Duration::from_millis(250);
/// How often it is looked who is late, while others wait.
pub(crate) const WANTED_LOOK: Duration = Duration::from_millis(50);
/// Bytes of answers that one connection may hold, so that a few of them with many streams each cannot hold all there is.
pub(crate) const CONNECTION_ANSWERS_BYTES_MAX: usize = 2 << 20;
/// What an encoder of an answer takes at most, and all of them.
pub(crate) const ENCODER_BYTES: usize = 512 * 1024;
pub(crate) const ENCODERS_BYTES_MAX: usize = 64 << 20;
/// What a decoder of a body takes at most, and all of them.
pub(crate) const GZIP_DECODER_BYTES: usize = 256 * 1024;
pub(crate) const ZSTD_DECODER_BYTES: usize = (1 << ZSTD_WINDOW_LOG_MAX) + 512 * 1024;
pub(crate) const DECODERS_BYTES_MAX: usize = 256 << 20;
/// What a zstd body may look back over, as a power of two: 4 MiB, which is enough for levels up to 15.
pub(crate) const ZSTD_WINDOW_LOG_MAX: u32 = 22;
/// A body may unfold to this much, and beyond that to so many times its length.
pub(crate) const UNFOLDED_BYTES_FREE: u64 = JSON_BODY_BYTES_MAX as u64 + 1;
pub(crate) const UNFOLDED_TIMES_MAX: u64 = 250;
/// The longest that a request waits because its client's quota is used up; beyond that it is refused.
pub(crate) const QUOTA_WAIT_MAX: Duration = Duration::from_secs(10);
/// Requests that wait for that at once. Further ones are refused.
pub(crate) const QUOTA_WAITERS_MAX: usize = 8_192;
/// A body must fill the room that it holds in this many seconds, while others wait for it.
pub(crate) const ROOM_TURNOVER_WHEN_WANTED_S: usize = 10;
/// How often clients that are slow are looked at.
pub(crate) const SLOW_LOOK: Duration = Duration::from_secs(1);
/// Requests of one HTTP/2 connection at once.
pub(crate) const CONNECTION_STREAMS_MAX: u32 = 128;
/// Bytes of one HTTP/2 request's body, and of a connection's, that may be on their way.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
/// The largest body that is taken as a whole.
pub(crate) const JSON_BODY_BYTES_MAX: usize = 8 << 20;
/// Records in one such body.
pub(crate) const JSON_RECORDS_MAX: usize = 100_000;
/// The largest body that says what to create.
pub(crate) const ADMIN_BODY_BYTES_MAX: usize = 256 * 1024;
/// The largest body that says how far a group has read.
pub(crate) const OFFSETS_BODY_BYTES_MAX: usize = 2 << 20;
/// Levels of nesting in JSON: what most readers of JSON take.
pub(crate) const JSON_DEPTH_MAX: usize = 128;
/// Headers of one record.
pub(crate) const RECORD_HEADERS_MAX: usize = 1_000;
/// Topics and partitions in one answer.
pub(crate) const LIST_MAX: usize = 10_000;
pub(crate) const LIST_DEFAULT: usize = 1_000;
/// Room for an entry of a list, as JSON. Where names or texts are longer there are fewer entries.
pub(crate) const ENTRY_BYTES: usize = 256;

impl GatewayOptions {
    /// The defaults of one process.
    #[must_use]
    pub fn embedded(tenant: TenantId) -> GatewayOptions {
        GatewayOptions {
            tenant,
            auto_create_topics: true,
            partitions_default: 1,
            cors_allowed_origins: Vec::new(),
            known_hosts: None,
            connections_max: 12_000,
            requests_max: 8_192,
            streams_max: 12_000,
            uploads_bytes_max: 64 << 20,
            begun_uploads_bytes_max: 32 << 20,
            reads_bytes_max: 64 << 20,
            pieces_bytes_max: 64 << 20,
            pages_bytes_max: 64 << 20,
            head_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            append_timeout: Duration::from_secs(30),
            admin_timeout: Duration::from_secs(30),
            heartbeat: Duration::from_secs(15),
            drain_timeout: Duration::from_secs(10),
        }
    }
}
