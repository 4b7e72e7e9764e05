//! `tidelog-store-proxy --store http://127.0.0.1:9000 --profile s3-standard`: an S3 store with latency, counts and faults. Ctrl-C
//! ends it with a table of what was counted.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tidelog_store_proxy::{FaultKind, Faults, Latency, Operation, Options, StoreProxy};
use tokio::signal::unix::{SignalKind, signal};

/// Of bad input.
const BAD_INPUT: u8 = 2;
/// Progress in a terminal is one line that changes so often; elsewhere lines come less often.
const PROGRESS_TERMINAL: Duration = Duration::from_secs(1);
const PROGRESS_LINES: Duration = Duration::from_secs(10);

/// A proxy between Tidelog and its S3 store that adds latency, counts what is asked, and injects errors.
#[derive(Parser)]
#[command(name = "tidelog-store-proxy", version)]
struct Arguments {
    /// The store, `http://host:port`.
    #[arg(long)]
    store: String,
    /// Where Tidelog finds it (`--store-endpoint http://127.0.0.1:9480`).
    #[arg(long, default_value = "127.0.0.1:9480")]
    listen: String,
    /// Where counts are told (`GET /counts`, `GET /report`) and settings changed (`PUT /latency`, `/faults`, `/payload`).
    #[arg(long, default_value = "127.0.0.1:9481")]
    control_listen: String,
    /// How long answers take: s3-standard (p50 60, p99 250 ms), s3-express (5, 15 ms) or none.
    #[arg(long)]
    profile: Option<String>,
    /// Instead of a profile: half of the answers take longer.
    #[arg(long, requires = "latency_p99_ms", conflicts_with = "profile")]
    latency_p50_ms: Option<f64>,
    /// Instead of a profile: one answer in a hundred takes longer.
    #[arg(long, requires = "latency_p50_ms")]
    latency_p99_ms: Option<f64>,
    /// The same seed draws the same delays and errors.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The part of the requests that fail, from 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    error_rate: f64,
    /// How they fail: slow-down, internal-error, internal-error-after, reset-before, reset-after, timeout-before,
    /// timeout-after, slow-body. What ends in -after was done by the store.
    #[arg(long, value_delimiter = ',', default_value = "slow-down,internal-error")]
    error_kinds: Vec<String>,
    /// Only of these operations, by their names in S3: PutObject,GetObject.
    #[arg(long, value_delimiter = ',')]
    error_operations: Vec<String>,
    /// How long a timeout is.
    #[arg(long, default_value_t = Faults::default().timeout_ms)]
    timeout_ms: u64,
    /// How fast a slow body is.
    #[arg(long, default_value_t = Faults::default().slow_body_bytes_per_s)]
    slow_body_bytes_per_s: u64,
    /// What of it all will be payload: requests, bytes and dollars are also told per GiB of it.
    #[arg(long)]
    payload_bytes: Option<u64>,
}

impl Arguments {
    fn options(self) -> anyhow::Result<Options> {
        let latency = match (&self.profile, self.latency_p50_ms, self.latency_p99_ms) {
            (None, Some(p50_ms), Some(p99_ms)) => Latency::new(p50_ms, p99_ms)?,
            (profile, ..) => Latency::profile(profile.as_deref().unwrap_or("none"))?,
        };
        let kinds = self.error_kinds.iter().map(|name| FaultKind::named(name)).collect::<Result<_, _>>()?;
        let operations = self.error_operations.iter().map(|name| Operation::named(name)).collect::<Result<_, _>>()?;
        let faults = Faults {
            rate: self.error_rate,
            kinds,
            operations,
            count_max: None,
            timeout_ms: self.timeout_ms,
            slow_body_bytes_per_s: self.slow_body_bytes_per_s,
        };
        Ok(Options {
            store: self.store,
            listen: self.listen,
            control_listen: self.control_listen,
            latency,
            faults,
            payload_bytes: self.payload_bytes,
            seed: self.seed,
        })
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(asked) if !asked.use_stderr() => asked.exit(),
        Err(error) => {
            // Its first paragraph, in one line, without what begins it.
            let text = error.to_string();
            let words: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
            return refuse(words.join(" ").trim_start_matches("error: "));
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ran = runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(run(arguments)));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&format!("{error:#}")),
    }
}

fn refuse(why: &str) -> ExitCode {
    eprintln!("tidelog-store-proxy: {why}");
    ExitCode::from(BAD_INPUT)
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let options = arguments.options()?;
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let store = options.store.clone();
    let proxy = StoreProxy::start(options).await?;
    let before = proxy.report();
    println!(
        "store {store} with latency {} (p50 {} ms, p99 {} ms) at {}, seed {}; control at {}; Ctrl-C counts and stops",
        before.profile,
        before.latency.p50_ms(),
        before.latency.p99_ms(),
        proxy.endpoint(),
        before.seed,
        proxy.control_endpoint()
    );
    let is_terminal = std::io::stderr().is_terminal();
    let mut progress = tokio::time::interval(if is_terminal { PROGRESS_TERMINAL } else { PROGRESS_LINES });
    loop {
        tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = progress.tick() => show(&proxy.report().to_line(), is_terminal),
        }
    }
    if is_terminal {
        eprintln!();
    }
    // Whoever has closed the pipe does not want it.
    let _ = std::io::stdout().write_all(proxy.report().to_string().as_bytes());
    Ok(())
}

fn show(line: &str, is_terminal: bool) {
    if is_terminal {
        // Over the line before, and nothing left of it.
        eprint!("\r{line}\x1b[K");
    } else {
        eprintln!("{line}");
    }
}
