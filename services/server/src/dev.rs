//! `tidelog dev`: one process with every role, from start to drained stop.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use tidelog_host::{Clock, Tasks};
use tidelog_node::Node;

use crate::assemble::node_options;
use crate::banner::{Colours, banner, lines_to_try};
use crate::logging::{self, colours_suit};
use crate::play_folder::PlayFolder;
use crate::settings::{Effective, LogFormat, Settings, StoreUrl};
use crate::start_refusal::{explained, unmade};
use crate::telemetry::collector::Collector;
use crate::telemetry::metrics::Recorder;
use crate::telemetry::traces::Traces;
use crate::version::VERSION;
use crate::{open_files, signals};

/// A drain that takes longer is given up: requests, uploads and the cache have bounds of their own, which in a row stay
/// below this. What was acknowledged is durable without a drain.
const DRAIN_MAX: Duration = Duration::from_secs(60);
/// File calls that are still under way when all else has stopped get this long.
const THREADS_END_MAX: Duration = Duration::from_secs(2);

/// Runs until told to stop, then drains.
///
/// # Errors
/// When it cannot start, or cannot drain in time.
pub fn run(effective: &Effective, settings: &Settings) -> anyhow::Result<()> {
    let recorder = Recorder::install()?;
    let traces = settings.otlp_endpoint.clone().map(|authority| Traces::to(Collector { authority }));
    logging::start(settings.log_format, settings.log_filter.clone(), traces.as_ref())?;
    tracing::info!(version = VERSION, data_dir = %settings.data_dir.display(), "starting");
    warn_of_test_switches();
    open_files::raise_limit();
    let data_dir = std::path::absolute(&settings.data_dir).context("the data folder has no absolute path")?;
    let for_play = match settings.store.url {
        StoreUrl::Memory => Some(PlayFolder::make(&data_dir).map_err(|error| unmade(&data_dir, &error, effective))?),
        StoreUrl::InDataDir | StoreUrl::Folder(_) | StoreUrl::S3 { .. } => None,
    };
    let data_dir = for_play.as_ref().map_or(data_dir.as_path(), PlayFolder::path);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("tidelog")
        .build()
        .context("cannot start threads")?;
    let outcome = runtime.block_on(serve(effective, settings, data_dir, &recorder, traces));
    // Before the folder for play goes, in which something may still be writing.
    runtime.shutdown_timeout(THREADS_END_MAX);
    outcome
}

async fn serve(
    effective: &Effective,
    settings: &Settings,
    data_dir: &Path,
    recorder: &Recorder,
    traces: Option<Traces>,
) -> anyhow::Result<()> {
    // Before anything is started, so that there is no moment at which a signal is fatal.
    let tasks = Tasks::on_current_runtime();
    let mut told_to_stop = signals::take_over(&tasks).context("cannot take over signals")?;
    recorder.keep_small(&tasks, Clock::real());
    let sending = traces.map(|traces| traces.send(settings.trace_sample_ratio, &tasks, Clock::real()));
    let options = node_options(settings, data_dir, recorder.recorded());
    let node = tokio::select! {
        started = Node::start(options) => started.map_err(|error| explained(error, effective, settings))?,
        // What was begun is found unfinished at the next start, as after a crash.
        signal = &mut told_to_stop => {
            tracing::info!(signal = signal.unwrap_or_default(), "stopped before serving");
            return Ok(());
        }
    };
    if settings.log_format == LogFormat::Text {
        greet(settings, &node);
    }

    let signal = tokio::select! {
        signal = told_to_stop => signal.unwrap_or_default(),
        // What was acknowledged is durable; a process that can take nothing more is of no use to anybody.
        why = node.ended() => anyhow::bail!("the node cannot go on: {why}"),
    };
    tracing::info!(signal, "draining; a second Ctrl-C or SIGTERM ends at once, and what was acknowledged is kept");
    tokio::time::timeout(DRAIN_MAX, node.stop())
        .await
        .with_context(|| format!("not drained after {} s; what was acknowledged is kept", DRAIN_MAX.as_secs()))?;
    if let Some(sending) = sending {
        sending.finish().await;
    }
    Ok(())
}

/// Prints the banner. Nobody may be there to read it, which is no reason to stop.
fn greet(settings: &Settings, node: &Node) {
    let colours = if colours_suit(&io::stdout()) { Colours::Ansi } else { Colours::Plain };
    // The address that clients will be told anyway.
    let address = settings.kafka_advertised.as_ref().map_or_else(|| node.kafka_addr().to_string(), ToString::to_string);
    // As it was called, so that it can be called so again.
    let program = std::env::args().next().unwrap_or_else(|| "tidelog".to_owned());
    let http = node.http_addr().map(|address| address.to_string());
    let lines = lines_to_try(&program, &address, http.as_deref());
    let text = banner(VERSION, &node.describe(), &lines, colours);
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// What ends or breaks a process on purpose should not go unnoticed where it was not meant.
fn warn_of_test_switches() {
    for variable in ["TIDELOG_FAILPOINT", "TIDELOG_MUTANT"] {
        if let Some(value) = std::env::var_os(variable) {
            let value = value.to_string_lossy();
            tracing::warn!(variable, %value, "a switch for tests is on: this process will fail on purpose");
        }
    }
}
