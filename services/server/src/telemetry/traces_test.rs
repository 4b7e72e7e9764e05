//! The queue of spans at its bound, and a collector that comes and goes.

use std::io::{Read, Write};
use std::net::TcpListener;

use metrics_exporter_prometheus::PrometheusBuilder;
use opentelemetry::trace::{Span as _, Tracer, TracerProvider};

use super::*;

fn end_spans(provider: &SdkTracerProvider, count: usize) {
    let tracer = provider.tracer("test");
    (0..count).for_each(|_| tracer.start("span").end());
}

#[test]
fn what_finds_the_queue_full_is_dropped_and_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        let mut traces = Traces::to(Collector { authority: "127.0.0.1:1".to_owned() });
        end_spans(&traces.provider, QUEUE_SPANS_MAX + 9);
        let mut kept = Vec::new();
        while let Ok(span) = traces.queued.try_recv() {
            kept.push(span);
        }
        assert_eq!(kept.len(), QUEUE_SPANS_MAX);
        end_spans(&traces.provider, 1);
        assert!(traces.queued.try_recv().is_ok(), "there is room again");
    });
    assert!(handle.render().contains("tidelog_trace_spans_dropped_total 9\n"), "{}", handle.render());
}

#[tokio::test]
async fn a_collector_that_is_away_is_told_of_once_and_one_that_comes_back_gets_what_is_new() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    drop(listener);
    let mut traces = Traces::to(Collector { authority: authority.clone() });
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let counters = metrics::with_local_recorder(&recorder, || (counter!(EXPORTED), counter!(LOST)));
    let mut sender = Sender {
        resource: ResourceAttributesWithSchema::from(&traces.resource),
        collector: traces.collector.clone(),
        clock: Clock::real(),
        warned: None,
        exported: counters.0,
        lost: counters.1,
    };
    let mut warned = None;
    for _ in 0..2 {
        end_spans(&traces.provider, 3);
        let mut spans = Vec::new();
        traces.queued.recv_many(&mut spans, 3).await;
        sender.send(&mut spans).await;
        assert!(spans.is_empty() && sender.warned.is_some());
        assert_eq!(*warned.get_or_insert(sender.warned), sender.warned, "the log is told once");
    }
    assert!(handle.render().contains("tidelog_trace_spans_lost_total 6\n"), "{}", handle.render());

    let listener = TcpListener::bind(&authority).unwrap();
    let taken = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = vec![0; 64 * 1024];
        let mut filled = 0;
        let is_whole = |request: &[u8]| {
            let text = String::from_utf8_lossy(request).to_ascii_lowercase();
            let head = request.windows(4).position(|it| it == b"\r\n\r\n")? + 4;
            let length = text.split("content-length: ").nth(1)?.lines().next()?.parse::<usize>().ok()?;
            (request.len() >= head + length).then(|| request[head..head + length].to_vec())
        };
        let body = loop {
            filled += stream.read(&mut request[filled..]).unwrap();
            if let Some(body) = is_whole(&request[..filled]) {
                break body;
            }
        };
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        ExportTraceServiceRequest::decode(&body[..]).unwrap()
    });
    end_spans(&traces.provider, 2);
    let mut spans = Vec::new();
    traces.queued.recv_many(&mut spans, 2).await;
    sender.send(&mut spans).await;
    assert!(sender.warned.is_none(), "what comes next is told again");
    assert_eq!(taken.join().unwrap().resource_spans[0].scope_spans[0].spans.len(), 2);
    assert!(handle.render().contains("tidelog_trace_spans_exported_total 2\n"), "{}", handle.render());
}
