//! A collector of traces for tests: takes what is posted to it, and keeps it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// Spans are sent a second after they end, or a little later.
const WAIT_MAX: Duration = Duration::from_secs(30);

pub struct Collector {
    address: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    /// It lives as long as the process.
    pub fn start() -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let spans = Arc::new(Mutex::new(Vec::new()));
        let kept = spans.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                take(stream.expect("a connection"), &kept);
            }
        });
        Collector { address, spans }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The spans so far, once `is_enough` says so of them.
    pub fn wait(&self, what: &str, is_enough: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            let spans = self.spans.lock().expect("nobody panics").clone();
            if is_enough(&spans) {
                return spans;
            }
            assert!(Instant::now() < deadline, "never: {what}; there is {:?}", names(&spans));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().expect("nobody panics").clone()
    }
}

pub fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

/// A text of a span.
pub fn text<'a>(span: &'a Span, key: &str) -> Option<&'a str> {
    let value = span.attributes.iter().find(|it| it.key == key)?.value.as_ref()?;
    match value.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

fn take(stream: TcpStream, kept: &Mutex<Vec<Span>>) {
    let mut input = BufReader::new(stream);
    let mut length = 0;
    let mut head = String::new();
    while input.read_line(&mut head).expect("text") > 2 {
        let line = head.to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        assert!(!line.contains("http/1.1") || line.starts_with("post /v1/traces "), "{line}");
        assert!(!line.starts_with("content-type:") || line.contains("application/x-protobuf"), "{line}");
        head.clear();
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body).expect("as long as it says");
    let request = ExportTraceServiceRequest::decode(&body[..]).expect("spans");
    for resource in request.resource_spans {
        let service = resource.resource.as_ref().expect("a resource");
        assert!(service.attributes.iter().any(|it| it.key == "service.name"));
        let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        kept.lock().expect("nobody panics").extend(spans);
    }
    let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
    input.into_inner().write_all(answer).expect("it is read");
}
