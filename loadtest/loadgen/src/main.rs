//! `tidelog-loadgen`: open-loop load for Tidelog and for what speaks Kafka, with every record checked.
//!
//! Ends with 0 when everything held, 1 when a check failed, 2 when the workload or an argument is not as it should be (or the machine is
//! busy), 3 when the server cannot be reached.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tidelog_loadgen::{
    Failure, Options, Report, Store, Table, Target, Workload, break_off_when_interrupted, page, run,
};

#[derive(Parser)]
#[command(about = "Sends records at their time, whatever became of those before, and checks each of them", version)]
struct Arguments {
    /// A workload that comes with this program (see --list), or a file.
    #[arg(required_unless_present = "list")]
    workload: Option<String>,
    /// Names the workloads, and ends.
    #[arg(long)]
    list: bool,
    /// Another value for a key of the workload, as in TOML: `--set rate_per_second=1000`.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Starts this binary (`target/release/tidelog`) in a new folder, and ends it after the run.
    #[arg(long, value_name = "BINARY", conflicts_with_all = ["kafka", "http", "server_pid"])]
    start: Option<PathBuf>,
    /// A flag for the server that is started; may be said several times.
    #[arg(long, value_name = "FLAG", requires = "start", allow_hyphen_values = true)]
    server_flag: Vec<String>,
    /// A server that is there: its Kafka listener.
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    kafka: Option<String>,
    /// A server that is there: its HTTP listener.
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    http: Option<String>,
    /// Its process, for processor time and memory.
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// What the server is, for the result.
    #[arg(long, value_name = "TEXT", default_value = "a server that was there")]
    server_name: String,
    /// Runs on a busy machine too; the result is then not to be quoted.
    #[arg(long)]
    busy: bool,
    /// The load average above which the machine is busy; half of its processors unless said.
    #[arg(long, value_name = "LOAD")]
    load_average_max: Option<f64>,
    /// Counts the requests to the store at a tidelog-store-proxy that the server's store is behind: its control address.
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    store_proxy: Option<String>,
    /// Puts a store with latency behind the server that is started, and counts its requests: s3-standard, s3-express or none.
    #[arg(long, value_name = "PROFILE", requires = "start", conflicts_with = "store_proxy")]
    store_latency: Option<String>,
    /// The S3 server that the objects are in then, which is started as well: moto (in memory) or radosgw.
    #[arg(long, value_name = "SERVER", requires = "store_latency", default_value = "radosgw")]
    store_server: String,
    /// Leaves the topics of the run on a server that was there.
    #[arg(long)]
    keep_topics: bool,
    /// Writes the whole result as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes the result as a page with plots, which needs no other file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        for (name, about) in Workload::named() {
            println!("{name:<8} {about}");
        }
        return ExitCode::SUCCESS;
    }
    break_off_when_interrupted();
    match carry_out(&arguments) {
        Ok(report) => {
            print!("{}", Table(&report));
            ExitCode::from(u8::from(!report.complaints.is_empty()))
        }
        Err(failure) => {
            eprintln!("tidelog-loadgen: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn carry_out(arguments: &Arguments) -> Result<Report, Failure> {
    let name = arguments.workload.as_deref().unwrap_or_default();
    let workload = Workload::load(name, &arguments.set)?;
    let target = match &arguments.start {
        Some(binary) => Target::Start { binary: binary.clone(), flags: arguments.server_flag.clone() },
        None => Target::There {
            kafka: arguments.kafka.clone(),
            http: arguments.http.clone(),
            process: arguments.server_pid,
            name: arguments.server_name.clone(),
        },
    };
    // Before an hour has passed, and not after it.
    for file in arguments.json.iter().chain(&arguments.html) {
        write(file, "")?;
    }
    let store = match (&arguments.store_proxy, &arguments.store_latency) {
        (Some(control), _) => Store::Proxy(control.clone()),
        (None, Some(profile)) => Store::Slowed { profile: profile.clone(), server: arguments.store_server.clone() },
        (None, None) => Store::Unseen,
    };
    let options = Options {
        busy: arguments.busy,
        load_average_max: arguments.load_average_max,
        store,
        keep_topics: arguments.keep_topics,
        ..Options::of(target)
    };
    let report = run(workload, &options)?;
    if let Some(file) = &arguments.json {
        let json = serde_json::to_string_pretty(&report).expect("a report is plain values");
        write(file, &(json + "\n"))?;
    }
    if let Some(file) = &arguments.html {
        write(file, &page(&report))?;
    }
    Ok(report)
}

/// Also of a URL, as people have it.
fn host_and_port(text: &str) -> Result<String, String> {
    let address = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    if address.contains(':') && !address.contains('/') {
        Ok(address.to_owned())
    } else {
        Err("say host:port".to_owned())
    }
}

fn write(file: &PathBuf, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text).map_err(|error| Failure::Refused(format!("{}: {error}", file.display())))
}
