//! The reserve: one zero-filled segment, made ahead of need, and an eye on the disk's free space.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tidelog_host::Disk;

use super::LogOptions;

/// How often the free space is looked at. Objects may fill the same disk at some hundred MB/s, and data is to be refused
/// before they have eaten the margin.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How often a reserve that could not be made is tried again: it may be written halfway each time.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
static ZEROS: [u8; 256 * 1024] = [0; 256 * 1024];

/// Keeps the reserve.
pub(super) struct Reserve {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    segment_bytes: u64,
    free_bytes_min: u64,
    state: Mutex<State>,
    changed: Condvar,
    /// Held by whoever looks.
    looking: Mutex<()>,
}

#[derive(Default)]
struct State {
    ready: bool,
    stopping: bool,
    refusal: Option<String>,
    /// The disk said something else than that it is full: waiting will not help.
    broken: Option<String>,
}

/// Where the reserve lies until it is needed.
pub(super) fn spare_path(dir: &Path) -> PathBuf {
    dir.join("spare")
}

/// Makes the reserve, durably: zeros that are written, not merely promised by the file system, so that writing records
/// there later allocates nothing and changes no metadata.
pub(super) fn make_spare(disk: &dyn Disk, dir: &Path, bytes: u64) -> io::Result<()> {
    let unfinished = dir.join("spare.tmp");
    if disk.exists(&unfinished)? {
        disk.remove(&unfinished)?;
    }
    let file = disk.create(&unfinished)?;
    let filled = fill(file.as_ref(), bytes);
    if filled.is_err() {
        // On a full disk a half-made reserve would only make it fuller.
        disk.remove(&unfinished)?;
        return filled;
    }
    disk.rename(&unfinished, &spare_path(dir))?;
    disk.sync_dir(dir)
}

fn fill(file: &dyn tidelog_host::DiskFile, bytes: u64) -> io::Result<()> {
    file.allocate(bytes)?;
    let mut at = 0;
    while at < bytes {
        let count = (bytes - at).min(ZEROS.len() as u64);
        file.write_all_at(&[&ZEROS[..count as usize]], at)?;
        at += count;
    }
    file.sync()
}

impl Reserve {
    pub(super) fn new(disk: Arc<dyn Disk>, dir: PathBuf, options: &LogOptions) -> Reserve {
        Reserve {
            disk,
            dir,
            segment_bytes: options.segment_bytes,
            free_bytes_min: options.disk_free_bytes_min,
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
            looking: Mutex::new(()),
        }
    }

    /// The thread that makes a reserve whenever there is none.
    pub(super) fn run(&self) {
        loop {
            self.look();
            let mut state = self.state.lock();
            if !state.stopping && (state.ready || state.refusal.is_some()) {
                let interval = if state.ready { LOOK_INTERVAL } else { RETRY_INTERVAL };
                self.changed.wait_for(&mut state, interval);
            }
            if state.stopping {
                return;
            }
        }
    }

    /// Looks at the free space, and makes the reserve if there is none.
    pub(super) fn look(&self) {
        let _looking = self.looking.lock();
        let mut refusal = None;
        let ready = self.state.lock().ready;
        let made = if ready { Ok(()) } else { self.find_or_make() };
        if let Err(error) = &made {
            refusal =
                Some(format!("disk full? the raft log's reserve cannot be made in {}: {error}", self.dir.display()));
        } else {
            match self.disk.bytes_free(&self.dir) {
                Ok(free) if free < self.free_bytes_min => {
                    let (dir, min) = (self.dir.display(), self.free_bytes_min);
                    refusal = Some(format!("disk full: {free} bytes are free in {dir}, {min} are needed"));
                }
                Ok(_) => {}
                Err(error) => refusal = Some(format!("free space of {} is unknown: {error}", self.dir.display())),
            }
        }
        let mut state = self.state.lock();
        // If there was one before, it may have been taken meanwhile.
        if !ready {
            state.ready = made.is_ok();
        }
        let full = |kind| matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        state.broken = made.as_ref().err().filter(|error| !full(error.kind())).map(ToString::to_string);
        match (&state.refusal, &refusal) {
            (None, Some(reason)) => tracing::warn!(reason, "raft log takes no more data"),
            (Some(_), None) => tracing::info!("raft log takes data again"),
            _ => {}
        }
        state.refusal = refusal;
        self.changed.notify_all();
    }

    fn find_or_make(&self) -> io::Result<()> {
        let spare = spare_path(&self.dir);
        if self.disk.exists(&spare)? {
            if self.disk.open(&spare)?.len()? == self.segment_bytes {
                return Ok(());
            }
            self.disk.remove(&spare)?;
        }
        make_spare(self.disk.as_ref(), &self.dir, self.segment_bytes)
    }

    pub(super) fn accepting(&self) -> Result<(), String> {
        self.state.lock().refusal.clone().map_or(Ok(()), Err)
    }

    /// Waits until the reserve is there and hands it over. Waits for ever on a full disk: data has been refused since the
    /// reserve was last taken, so only a flood of housekeeping gets here. An error when the log is being closed, or the disk
    /// fails otherwise.
    pub(super) fn take(&self) -> io::Result<PathBuf> {
        let mut state = self.state.lock();
        while !state.ready {
            if state.stopping {
                return Err(io::Error::new(io::ErrorKind::StorageFull, "the raft log was closed without a reserve"));
            }
            if let Some(broken) = &state.broken {
                return Err(io::Error::other(format!("the raft log's reserve cannot be made: {broken}")));
            }
            self.changed.notify_all();
            self.changed.wait_for(&mut state, RETRY_INTERVAL);
        }
        Ok(spare_path(&self.dir))
    }

    /// The reserve was taken.
    pub(super) fn taken(&self) {
        self.state.lock().ready = false;
        self.changed.notify_all();
    }

    pub(super) fn stop(&self) {
        self.state.lock().stopping = true;
        self.changed.notify_all();
    }
}
