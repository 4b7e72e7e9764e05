//! Every setting there is: the one list from which flags, checks, `tidelog config` and docs/configuration.md are made.

/// A setting, as people meet it.
#[derive(Debug)]
pub struct Setting {
    /// Its name in the file, with the section before the dot.
    pub key: &'static str,
    /// Its name in the environment.
    pub variable: &'static str,
    /// Its flag, without the dashes.
    pub flag: &'static str,
    /// What stands for its value in help texts.
    pub placeholder: &'static str,
    /// What holds when nobody says anything. None: it is then unset, and `summary` says what that means.
    pub default: Option<&'static str>,
    /// A value that works, for error messages.
    pub example: &'static str,
    /// What it is.
    pub summary: &'static str,
    /// What one gets and what one pays for turning it.
    pub trade: &'static str,
}

pub const DATA_DIR: &str = "data_dir";
pub const STORE_URL: &str = "store.url";
pub const STORE_ENDPOINT: &str = "store.endpoint";
pub const STORE_REGION: &str = "store.region";
pub const STORE_PATH_STYLE: &str = "store.path_style";
pub const STORE_CA_FILE: &str = "store.ca_file";
pub const STORE_ALLOW_HTTP: &str = "store.allow_http";
pub const KAFKA_LISTEN: &str = "kafka.listen";
pub const KAFKA_ADVERTISED: &str = "kafka.advertised";
pub const HTTP_LISTEN: &str = "http.listen";
pub const HTTP_CORS_ALLOWED_ORIGINS: &str = "http.cors_allowed_origins";
pub const HTTP_KNOWN_HOSTS: &str = "http.known_hosts";
pub const INSECURE: &str = "insecure";
pub const ZONE: &str = "node.zone";
pub const AUTO_CREATE_TOPICS: &str = "kafka.auto_create_topics";
pub const DEFAULT_PARTITIONS: &str = "kafka.default_partitions";
pub const IN_FLIGHT_BYTES_MAX: &str = "in_flight_bytes_max";
pub const CACHE_MEMORY_BYTES: &str = "cache.memory_bytes";
pub const CACHE_DISK_BYTES: &str = "cache.disk_bytes";
pub const CACHE_IO: &str = "cache.io";
pub const OTLP_ENDPOINT: &str = "telemetry.otlp_endpoint";
pub const TRACE_SAMPLE_RATIO: &str = "telemetry.trace_sample_ratio";
pub const LOG_FORMAT: &str = "log.format";
pub const LOG_FILTER: &str = "log.filter";

