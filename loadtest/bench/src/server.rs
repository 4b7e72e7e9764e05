//! The server under measurement: a process of its own, on a fresh folder, with default settings.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

/// A running `tidelog dev`; killed when dropped.
pub struct Server {
    child: Child,
    pub binary: PathBuf,
    pub address: String,
    /// Where HTTP clients connect.
    pub http_address: String,
    pub folder: tempfile::TempDir,
    /// From start to the first answered request.
    pub start_seconds: f64,
}

impl Server {
    pub fn start(binary: &Path) -> anyhow::Result<Server> {
        // Beside the working folder, so that the disk is the one that is meant.
        Server::start_in(binary, tempfile::tempdir_in(".")?)
    }

    pub fn start_in(binary: &Path, folder: tempfile::TempDir) -> anyhow::Result<Server> {
        // Both at once, so that they differ.
        let (kafka, http) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
        let (address, http_address) = (kafka.local_addr()?.to_string(), http.local_addr()?.to_string());
        drop((kafka, http));
        let started = Instant::now();
        let child = Command::new(binary)
            .args(["dev", "--kafka-listen", &address, "--http-listen", &http_address, "--data-dir"])
            .arg(folder.path().join("data"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{} did not start", binary.display()))?;
        let mut server = Server { child, binary: binary.to_owned(), address, http_address, folder, start_seconds: 0.0 };
        loop {
            if TcpStream::connect(&server.address).is_ok() && server.partitions(Some("none")).is_ok() {
                break;
            }
            anyhow::ensure!(started.elapsed() < Duration::from_secs(60), "the server does not answer");
            if let Some(status) = server.child.try_wait()? {
                anyhow::bail!("the server ended: {status}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        server.start_seconds = started.elapsed().as_secs_f64();
        Ok(server)
    }

    /// Stops it with SIGTERM and gives its folder back.
    pub fn stop(mut self, into: tempfile::TempDir) -> anyhow::Result<tempfile::TempDir> {
        // SAFETY: a signal to our own child, which has not been waited for.
        unsafe { libc::kill(self.child.id() as i32, libc::SIGTERM) };
        let status = self.child.wait()?;
        anyhow::ensure!(status.success(), "the server ended with {status}");
        Ok(std::mem::replace(&mut self.folder, into))
    }

    /// Ends it as power loss to the process would, and gives its folder back.
    pub fn kill(mut self, into: tempfile::TempDir) -> anyhow::Result<tempfile::TempDir> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(std::mem::replace(&mut self.folder, into))
    }

    /// How many files its store has, and their bytes.
    pub fn objects(&self) -> anyhow::Result<(usize, u64)> {
        let (mut count, mut bytes) = (0, 0);
        let mut folders = vec![self.folder.path().join("data/objects")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                } else {
                    count += 1;
                    bytes += entry.metadata()?.len();
                }
            }
        }
        Ok((count, bytes))
    }

    pub fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address);
        config
    }

    /// How many partitions a topic, or all of them, have.
    pub fn partitions(&self, topic: Option<&str>) -> anyhow::Result<usize> {
        let consumer: BaseConsumer =
            self.config().set("allow.auto.create.topics", "false").set("log_level", "0").create()?;
        let metadata = consumer.fetch_metadata(topic, Duration::from_secs(10))?;
        Ok(metadata.topics().iter().map(|topic| topic.partitions().len()).sum())
    }

    /// Milliseconds from a Metadata request (v4) for one topic to the last byte of its answer, on a plain socket: what the
    /// server takes, without what a client does with the answer.
    pub fn metadata_ms(&self, topic: &str) -> anyhow::Result<f64> {
        let mut request = vec![0, 3, 0, 4, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 1];
        request.extend_from_slice(&u16::try_from(topic.len())?.to_be_bytes());
        request.extend_from_slice(topic.as_bytes());
        request.push(0);
        let mut stream = TcpStream::connect(&self.address)?;
        let started = Instant::now();
        stream.write_all(&u32::try_from(request.len())?.to_be_bytes())?;
        stream.write_all(&request)?;
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut answer)?;
        Ok(started.elapsed().as_secs_f64() * 1000.0)
    }

    /// User and system time of the process since it started.
    pub fn cpu_seconds(&self) -> anyhow::Result<f64> {
        cpu_seconds(self.child.id())
    }

    /// A figure of `/proc/PID/status` in MiB.
    pub fn mebibytes(&self, name: &str) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with(name)).context("no such figure")?;
        let kibibytes: f64 = line.split_whitespace().nth(1).context("no value")?.parse()?;
        Ok(kibibytes / 1024.0)
    }
}

/// Asked to end at first: where it is profiled, what was seen is written then.
impl Drop for Server {
    fn drop(&mut self) {
        const PATIENCE: Duration = Duration::from_secs(60);
        let asked = Instant::now();
        if matches!(self.child.try_wait(), Ok(None)) {
            // SAFETY: a signal to our own child, which has not been waited for.
            unsafe { libc::kill(self.child.id() as i32, libc::SIGTERM) };
        }
        while matches!(self.child.try_wait(), Ok(None)) && asked.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// User and system time of a process since it started.
pub fn cpu_seconds(process: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    // SAFETY: the call has no preconditions.
    Ok(ticks / unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64)
}

/// Bytes of which half cannot be compressed.
pub fn payload(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..bytes)
        .map(|i| {
            if i % 2 == 0 {
                return b'x';
            }
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect()
}
