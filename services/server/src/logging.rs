//! The log: lines on standard error, as text or JSON.

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, fmt};

use crate::settings::LogFormat;

/// Starts logging, once in the life of the process.
///
/// # Errors
/// When it was started before.
pub fn start(format: LogFormat, filter: Targets) -> Result<(), TryInitError> {
    let lines = match format {
        LogFormat::Text => fmt::layer().with_writer(io::stderr).with_ansi(colours_suit(&io::stderr())).boxed(),
        LogFormat::Json => fmt::layer().with_writer(io::stderr).json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).try_init()
}

/// Whether colours can be shown there and are wanted (<https://no-color.org>).
pub fn colours_suit(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|wish| wish.is_empty())
}
