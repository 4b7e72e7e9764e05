//! Samples of the processor, by Linux's `perf`.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use inferno::collapse::Collapse;
use inferno::collapse::perf::{Folder, Options};

use super::flame::Stacks;

/// Samples a second, not in step with what happens a hundred times a second.
const FREQUENCY: &str = "397";
/// What of the stack is kept of a sample: deep enough for a request below a runtime below a thread.
const CALL_GRAPH: &str = "dwarf,16384";

/// A server that is sampled from its start to its end.
pub struct Recording {
    /// Takes the server's arguments.
    pub program: PathBuf,
    samples: PathBuf,
}

impl Recording {
    pub fn of(binary: &Path, folder: &Path) -> anyhow::Result<Recording> {
        let try_it = Command::new("perf").args(["record", "-e", "cpu-clock", "-o", "/dev/null", "--", "true"]).output();
        let tried =
            try_it.context("perf is not there: install it (Debian: linux-perf; Ubuntu: linux-tools-generic)")?;
        ensure!(
            tried.status.success(),
            "perf may not look at processes: run as root, or `sysctl kernel.perf_event_paranoid=1` ({})",
            String::from_utf8_lossy(&tried.stderr).trim()
        );
        let (samples, binary) = (folder.join("perf.data"), binary.canonicalize()?);
        let line = format!(
            "perf record -e cpu-clock -F {FREQUENCY} --call-graph {CALL_GRAPH} -o {} -- {} \"$@\"",
            quoted(&samples),
            quoted(&binary)
        );
        Ok(Recording { program: script(folder, "perf-record", &line)?, samples })
    }

    pub fn stacks(&self) -> anyhow::Result<Stacks> {
        // Which function was inlined into which is left out: to find it takes minutes.
        let mut script = Command::new("perf");
        script.args(["script", "--no-inline", "-i"]).arg(&self.samples).stderr(Stdio::null());
        let output = script.output().context("perf script")?;
        ensure!(output.status.success(), "perf script ended with {}", output.status);
        stacks_of_script(&output.stdout)
    }
}

fn stacks_of_script(script: &[u8]) -> anyhow::Result<Stacks> {
    let mut folded = Vec::new();
    Folder::from(Options::default())
        .collapse(script, &mut folded)
        .context("what perf script says is not understood")?;
    Stacks::parse(&String::from_utf8_lossy(&folded))
}

/// A program of one line, which becomes the process that it starts: signals reach it.
pub fn script(folder: &Path, name: &str, line: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join(name);
    let _ = std::fs::remove_file(&path);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o755).open(&path)?;
    writeln!(file, "#!/bin/sh\nexec {line}")?;
    file.set_permissions(std::fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

/// As a shell takes it for one word.
pub fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_with_the_same_stack_are_one_and_begin_at_the_outermost() {
        let script = "\
tidelog  5370 30108.041364:    5025125 cpu-clock: 
\t           fde9d __GI___writev+0x4d (/usr/lib/x86_64-linux-gnu/libc.so.6)
\t         1de2e60 tidelog_ingest::lane::seal+0x20 (/target/release/tidelog)

tidelog  5371 30108.041365:    5025125 cpu-clock: 
\t           fde9d __GI___writev+0x4d (/usr/lib/x86_64-linux-gnu/libc.so.6)
\t         1de2e60 tidelog_ingest::lane::seal+0x24 (/target/release/tidelog)

raft  5372 30108.041366:    5025125 cpu-clock: 
\tffffffff81ffa224 ip_skb_dst_mtu+0x114 ([kernel.kallsyms])

";
        let stacks = stacks_of_script(script.as_bytes()).unwrap();
        // Nanoseconds: what a sample stands for.
        assert_eq!(
            stacks.lines(),
            ["raft;ip_skb_dst_mtu 5025125", "tidelog;tidelog_ingest::lane::seal;__GI___writev 10050250"]
        );
    }

    #[test]
    fn a_path_is_one_word_of_a_shell() {
        assert_eq!(quoted(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
