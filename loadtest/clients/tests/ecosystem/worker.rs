//! Workers of Kafka Connect in distributed mode, with file connectors: three sources, each with a topic of its own, and one
//! sink for all of them.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::lines::{self, Source};
use crate::program::Program;
use crate::topics::wait_consumed;
use crate::{SESSION_MS, rest, wait_until};

/// What the sink reads, by source.
pub const TOPICS: [&str; 3] = ["from-0", "from-1", "from-2"];
/// Of the sink's consumers, as Connect calls it.
pub const SINK_GROUP: &str = "connect-sink";
/// Connectors and tasks of all of them.
pub const RUNNING: usize = 2 * TOPICS.len() + 1 + TOPICS.len();
/// What each source gets while something else happens, and the pause between.
const LINES_AT_ONCE: usize = 20;
const APPEND_PAUSE: Duration = Duration::from_millis(50);

/// The files, the connectors, and where their workers find the server.
pub struct Cluster {
    folder: TempDir,
    address: String,
    sources: Mutex<Vec<Source>>,
}

/// A worker that answers.
pub struct Worker {
    program: Program,
    /// `host:port` of its REST interface, which is also its id.
    pub rest: String,
}

impl Cluster {
    pub fn create(address: &str) -> anyhow::Result<Cluster> {
        let folder = TempDir::with_prefix("tidelog-connect-")?;
        let sources = (0..TOPICS.len()).map(|number| Source::create(folder.path(), number));
        let sources = Mutex::new(sources.collect::<anyhow::Result<_>>()?);
        Ok(Cluster { folder, address: address.to_owned(), sources })
    }

    pub fn sink(&self) -> PathBuf {
        self.folder.path().join("sink.txt")
    }

    /// Starts a worker and waits until it answers.
    pub fn start(&self) -> anyhow::Result<Worker> {
        // Taken and given back: loopback ports are handed out in turn, so it is not given to somebody else soon.
        let rest = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let path = self.folder.path().join(format!("worker-{}.properties", rest.replace(':', "-")));
        fs::write(&path, self.settings(&rest))?;
        let class = "org.apache.kafka.connect.cli.ConnectDistributed";
        let program = Program::start(class, &[path.display().to_string()])?;
        let ready = wait_until("answer of a worker", || Ok(rest::get(&rest, "/connectors").is_ok()));
        ready.with_context(|| program.output())?;
        Ok(Worker { program, rest })
    }

    fn settings(&self, rest: &str) -> String {
        format!(
            "bootstrap.servers={}\n\
             group.id=connect\n\
             listeners=http://{rest}\n\
             plugin.discovery=service_load\n\
             key.converter=org.apache.kafka.connect.storage.StringConverter\n\
             value.converter=org.apache.kafka.connect.storage.StringConverter\n\
             config.storage.topic=connect-configs\n\
             config.storage.replication.factor=1\n\
             offset.storage.topic=connect-offsets\n\
             offset.storage.replication.factor=1\n\
             status.storage.topic=connect-status\n\
             status.storage.replication.factor=1\n\
             offset.flush.interval.ms=500\n\
             session.timeout.ms={SESSION_MS}\n\
             heartbeat.interval.ms=1000\n\
             consumer.session.timeout.ms={SESSION_MS}\n\
             consumer.heartbeat.interval.ms=1000\n\
             scheduled.rebalance.max.delay.ms=1000\n",
            self.address
        )
    }

    /// Writes `count` more lines to each source, which will live through `failures`.
    pub fn append(&self, count: usize, failures: u32) -> anyhow::Result<()> {
        self.sources().iter_mut().try_for_each(|source| source.append(count, failures))
    }

    /// Does `work`, and writes lines all the time that it takes. They live through `failures`.
    pub fn append_during<T>(&self, failures: u32, work: impl FnOnce() -> T) -> anyhow::Result<T> {
        std::thread::scope(|scope| {
            let (stop, stopped) = channel::<()>();
            let writer = scope.spawn(move || {
                while stopped.recv_timeout(APPEND_PAUSE) == Err(RecvTimeoutError::Timeout) {
                    self.append(LINES_AT_ONCE, failures)?;
                }
                anyhow::Ok(())
            });
            let done = work();
            drop(stop);
            writer.join().ok().context("the writer panicked")??;
            Ok(done)
        })
    }

