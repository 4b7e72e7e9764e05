//! The HTTP door: appending lines and single records, and readers that wait. Requests are written to plain sockets, so that
//! what a client library does is not measured.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use hdrhistogram::Histogram;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::http_floor::Floor;
use crate::server::{Server, payload};
use crate::stages::{TOPIC, Throughput, create};

const RECORD_BYTES: usize = 1024;
/// Lines of one request.
const REQUEST_MEBIBYTES: usize = 32;

/// 1 KiB records as NDJSON to 8 partitions, on two connections.
pub fn lines(binary: &Path, mebibytes: usize) -> anyhow::Result<Throughput> {
    const CONNECTIONS: usize = 2;
    let server = Server::start(binary)?;
    create(&server, 8)?;
    let mebibyte = mebibyte_of_lines();
    let send = |mebibytes: usize| {
        let each = mebibytes.div_ceil(CONNECTIONS * REQUEST_MEBIBYTES);
        std::thread::scope(|scope| {
            let send = || send_lines(&server, &mebibyte, each);
            let senders: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(send)).collect();
            senders.into_iter().try_for_each(|it| it.join().map_err(|_| anyhow::anyhow!("a sender panicked"))?)
        })?;
        Ok::<usize, anyhow::Error>(each * CONNECTIONS * REQUEST_MEBIBYTES)
    };
    send(64)?;
    let before = server.cpu_seconds()?;
    let started = Instant::now();
    let sent = send(mebibytes)? as f64;
    let cpu = server.cpu_seconds()? - before;
    Ok(Throughput {
        cpu_seconds_per_gibibyte: cpu / (sent / 1024.0),
        mebibytes_per_second: sent / started.elapsed().as_secs_f64(),
    })
}

/// A mebibyte of records, a line each.
fn mebibyte_of_lines() -> Vec<u8> {
    let mut lines = Vec::new();
    for record in 0..(1 << 20) / RECORD_BYTES {
        lines.extend_from_slice(b"{\"value\":\"");
        lines.extend(payload(RECORD_BYTES, record as u64 + 1).iter().map(|byte| b'a' + byte % 26));
        lines.extend_from_slice(b"\"}\n");
    }
    lines
}

fn send_lines(server: &Server, mebibyte: &[u8], requests: usize) -> anyhow::Result<()> {
    let mut stream = BufReader::new(TcpStream::connect(&server.http_address)?);
    for _ in 0..requests {
        let head = format!(
            "POST /v1/topics/{TOPIC}/records HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n",
            mebibyte.len() * REQUEST_MEBIBYTES
        );
        stream.get_mut().write_all(head.as_bytes())?;
        for _ in 0..REQUEST_MEBIBYTES {
            stream.get_mut().write_all(mebibyte)?;
        }
        let answer = read_answer(&mut stream)?;
        let stored = format!("\"records\":{}", REQUEST_MEBIBYTES * (1 << 20) / RECORD_BYTES);
        anyhow::ensure!(answer.contains(&stored), "not all of it is stored: {answer}");
    }
    Ok(())
}

