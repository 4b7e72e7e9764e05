//! The least that any server can spend on this machine: receive bytes over loopback, checksum them, copy them once, and
//! write them to new files that are fsynced.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use crate::server::payload;

const FILE_BYTES: usize = 8 << 20;
const READ_BYTES: usize = 256 << 10;

/// CPU of the receiving thread, system time included.
pub fn cpu_seconds_per_gibibyte(mebibytes: usize) -> anyhow::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let sender = std::thread::spawn(move || -> std::io::Result<()> {
        let block = payload(1 << 20, 7);
        let mut stream = TcpStream::connect(address)?;
        for _ in 0..mebibytes {
            stream.write_all(&block)?;
        }
        Ok(())
    });
    let (mut stream, _) = listener.accept()?;
    let folder = tempfile::tempdir_in(".")?;
    let before = thread_cpu_seconds();
    let mut received = vec![0; READ_BYTES];
    let mut gathered = Vec::with_capacity(FILE_BYTES + READ_BYTES);
    let mut total = 0;
    let mut checksums = 0_u64;
    let mut files = 0;
    loop {
        let count = stream.read(&mut received)?;
        total += count;
        checksums ^= crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &received[..count]);
        gathered.extend_from_slice(&received[..count]);
        if gathered.len() >= FILE_BYTES || (count == 0 && !gathered.is_empty()) {
            let mut file = std::fs::File::create(folder.path().join(files.to_string()))?;
            file.write_all(&gathered)?;
            // SAFETY: the descriptor is open as long as `file` lives.
            anyhow::ensure!(unsafe { libc::fdatasync(file.as_raw_fd()) } == 0, "fdatasync failed");
            gathered.clear();
            files += 1;
        }
        if count == 0 {
            break;
        }
    }
    let spent = thread_cpu_seconds() - before;
    std::hint::black_box(checksums);
    sender.join().map_err(|_| anyhow::anyhow!("the sender panicked"))??;
    anyhow::ensure!(total == mebibytes << 20, "received {total} bytes");
    Ok(spent / (mebibytes as f64 / 1024.0))
}

fn thread_cpu_seconds() -> f64 {
    // SAFETY: all zeros is a valid rusage, and the call only writes to it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_THREAD, &mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}
