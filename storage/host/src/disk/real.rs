//! The machine's file system.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::buffer::spare_capacity;
use rustix::fs::{FallocateFlags, FlockOperation};
use rustix::io::{Errno, retry_on_intr};

use super::{Disk, DiskFile, Stat};

/// The machine's file system. Interrupted calls are tried again; other errors are passed on as they come, so that
/// no space is `StorageFull` (or `QuotaExceeded`).
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

/// Slices in one `pwritev`: Linux refuses more.
const SLICES_PER_WRITE_MAX: usize = 1024;
/// Zeros written at a time where the file system cannot reserve.
const ZEROS_BYTES: usize = 64 * 1024;

impl Disk for RealDisk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        Ok(Arc::new(RealFile { file }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Arc::new(RealFile { file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(path)? {
            names.push(PathBuf::from(entry?.file_name()));
        }
        names.sort_unstable();
        Ok(names)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let found = std::fs::metadata(path)?;
        Ok(Stat { is_dir: found.is_dir(), bytes: found.len() })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn bytes_free(&self, path: &Path) -> io::Result<u64> {
        let found = retry_on_intr(|| rustix::fs::statvfs(path))?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn lock_dir(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        // The file stays when the lock goes: removing it would let two processes lock two files of one name.
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path.join("lock"))?;
        retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive))?;
        Ok(Box::new(file))
    }
}

struct RealFile {
    file: File,
}

impl DiskFile for RealFile {
    fn write_all_at(&self, slices: &[&[u8]], mut offset: u64) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> =
            slices.iter().filter(|slice| !slice.is_empty()).map(|slice| IoSlice::new(slice)).collect();
        let mut rest = slices.as_mut_slice();
        while !rest.is_empty() {
            let some = &rest[..rest.len().min(SLICES_PER_WRITE_MAX)];
            let written = retry_on_intr(|| rustix::io::pwritev(&self.file, some, offset))?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            offset += written as u64;
            IoSlice::advance_slices(&mut rest, written);
        }
        Ok(())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn read_exact_of(&self, count: usize, offset: u64) -> io::Result<Vec<u8>> {
        // Not zeroed first: for large reads that took as long as half of the reading.
        let mut buffer = Vec::with_capacity(count);
        while buffer.len() < count {
            let at = offset + buffer.len() as u64;
            // What it was given is as much as was asked for, or more, which only the end of the file keeps out.
            if retry_on_intr(|| rustix::io::pread(&self.file, spare_capacity(&mut buffer), at))? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        buffer.truncate(count);
        Ok(buffer)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        match retry_on_intr(|| rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, bytes)) {
            // Some network and overlay file systems cannot reserve: there, what is written is what is reserved.
            Err(Errno::OPNOTSUPP) => self.write_zeros_up_to(bytes),
            done => Ok(done?),
        }
    }

    fn sync(&self) -> io::Result<()> {
        // fdatasync: content, and of the metadata what is needed to read it back, which includes the length.
        self.file.sync_data()
    }
}

impl RealFile {
    fn write_zeros_up_to(&self, bytes: u64) -> io::Result<()> {
        let zeros = vec![0; ZEROS_BYTES];
        let mut at = self.len()?;
        while at < bytes {
            let count = (bytes - at).min(ZEROS_BYTES as u64);
            self.file.write_all_at(&zeros[..count as usize], at)?;
            at += count;
        }
        Ok(())
    }
}