    fn sources(&self) -> MutexGuard<'_, Vec<Source>> {
        self.sources.lock().expect("nobody panics with it")
    }

    pub fn create_sources(&self, worker: &Worker) -> anyhow::Result<()> {
        for (number, topic) in TOPICS.iter().enumerate() {
            let file = self.sources()[number].path().display().to_string();
            let settings = [
                ("connector.class", "org.apache.kafka.connect.file.FileStreamSourceConnector"),
                ("file", file.as_str()),
                ("topic", *topic),
                ("topic.creation.default.partitions", "1"),
                ("topic.creation.default.replication.factor", "1"),
            ];
            worker.create(&format!("source-{number}"), &settings)?;
        }
        self.wait_sources(worker)
    }

    pub fn create_sink(&self, worker: &Worker) -> anyhow::Result<()> {
        let (file, tasks) = (self.sink().display().to_string(), TOPICS.len().to_string());
        let settings = [
            ("connector.class", "org.apache.kafka.connect.file.FileStreamSinkConnector"),
            ("file", file.as_str()),
            ("tasks.max", tasks.as_str()),
            ("topics", &TOPICS.join(",")),
        ];
        worker.create("sink", &settings)
    }

    /// Waits until all sources are written and their offsets as well.
    pub fn wait_sources(&self, worker: &Worker) -> anyhow::Result<()> {
        for (number, source) in self.sources().iter().enumerate() {
            let end = format!("\"position\":{}}}", source.bytes()?);
            let path = format!("/connectors/source-{number}/offsets");
            let done = || Ok(rest::get(&worker.rest, &path).is_ok_and(|offsets| offsets.contains(&end)));
            wait_until(&format!("end of source {number}"), done).with_context(|| worker.program.output())?;
        }
        Ok(())
    }

    /// Waits until everything has come through and is committed, and compares. How many lines came more than once.
    pub fn check(&self, worker: &Worker) -> anyhow::Result<u64> {
        self.wait_sources(worker)?;
        wait_consumed(&self.address, SINK_GROUP, &TOPICS).with_context(|| worker.program.output())?;
        lines::check(&self.sources(), &self.sink())
    }
}

impl Worker {
    fn create(&self, name: &str, settings: &[(&str, &str)]) -> anyhow::Result<()> {
        let settings = settings.iter().map(|(name, value)| format!("\"{name}\":\"{value}\""));
        let body = format!("{{{}}}", settings.collect::<Vec<_>>().join(","));
        let path = format!("/connectors/{name}/config");
        // It is refused while the group finds together.
        let mut refused = String::new();
        let put = || {
            let put = rest::put(&self.rest, &path, &body);
            if let Err(error) = &put {
                refused = error.to_string();
            }
            Ok(put.is_ok())
        };
        wait_until(&format!("connector {name}"), put).with_context(|| format!("{refused}\n{}", self.program.output()))
    }

    /// How many connectors and tasks run by what this worker knows, and how many of them on `worker`.
    fn running_on(&self, worker: &str) -> anyhow::Result<(usize, usize)> {
        let statuses = rest::get(&self.rest, "/connectors?expand=status")?;
        let running = statuses.matches("\"state\":\"RUNNING\"").count();
        let there = format!("\"state\":\"RUNNING\",\"worker_id\":\"{worker}\"");
        Ok((running, statuses.matches(&there).count()))
    }

    /// Waits until everything runs, and `wanted` of it on `worker`.
    pub fn wait_running(&self, worker: &str, wanted: impl Fn(usize) -> bool) -> anyhow::Result<()> {
        let mut seen = Ok((0, 0));
        let runs = wait_until("connectors at work", || {
            seen = self.running_on(worker);
            Ok(seen.as_ref().is_ok_and(|(running, there)| *running == RUNNING && wanted(*there)))
        });
        runs.with_context(|| format!("running and there: {seen:?}\n{}", self.program.output()))
    }

    /// Has a connector forget how far it has come, and go on from there.
    pub fn reset(&self, name: &str) -> anyhow::Result<()> {
        let path = |what: &str| format!("/connectors/{name}/{what}");
        rest::put(&self.rest, &path("stop"), "")?;
        // It is refused until its tasks have left their group.
        let deleted = wait_until("reset", || Ok(rest::delete(&self.rest, &path("offsets")).is_ok()));
        deleted.with_context(|| self.program.output())?;
        rest::put(&self.rest, &path("resume"), "")?;
        Ok(())
    }

    pub fn stop(self) -> anyhow::Result<()> {
        let status = self.program.stop()?;
        // By the signal that it was sent, in Java's words.
        ensure!(status.code() == Some(143), "the worker ended with {status}");
        Ok(())
    }

    pub fn kill9(self) -> anyhow::Result<()> {
        self.program.kill9()
    }
}