fn read_answer(stream: &mut impl BufRead) -> anyhow::Result<String> {
    let (mut status, mut length) = (String::new(), 0);
    stream.read_line(&mut status)?;
    loop {
        let mut header = String::new();
        stream.read_line(&mut header)?;
        let header = header.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let body = String::from_utf8(body)?;
    anyhow::ensure!(status.starts_with("HTTP/1.1 200"), "{}: {body}", status.trim_end());
    Ok(body)
}

/// Requests of one record each.
pub struct Requests {
    /// Processor time of the server for each, in microseconds.
    pub cost_microseconds: f64,
    pub per_second: f64,
    /// The same of a server that does nothing with them, just before.
    pub floor_microseconds: f64,
}

/// Records of 256 bytes as `application/octet-stream`, each on one of 128 connections that wait for its answer.
pub fn records(binary: &Path) -> anyhow::Result<Requests> {
    let floor = Floor::start()?;
    let (floor_microseconds, _) = cost_of_records(&floor.address, || floor.cpu_seconds())?;
    drop(floor);
    let server = Server::start(binary)?;
    create(&server, 8)?;
    let (cost_microseconds, per_second) = cost_of_records(&server.http_address, || server.cpu_seconds())?;
    Ok(Requests { cost_microseconds, per_second, floor_microseconds })
}

/// Microseconds of processor time for each request, and how many there are in a second.
fn cost_of_records(address: &str, cpu_seconds: impl Fn() -> anyhow::Result<f64>) -> anyhow::Result<(f64, f64)> {
    const CONNECTIONS: usize = 128;
    const REQUESTS: usize = 2_000;
    let runtime = runtime()?;
    let send = |requests: usize| {
        runtime.block_on(async {
            let sending = (0..CONNECTIONS).map(|_| tokio::spawn(send_records(address.to_owned(), requests)));
            for sent in sending.collect::<Vec<_>>() {
                sent.await??;
            }
            Ok::<(), anyhow::Error>(())
        })
    };
    send(REQUESTS / 10)?;
    let before = cpu_seconds()?;
    let started = Instant::now();
    send(REQUESTS)?;
    let spent = cpu_seconds()? - before;
    let count = (CONNECTIONS * REQUESTS) as f64;
    Ok((1e6 * spent / count, count / started.elapsed().as_secs_f64()))
}

async fn send_records(address: String, requests: usize) -> anyhow::Result<()> {
    let mut stream = tokio::io::BufReader::new(tokio::net::TcpStream::connect(address).await?);
    stream.get_mut().set_nodelay(true)?;
    let mut request = format!(
        "POST /v1/topics/{TOPIC}/records HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/octet-stream\r\ncontent-length: 256\r\n\r\n"
    )
    .into_bytes();
    request.extend(payload(256, 9));
    for _ in 0..requests {
        stream.get_mut().write_all(&request).await?;
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        anyhow::ensure!(line.starts_with("HTTP/1.1 200"), "{line}");
        let mut length = 0;
        loop {
            line.clear();
            stream.read_line(&mut line).await?;
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
    }
    Ok(())
}

/// What the server holds for 10,000 readers of events at the tail, in all.
pub fn idle_readers(binary: &Path) -> anyhow::Result<f64> {
    const READERS: usize = 10_000;
    raise_open_files()?;
    let server = Server::start(binary)?;
    create(&server, 1)?;
    let readers = (0..READERS).map(|_| follow(&server.http_address)).collect::<anyhow::Result<Vec<_>>>()?;
    std::thread::sleep(Duration::from_secs(2));
    let held = server.mebibytes("VmRSS")?;
    drop(readers);
    Ok(held)
}

/// A reader of events that has been greeted.
fn follow(address: &str) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(follow_request().as_bytes())?;
    let mut seen = Vec::new();
    while !seen.windows(11).any(|part| part == b"retry: 1000") {
        let mut part = [0; 1024];
        let count = stream.read(&mut part)?;
        anyhow::ensure!(count > 0, "the stream ended: {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&part[..count]);
    }
    Ok(stream)
}

fn follow_request() -> String {
    format!(
        "GET /v1/topics/{TOPIC}/partitions/0/records?from=latest HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n"
    )
}

/// Milliseconds from the moment when a record was to be sent until a reader has it: 99 of 100 of all records at 1,000 readers.
pub fn fan_out(binary: &Path) -> anyhow::Result<f64> {
    const READERS: usize = 1_000;
    const RECORDS: usize = 100;
    const APART: Duration = Duration::from_millis(100);
    raise_open_files()?;
    let server = Server::start(binary)?;
    create(&server, 1)?;
    let readers = (0..READERS).map(|_| follow(&server.http_address)).collect::<anyhow::Result<Vec<_>>>()?;
    runtime()?.block_on(async {
        let (tell, mut told) = mpsc::unbounded_channel();
        for reader in readers {
            reader.set_nonblocking(true)?;
            let mut lines = tokio::io::BufReader::with_capacity(512, tokio::net::TcpStream::from_std(reader)?).lines();
            let tell = tell.clone();
            tokio::spawn(async move {
                while let Ok(Some(line)) = lines.next_line().await {
                    if let Some(offset) = line.strip_prefix("id:") {
                        let _ = tell.send((offset.trim().parse::<usize>().unwrap_or(usize::MAX), Instant::now()));
                    }
                }
            });
        }
        let start = tokio::time::Instant::now() + APART;
        let address = server.http_address.clone();
        let sending = tokio::spawn(async move {
            let mut intended = Vec::new();
            let mut stream = tokio::net::TcpStream::connect(address).await?;
            for record in 0..RECORDS {
                let at = start + APART * record as u32;
                tokio::time::sleep_until(at).await;
                intended.push(at.into_std());
                let request = format!(
                    "POST /v1/topics/{TOPIC}/records HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/octet-stream\r\ncontent-length: 5\r\n\r\ntoken"
                );
                stream.write_all(request.as_bytes()).await?;
                let mut answer = [0; 4096];
                let count = stream.read(&mut answer).await?;
                anyhow::ensure!(answer[..count].starts_with(b"HTTP/1.1 200"), "a record was not stored");
            }
            Ok::<_, anyhow::Error>(intended)
        });
        let mut times = Vec::new();
        while times.len() < READERS * RECORDS {
            let next = tokio::time::timeout(Duration::from_secs(20), told.recv()).await;
            times.push(next.context("records did not reach all readers")?.context("the readers have ended")?);
        }
        let intended = sending.await??;
        let mut histogram = Histogram::<u64>::new(3)?;
        for (offset, at) in times {
            let sent = intended.get(offset).with_context(|| format!("nobody sent record {offset}"))?;
            histogram.record(at.saturating_duration_since(*sent).as_micros() as u64)?;
        }
        Ok(histogram.value_at_quantile(0.99) as f64 / 1000.0)
    })
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// Lets this process have as many sockets as the system permits it.
fn raise_open_files() -> anyhow::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a value of the right type, and lives as long as the call.
    anyhow::ensure!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } == 0, "no limit of open files");
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: as above.
    anyhow::ensure!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } == 0, "cannot raise open files");
    anyhow::ensure!(limit.rlim_cur > 11_000, "this needs 11,000 open files, and {} are permitted", limit.rlim_cur);
    Ok(())
}
