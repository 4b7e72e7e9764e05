//! Spans on their way to a collector: a bounded queue, a task that sends what is in it, and a count of what is lost.
//!
//! Whoever ends a span never waits: what does not fit the queue is dropped. A collector that is away costs one try every few
//! seconds and a line of the log now and then.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, Span as SdkSpan, SpanData, SpanProcessor};
use prost::Message;
use tidelog_host::metric::{Counter, counter};
use tidelog_host::tasks::OnPanic;
use tidelog_host::trace::{self, Parent};
use tidelog_host::{Clock, Tasks, declare_metrics};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

use super::collector::Collector;
use crate::version::VERSION;

declare_metrics! {
    counter EXPORTED = "tidelog_trace_spans_exported_total", [],
        "Spans that the collector took. Are requests followed?";
    counter DROPPED = "tidelog_trace_spans_dropped_total", [],
        "Spans that found the queue full. Is more followed than the collector takes?";
    counter LOST = "tidelog_trace_spans_lost_total", [],
        "Spans that the collector did not take. Is it away?";
}

/// Spans that wait to be sent, of about 1 KiB each.
const QUEUE_SPANS_MAX: usize = 4_096;
/// Spans that are sent at once.
const SEND_SPANS_MAX: usize = 512;
/// How long spans are gathered.
const GATHER: Duration = Duration::from_secs(1);
/// Between two lines of the log about a collector that takes nothing.
const WARN_EVERY: Duration = Duration::from_secs(60);
/// How long a stop waits for what is still to be sent.
const FINISH_MAX: Duration = Duration::from_secs(2);
/// Links from a flush to the appends in it, and fields of a span.
const LINKS_MAX: u32 = 32;
const FIELDS_MAX: u32 = 32;

/// What makes spans of a process, before anything runs.
pub struct Traces {
    provider: SdkTracerProvider,
    queued: mpsc::Receiver<SpanData>,
    resource: Resource,
    collector: Collector,
}

impl Traces {
    /// Spans go to `collector`, when [`Traces::send`] is called.
    pub fn to(collector: Collector) -> Traces {
        let (queue, queued) = mpsc::channel(QUEUE_SPANS_MAX);
        let queue = Queue { queue, dropped: Arc::new(counter!(DROPPED)) };
        let resource = Resource::builder_empty()
            .with_service_name("tidelog")
            .with_attribute(KeyValue::new("service.version", VERSION))
            .build();
        let provider = SdkTracerProvider::builder()
            // Decided at the doors already: what is not followed makes no span.
            .with_sampler(Sampler::AlwaysOn)
            .with_max_links_per_span(LINKS_MAX)
            .with_max_attributes_per_span(FIELDS_MAX)
            .with_span_processor(queue)
            .build();
        Traces { provider, queued, resource, collector }
    }

    /// What turns our spans into OpenTelemetry's.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let ours = Targets::new().with_target(trace::TARGET, LevelFilter::INFO);
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("tidelog"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(ours)
    }

    /// From now on this share of the requests is followed, and spans are sent.
    pub fn send(self, share: f64, tasks: &Tasks, clock: Clock) -> Sending {
        let (finish, finished) = oneshot::channel();
        let (done, all_sent) = oneshot::channel();
        trace::start(share, adopt);
        tracing::info!(collector = self.collector.authority, share, "following requests");
        let sender = Sender {
            resource: ResourceAttributesWithSchema::from(&self.resource),
            collector: self.collector,
            clock,
            warned: None,
            exported: counter!(EXPORTED),
            lost: counter!(LOST),
        };
        let queued = self.queued;
        // Lost spans are no reason to end a process.
        tasks.spawn_detached("traces", OnPanic::Continue, async move {
            sender.run(queued, finished).await;
            let _ = done.send(());
        });
        Sending { _provider: self.provider, finish, all_sent }
    }
}

/// Makes a span part of a trace that began elsewhere.
fn adopt(span: &Span, parent: Parent) {
    let (trace_id, span_id) = (TraceId::from(parent.trace_id), SpanId::from(parent.span_id));
    let parent = SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, true, TraceState::default());
    // It fails when nobody exports: then nobody misses it.
    let _ = span.set_parent(Context::new().with_remote_span_context(parent));
}

/// Spans are being sent.
pub struct Sending {
    /// Without it spans would end nowhere.
    _provider: SdkTracerProvider,
    finish: oneshot::Sender<()>,
    all_sent: oneshot::Receiver<()>,
}

impl Sending {
    /// Sends what is there, for a while.
    pub async fn finish(self) {
        let _ = self.finish.send(());
        let _ = tokio::time::timeout(FINISH_MAX, self.all_sent).await;
    }
}

/// Takes spans that have ended.
#[derive(Clone)]
struct Queue {
    queue: mpsc::Sender<SpanData>,
    dropped: Arc<Counter>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queue")
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut SdkSpan, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        match self.queue.try_send(span) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => self.dropped.increment(1),
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

struct Sender {
    resource: ResourceAttributesWithSchema,
    collector: Collector,
    clock: Clock,
    /// When the log was told last that the collector takes nothing.
    warned: Option<Instant>,
    exported: Counter,
    lost: Counter,
}

impl Sender {
    /// Sends what comes until it is told to finish, or nobody is left who could tell; then what is there.
    async fn run(mut self, mut queued: mpsc::Receiver<SpanData>, mut finish: oneshot::Receiver<()>) {
        let mut spans = Vec::new();
        let mut finishing = false;
        while !finishing {
            tokio::select! {
                _ = &mut finish => finishing = true,
                count = queued.recv_many(&mut spans, SEND_SPANS_MAX) => if count == 0 { return },
            }
            let until = self.clock.now() + GATHER;
            while !finishing && spans.len() < SEND_SPANS_MAX {
                let room = SEND_SPANS_MAX - spans.len();
                tokio::select! {
                    _ = &mut finish => finishing = true,
                    count = queued.recv_many(&mut spans, room) => if count == 0 { break },
                    () = tokio::time::sleep_until(until) => break,
                }
            }
            self.send(&mut spans).await;
        }
        loop {
            while spans.len() < SEND_SPANS_MAX
                && let Ok(span) = queued.try_recv()
            {
                spans.push(span);
            }
            if spans.is_empty() {
                return;
            }
            self.send(&mut spans).await;
        }
    }

    async fn send(&mut self, spans: &mut Vec<SpanData>) {
        if spans.is_empty() {
            return;
        }
        let count = spans.len() as u64;
        let resource_spans = group_spans_by_resource_and_scope(std::mem::take(spans), &self.resource);
        let message = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        match self.collector.send(message).await {
            Ok(()) => {
                self.exported.increment(count);
                if self.warned.take().is_some() {
                    tracing::info!(collector = self.collector.authority, "spans are taken again");
                }
            }
            Err(error) => {
                self.lost.increment(count);
                let now = self.clock.now();
                if self.warned.is_none_or(|at| now.saturating_duration_since(at) >= WARN_EVERY) {
                    self.warned = Some(now);
                    let collector = &self.collector.authority;
                    tracing::warn!(collector, error = format!("{error:#}"), "spans are lost, nothing else is");
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "traces_test.rs"]
mod tests;
