//! The log: lines on standard error, as text or JSON. Spans go elsewhere, if anywhere.

use std::io::{self, IsTerminal};

use tidelog_host::trace;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, fmt};

use crate::settings::LogFormat;
use crate::telemetry::traces::Traces;

/// Starts logging, once in the life of the process, and the making of spans if somebody wants them.
///
/// # Errors
/// When it was started before.
pub fn start(format: LogFormat, filter: Targets, traces: Option<&Traces>) -> Result<(), TryInitError> {
    let lines = match format {
        LogFormat::Text => fmt::layer().with_writer(io::stderr).with_ansi(colours_suit(&io::stderr())).boxed(),
        LogFormat::Json => fmt::layer().with_writer(io::stderr).json().flatten_event(true).boxed(),
    };
    let filter = filter.with_target(trace::TARGET, LevelFilter::OFF);
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter));
    match traces {
        Some(traces) => subscriber.with(traces.layer()).try_init(),
        None => subscriber.try_init(),
    }
}

/// Whether colours can be shown there and are wanted (<https://no-color.org>).
pub fn colours_suit(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|wish| wish.is_empty())
}
