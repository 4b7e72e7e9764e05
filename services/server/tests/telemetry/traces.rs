//! Traces of a running server, as a collector gets them.

use opentelemetry_proto::tonic::trace::v1::Span;

use crate::collector::{Collector, names, text};
use crate::server::Server;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CLIENT_SPAN: &str = "b7ad6b7169203331";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The one span of that name.
fn one<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let mut found = spans.iter().filter(|span| span.name == name);
    let first = found.next().unwrap_or_else(|| panic!("no {name} in {:?}", names(spans)));
    assert!(found.next().is_none(), "two of {name} in {:?}", names(spans));
    first
}

fn check_within(inner: &Span, outer: &Span) {
    assert_eq!(inner.parent_span_id, outer.span_id, "{} is not within {}", inner.name, outer.name);
    assert_eq!(inner.trace_id, outer.trace_id);
    assert!(inner.start_time_unix_nano >= outer.start_time_unix_nano, "{} begins before {}", inner.name, outer.name);
    assert!(inner.start_time_unix_nano <= inner.end_time_unix_nano);
}

#[test]
fn a_request_that_its_client_follows_is_followed_to_the_commit_and_no_other() {
    let (collector, folder) = (Collector::start(), tempfile::tempdir().expect("a temporary folder"));
    let endpoint = collector.endpoint();
    let flags = ["--telemetry-otlp-endpoint", &endpoint, "--telemetry-trace-sample-ratio", "0"];
    let server = Server::start(folder.path(), &flags);
    let json = ("content-type", "application/json");
    let records = r#"{"records":[{"value":"a"}]}"#;
    let path = "/v1/topics/t/records";
    assert_eq!(server.send("POST", path, &[json], records).status, 200);
    let unfollowed = format!("00-{TRACE}-{CLIENT_SPAN}-00");
    assert_eq!(server.send("POST", path, &[json, ("traceparent", &unfollowed)], records).status, 200);
    assert_eq!(server.send("POST", path, &[json, ("traceparent", "nonsense")], records).status, 200);
    let followed = format!("00-{TRACE}-{CLIENT_SPAN}-01");
    assert_eq!(server.send("POST", path, &[json, ("traceparent", &followed)], records).status, 200);
    let page = "/v1/topics/t/partitions/0/records?from=earliest";
    let accept = ("accept", "application/json");
    assert_eq!(server.send("GET", page, &[accept, ("traceparent", &followed)], "").status, 200);

    let spans = collector.wait("two requests", |spans| spans.iter().filter(|span| span.kind == 2).count() == 2);
    let append = one(&spans, "POST /v1/topics/{topic}/records");
    let read = one(&spans, "GET /v1/topics/{topic}/partitions/{partition}/records");
    for request in [append, read] {
        assert_eq!((hex(&request.trace_id).as_str(), hex(&request.parent_span_id).as_str()), (TRACE, CLIENT_SPAN));
    }
    assert_eq!(text(append, "http.request.method"), Some("POST"));
    assert_eq!(text(append, "http.route"), Some("/v1/topics/{topic}/records"));
    check_within(one(&spans, "append"), append);
    check_within(one(&spans, "flush"), one(&spans, "append"));
    check_within(one(&spans, "commit"), one(&spans, "flush"));
    let reads = spans.iter().filter(|span| span.name == "read").collect::<Vec<_>>();
    assert!(!reads.is_empty());
    reads.iter().for_each(|it| check_within(it, read));
    assert!(spans.iter().all(|span| hex(&span.trace_id) == TRACE), "others are not followed: {:?}", names(&spans));
    server.stop();
    assert_eq!(collector.spans().len(), spans.len());
}

#[test]
fn a_share_of_one_follows_all_of_both_doors_and_a_stop_sends_what_is_left() {
    let (collector, folder) = (Collector::start(), tempfile::tempdir().expect("a temporary folder"));
    let endpoint = collector.endpoint();
    let flags = ["--telemetry-otlp-endpoint", &endpoint, "--telemetry-trace-sample-ratio", "1"];
    let server = Server::start(folder.path(), &flags);
    server.kafka(18, 0, &[]);
    assert_eq!(server.send("GET", "/nowhere", &[], "").status, 404);
    server.stop();
    let spans = collector.spans();
    let (kafka, http) = (one(&spans, "ApiVersions"), one(&spans, "GET none"));
    assert!(kafka.parent_span_id.is_empty() && http.parent_span_id.is_empty());
    assert_ne!(kafka.trace_id, http.trace_id);
}

#[test]
fn a_collector_that_is_away_costs_spans_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Bound and let go, so that nobody listens there.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let endpoint = format!("http://{nobody}");
    let flags = ["--telemetry-otlp-endpoint", &endpoint, "--telemetry-trace-sample-ratio", "1"];
    let server = Server::start(folder.path(), &flags);
    let lost = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("tidelog_trace_spans_lost_total ")).expect("it is told");
        line.rsplit_once(' ').expect("a value").1.parse::<u64>().expect("a count")
    };
    let begun = std::time::Instant::now();
    while lost(&server.send("GET", "/metrics", &[], "").body) == 0 {
        assert!(begun.elapsed().as_secs() < 30, "nothing is lost");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let records = r#"{"records":[{"value":"a"}]}"#;
    let json = ("content-type", "application/json");
    assert_eq!(server.send("POST", "/v1/topics/t/records", &[json], records).status, 200);
    server.stop();
}
