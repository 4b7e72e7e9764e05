//! Reading over HTTP as an Arrow IPC stream: what the server spends on it. The client counts bytes and looks at none.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Instant;

use anyhow::ensure;

use crate::server::Server;
use crate::stages::{RECORD_BYTES, TOPIC, Throughput, create, fill};

/// What is read again and again: the newest records, which are in memory.
const WINDOW_MEBIBYTES: usize = 64;
/// The end of a stream and of a body in chunks.
const END: &[u8] = b"\xff\xff\xff\xff\0\0\0\0\r\n0\r\n\r\n";

/// 1 KiB records of one partition, all of them in each answer.
pub fn read(binary: &Path, mebibytes: usize) -> anyhow::Result<Throughput> {
    let server = Server::start(binary)?;
    create(&server, 1)?;
    fill(&server, WINDOW_MEBIBYTES)?;
    read_all(&server)?;
    let rounds = mebibytes.div_ceil(WINDOW_MEBIBYTES);
    let before = server.cpu_seconds()?;
    let started = Instant::now();
    for _ in 0..rounds {
        read_all(&server)?;
    }
    let seconds = started.elapsed().as_secs_f64();
    let cpu = server.cpu_seconds()? - before;
    let mebibytes = (rounds * WINDOW_MEBIBYTES) as f64;
    Ok(Throughput { cpu_seconds_per_gibibyte: cpu / (mebibytes / 1024.0), mebibytes_per_second: mebibytes / seconds })
}

fn read_all(server: &Server) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(&server.http_address)?;
    write!(
        stream,
        "GET /v1/topics/{TOPIC}/partitions/0/records HTTP/1.1\r\nhost: localhost\r\n\
         accept: application/vnd.apache.arrow.stream\r\nconnection: close\r\n\r\n"
    )?;
    let mut buffer = vec![0; 1 << 20];
    let (mut bytes, mut tail) = (0, Vec::new());
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        bytes += count;
        tail.extend_from_slice(&buffer[count.saturating_sub(END.len())..count]);
        tail.drain(..tail.len().saturating_sub(END.len()));
    }
    ensure!(tail == END, "the stream ends as it should");
    let records = WINDOW_MEBIBYTES * (1 << 20) / RECORD_BYTES;
    ensure!(bytes > records * RECORD_BYTES, "{bytes} bytes came, and {records} records are more");
    Ok(())
}