/// All of them, in the order in which they are shown.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: DATA_DIR,
        variable: "TIDELOG_DATA_DIR",
        flag: "data-dir",
        placeholder: "FOLDER",
        default: Some("./tidelog-data"),
        example: "./tidelog-data",
        summary: "Folder of the catalog's log and snapshots, the disk cache and, with `store.url = \"file\"`, all objects. With \
                  `memory:` a folder in it that is removed at the end.",
        trade: "Every small append waits for one fsync here, so the disk's fsync time is the latency of an \
                acknowledgement. Losing the folder loses the catalog: put it on a disk you trust.",
    },
    Setting {
        key: STORE_URL,
        variable: "TIDELOG_STORE",
        flag: "store",
        placeholder: "URL",
        default: Some("file"),
        example: "file",
        summary: "Where objects are kept: `file` (in the data folder), `file:///folder`, `s3://bucket/prefix`, or \
                  `memory:` (gone when the process ends).",
        trade: "A folder is fastest and as durable as its disk; S3 survives the machine but takes 20 to 400 ms per \
                object; memory is for play only.",
    },
    Setting {
        key: STORE_ENDPOINT,
        variable: "TIDELOG_STORE_ENDPOINT",
        flag: "store-endpoint",
        placeholder: "URL",
        default: None,
        example: "https://s3.example.com",
        summary: "Address of an S3-compatible store. Unset: Amazon's, for the region.",
        trade: "Your own store costs no request fees, and its durability is yours to look after.",
    },
    Setting {
        key: STORE_REGION,
        variable: "TIDELOG_STORE_REGION",
        flag: "store-region",
        placeholder: "REGION",
        default: None,
        example: "eu-central-1",
        summary: "Region of the bucket. Unset: `AWS_REGION`, else the region of the AWS profile, else us-east-1.",
        trade: "A bucket in another region adds its distance to every flush and costs transfer fees.",
    },
    Setting {
        key: STORE_PATH_STYLE,
        variable: "TIDELOG_STORE_PATH_STYLE",
        flag: "store-path-style",
        placeholder: "BOOL",
        default: None,
        example: "true",
        summary: "Name the bucket in the path rather than in the host name. Unset: true when `store.endpoint` is set, false \
                  for Amazon's own.",
        trade: "Costs nothing; most self-hosted stores need true, Amazon prefers false.",
    },
    Setting {
        key: STORE_CA_FILE,
        variable: "TIDELOG_STORE_CA_FILE",
        flag: "store-ca-file",
        placeholder: "FILE",
        default: None,
        example: "/etc/ssl/certs/store-ca.pem",
        summary: "Certificates (PEM) to trust for the store, besides the usual ones.",
        trade: "Whoever holds a key of these authorities can pose as the store.",
    },
    Setting {
        key: STORE_ALLOW_HTTP,
        variable: "TIDELOG_STORE_ALLOW_HTTP",
        flag: "store-allow-http",
        placeholder: "BOOL",
        default: Some("false"),
        example: "true",
        summary: "Allow a store endpoint without TLS.",
        trade: "Saves the cost of TLS; anyone on the path can read and change records. For test stores on loopback.",
    },
    Setting {
        key: KAFKA_LISTEN,
        variable: "TIDELOG_KAFKA_LISTEN",
        flag: "kafka-listen",
        placeholder: "IP:PORT",
        default: Some("127.0.0.1:9092"),
        example: "127.0.0.1:9092",
        summary: "Where Kafka clients connect. Port 0 takes any free port and prints it.",
        trade: "Outside loopback, everyone who can reach it can read and write everything: needs `insecure`.",
    },
    Setting {
        key: KAFKA_ADVERTISED,
        variable: "TIDELOG_KAFKA_ADVERTISED",
        flag: "kafka-advertised",
        placeholder: "HOST:PORT",
        default: None,
        example: "tidelog.example.com:9092",
        summary: "The address that clients are told to use. Unset: the address listened on; required when that is all \
                  interfaces (0.0.0.0 or [::]).",
        trade: "Clients reconnect to exactly this, so it must resolve from where they run.",
    },
    Setting {
        key: HTTP_LISTEN,
        variable: "TIDELOG_HTTP_LISTEN",
        flag: "http-listen",
        placeholder: "IP:PORT",
        default: Some("127.0.0.1:8080"),
        example: "127.0.0.1:8080",
        summary: "Where HTTP clients connect, or `off`. Port 0 takes any free port and prints it.",
        trade: "Outside loopback, everyone who can reach it can read and write everything: needs `insecure`. Switched off, \
                nobody can ask whether the process is ready.",
    },
    Setting {
        key: HTTP_CORS_ALLOWED_ORIGINS,
        variable: "TIDELOG_HTTP_CORS_ALLOWED_ORIGINS",
        flag: "http-cors-allowed-origins",
        placeholder: "ORIGINS",
        default: None,
        example: "https://app.example.com",
        summary: "Origins whose pages may use the HTTP door from a browser (CORS), separated by commas, each as browsers send it: \
                  `https://app.example.com`, `http://localhost:3000`; or `*` for all. Unset: none.",
        trade: "Scripts of these pages can read and write everything, with the reach of whoever looks at them: also what listens on \
                loopback alone. With `*` that is every page of the web.",
    },
    Setting {
        key: HTTP_KNOWN_HOSTS,
        variable: "TIDELOG_HTTP_KNOWN_HOSTS",
        flag: "http-known-hosts",
        placeholder: "NAMES",
        default: None,
        example: "tidelog.example.com",
        summary: "Names by which the HTTP door may be asked while it listens on loopback, separated by commas, beside `localhost` \
                  and addresses: those of a proxy on the same machine that hands on the name it was asked by.",
        trade: "A page of the web can have its own name point to this machine, and what it then asks is to the browser its own: only \
                names that are yours keep it out. Outside loopback every name is taken.",
    },
    Setting {
        key: INSECURE,
        variable: "TIDELOG_INSECURE",
        flag: "insecure",
        placeholder: "BOOL",
        default: Some("false"),
        example: "true",
        summary: "Listen outside loopback although clients do not authenticate.",
        trade: "Reachable from other machines, and open to all of them: only on a network you trust.",
    },
    Setting {
        key: ZONE,
        variable: "TIDELOG_ZONE",
        flag: "zone",
        placeholder: "ZONE",
        default: None,
        example: "eu-central-1a",
        summary: "The zone that this node is in, by the names that clients use in `client.rack`. They see it as the broker's \
                  rack. Unset: none.",
        trade: "Costs nothing. Clients that know their own zone can tell whether reading here crosses zones, which costs \
                transfer fees.",
    },
    Setting {
        key: AUTO_CREATE_TOPICS,
        variable: "TIDELOG_KAFKA_AUTO_CREATE_TOPICS",
        flag: "kafka-auto-create-topics",
        placeholder: "BOOL",
        default: Some("true"),
        example: "false",
        summary: "Create a topic when a client that asks for that first names it.",
        trade: "Convenient; a misspelt name becomes a topic instead of an error.",
    },
    Setting {
        key: DEFAULT_PARTITIONS,
        variable: "TIDELOG_KAFKA_DEFAULT_PARTITIONS",
        flag: "kafka-default-partitions",
        placeholder: "COUNT",
        default: Some("1"),
        example: "1",
        summary: "Partitions of a topic whose creator did not say.",
        trade: "More partitions let more consumers of a group share the work, and cost catalog memory (about 1 KiB each); \
                order holds within a partition only.",
    },
    Setting {
        key: IN_FLIGHT_BYTES_MAX,
        variable: "TIDELOG_IN_FLIGHT_BYTES_MAX",
        flag: "in-flight-bytes-max",
        placeholder: "BYTES",
        default: Some("128MiB"),
        example: "128MiB",
        summary: "Bytes received and not yet acknowledged, over all connections. At the bound sockets are not read until \
                  there is room. At least one largest Kafka request (100MiB).",
        trade: "More throughput on a slow store (bound = throughput × time of a flush, with S3 100 ms and a request) for \
                as much more memory.",
    },
    Setting {
        key: CACHE_MEMORY_BYTES,
        variable: "TIDELOG_CACHE_MEMORY_BYTES",
        flag: "cache-memory-bytes",
        placeholder: "BYTES",
        default: Some("128MiB"),
        example: "128MiB",
        summary: "Memory for recently written and read blocks of objects. At least 16MiB.",
        trade: "Fewer reads from the disk cache and the store for as much more memory.",
    },
    Setting {
        key: CACHE_DISK_BYTES,
        variable: "TIDELOG_CACHE_DISK_BYTES",
        flag: "cache-disk-bytes",
        placeholder: "BYTES",
        default: Some("auto"),
        example: "1GiB",
        summary: "Disk for blocks of objects, in the data folder. At least 64MiB, or 0 for none. `auto` is 1GiB where the \
                  store is S3, and none where it is a folder, which the operating system caches already.",
        trade: "Fewer reads from the store (time and fees) for as much disk, and for writing there what is read. Worth it \
                in front of a folder only if that is on a network.",
    },
    Setting {
        key: CACHE_IO,
        variable: "TIDELOG_CACHE_IO",
        flag: "cache-io",
        placeholder: "ENGINE",
        default: Some("auto"),
        example: "auto",
        summary: "How the disk cache does its I/O: `psync` (plain reads and writes on threads), `io_uring` (psync where the \
                  kernel refuses it), or `auto` (the better one for this version, at present psync).",
        trade: "io_uring answers sooner under load, but at present keeps one core busy even when idle; psync works \
                everywhere.",
    },
    Setting {
        key: OTLP_ENDPOINT,
        variable: "TIDELOG_TELEMETRY_OTLP_ENDPOINT",
        flag: "telemetry-otlp-endpoint",
        placeholder: "URL",
        default: Some("off"),
        example: "http://127.0.0.1:4318",
        summary: "An OpenTelemetry collector that takes traces (OTLP over HTTP, protobuf), or `off`.",
        trade: "Shows where the time of single requests goes, over the bounds of processes. What is followed costs some \
                microseconds and about a KiB for each step; without it nothing. A collector that is away costs lost spans only.",
    },
    Setting {
        key: TRACE_SAMPLE_RATIO,
        variable: "TIDELOG_TELEMETRY_TRACE_SAMPLE_RATIO",
        flag: "telemetry-trace-sample-ratio",
        placeholder: "RATIO",
        default: Some("0.01"),
        example: "0.01",
        summary: "The share of the requests that are followed, from 0 to 1. Those that their client follows (`traceparent`) are \
                  followed anyway, up to 100 in a second.",
        trade: "More traces, for as much more CPU time and spans to keep; what the collector cannot take is dropped and counted.",
    },
    Setting {
        key: LOG_FORMAT,
        variable: "TIDELOG_LOG_FORMAT",
        flag: "log-format",
        placeholder: "FORMAT",
        default: Some("text"),
        example: "json",
        summary: "Form of the log on standard error: `text` or `json` (one object per line).",
        trade: "text is for people, json for log collectors.",
    },
    Setting {
        key: LOG_FILTER,
        variable: "TIDELOG_LOG_FILTER",
        flag: "log-filter",
        placeholder: "FILTER",
        // The libraries tell their own story at info, which is not ours.
        default: Some("info,openraft=warn,foyer=warn,aws_config=error"),
        example: "info,tidelog_ingest=debug",
        summary: "What is logged: a level (off, error, warn, info, debug, trace), and `target=level` for parts of it, \
                  separated by commas.",
        trade: "debug and trace show single requests, and cost CPU time for each.",
    },
];

/// The environment variable and flag that name the settings file. Not settings: they say where settings are.
pub const CONFIG_VARIABLE: &str = "TIDELOG_CONFIG";
/// See [`CONFIG_VARIABLE`].
pub const CONFIG_FLAG: &str = "config";
/// Ours, but no settings: the server that commands ask, the commit for the build, and what tests of Tidelog itself use to end it
/// or break it on purpose.
pub const OTHER_VARIABLES: &[&str] = &["TIDELOG_SERVER", "TIDELOG_COMMIT", "TIDELOG_FAILPOINT", "TIDELOG_MUTANT"];

/// The setting with this key.
///
/// # Panics
/// When there is none: keys are the constants above.
pub fn setting(key: &str) -> &'static Setting {
    SETTINGS.iter().find(|setting| setting.key == key).expect("every key constant has its entry in SETTINGS")
}
