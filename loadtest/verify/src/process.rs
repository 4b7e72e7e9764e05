//! Running one command with a time bound, its output going to a log file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How a command ended.
pub struct Ended {
    /// Exit code 0, within the bound.
    pub good: bool,
    /// What to say when it was not good.
    pub why: String,
    /// Everything it printed, both streams in the order they came.
    pub output: String,
}

/// Runs `command`, appends its output to `log`, and ends it with all its descendants after `bound`.
pub fn run(mut command: Command, log: &Path, bound: Duration) -> io::Result<Ended> {
    let mut file = OpenOptions::new().create(true).append(true).open(log)?;
    writeln!(file, "$ {}", shown(&command))?;
    let from = file.metadata()?.len();
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    let mut child =
        command.spawn().map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", shown(&command))))?;
    let deadline = Instant::now() + bound;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if Instant::now() >= deadline {
            end_with_descendants(child.id());
            child.wait()?;
            break None;
        }
        // Nobody tells us when a child ends, short of a signal handler that the standard library does not offer.
        thread::sleep(Duration::from_millis(50));
    };
    let why = match status {
        Some(status) => status.to_string(),
        None => format!("stopped after {} minutes", bound.as_secs() / 60),
    };
    Ok(Ended { good: status.is_some_and(|status| status.success()), why, output: read_from(log, from)? })
}

/// The last `lines` lines of `output`.
pub fn tail(output: &str, lines: usize) -> String {
    let all: Vec<&str> = output.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

fn read_from(log: &Path, from: u64) -> io::Result<String> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = File::open(log)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Kills `root` and everything below it. The children stay in our own process group, so that Ctrl-C reaches them; that is
/// why the tree is walked instead of killing a group.
fn end_with_descendants(root: u32) {
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(&parent) = tree.get(next) {
        tree.extend(children_of(parent));
        next += 1;
    }
    let _ = Command::new("kill").arg("-9").args(tree.iter().map(u32::to_string)).stderr(Stdio::null()).status();
}

/// The processes whose parent is `parent`; none where there is no `/proc`.
fn children_of(parent: u32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // "pid (name) state ppid …", and the name may hold anything, closing brackets too.
        let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        after_name.split_whitespace().nth(1) == Some(parent.to_string().as_str())
    })
    .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn log_file(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("tidelog-verify-{}-{name}.log", std::process::id()));
        let _ = std::fs::remove_file(&path);
        path
    }

    fn alive(pid: &str) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[test]
    fn output_and_exit_code_are_kept() {
        let log = log_file("kept");
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; exit 3"]);
        let ended = run(command, &log, Duration::from_secs(20)).unwrap();
        assert!(!ended.good);
        assert_eq!(ended.output, "one\ntwo\n");
        assert!(std::fs::read_to_string(&log).unwrap().starts_with("$ sh -c"));
        std::fs::remove_file(log).unwrap();
    }

    #[test]
    fn a_command_that_hangs_is_ended_with_its_children() {
        let log = log_file("hang");
        let mut command = Command::new("sh");
        command.args(["-c", "sh -c 'echo $$; exec sleep 600' & wait"]);
        let ended = run(command, &log, Duration::from_millis(300)).unwrap();
        assert!(!ended.good);
        assert!(ended.why.contains("stopped after"));
        let grandchild = ended.output.trim();
        // It is not our child, so nothing tells us when the kernel has finished with it.
        let deadline = Instant::now() + Duration::from_secs(10);
        while alive(grandchild) {
            assert!(Instant::now() < deadline, "the grandchild {grandchild} lives");
            thread::yield_now();
        }
        std::fs::remove_file(log).unwrap();
    }

    #[test]
    fn the_tail_is_the_end() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a", 2), "a");
    }
}
