//! Memory from the system, each allocation written down: the server that `tidelog-bench --profile` builds for itself.

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Where they are written: a name that is no setting's.
const FILE_VARIABLE: &str = "ALLOCATION_PROFILE";
/// Deep enough for a request below a runtime below a thread.
const FRAMES: usize = 48;

/// Writes them down until it is dropped, and then all of them to the file that `ALLOCATION_PROFILE` names, in the format of DHAT.
pub fn begin() -> dhat::Profiler {
    let file = std::env::var_os(FILE_VARIABLE).unwrap_or_else(|| "allocations.json".into());
    dhat::Profiler::builder().file_name(file).trim_backtraces(Some(FRAMES)).build()
}
