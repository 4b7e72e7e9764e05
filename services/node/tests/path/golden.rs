//! A data folder of version 1, kept with the code: whatever changes, it opens, and every record is where it was.
//!
//! `TIDELOG_WRITE_GOLDEN=1 cargo test --release -p tidelog-node --test path golden` writes it anew. That is for a folder of
//! a new version beside this one; the folders that exist are never written again.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};
use tidelog_catalog_api::{Catalog, Command, GroupOffset, Outcome};
use tidelog_host::{Disk, Random, RealDisk};
use tidelog_model::{Offset, PartitionId};

use crate::batches::batch;
use crate::stack::{Stack, TENANT, TOPIC, open_catalog};

const SEGMENT_BYTES: u64 = 16 << 10;
/// Larger flushes become objects.
const INLINE_BYTES_MAX: usize = 700;
const PRODUCER: i64 = 7;
const GROUP: &str = "readers";

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1")
}

fn disk() -> Arc<dyn Disk> {
    Arc::new(RealDisk)
}

/// Some bytes that do not compress away, the same for the same number.
fn value(number: u64, bytes: usize) -> Vec<u8> {
    let random = Random::seeded(number);
    (0..bytes).map(|_| random.next() as u8).collect()
}

/// The last batch of the idempotent producer.
fn last_idempotent_batch() -> Bytes {
    batch(Some((PRODUCER, 0, 8)), 1_000, &[value(108, 100), value(109, 100)])
}

async fn commit_offset(stack: &Stack, offset: u64) {
    let offset = GroupOffset {
        partition: PartitionId { topic: TOPIC, index: 0 },
        offset: Offset(offset),
        leader_epoch: -1,
        metadata: "golden".to_owned(),
    };
    let command = Command::CommitOffsets { tenant: TENANT, group: GROUP.to_owned(), offsets: vec![offset] };
    let outcome = stack.catalog.propose(command).await.unwrap();
    assert!(matches!(outcome, Outcome::OffsetsCommitted(results) if results[0].is_ok()));
}

/// Inline flushes and objects, on both sides of a snapshot.
async fn write_half(stack: &Stack, half: u64) {
    for number in half * 20..half * 20 + 10 {
        let values = [value(number, 50), value(number + 500, 60)];
        stack.append(0, &batch(None, number as i64 * 10, &values)).await.unwrap();
        if number % 3 == 0 {
            stack.append(1, &batch(None, number as i64 * 10, &[value(number + 900, 3_000)])).await.unwrap();
        }
    }
    commit_offset(stack, 3 + half).await;
}

/// Folder `from` with all that is below it, but for the lock.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_name() != "lock" {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What the folder holds, as text: the state's hash, then each record's partition, offset, length and checksum.
async fn describe(dir: &Path) -> (String, Stack) {
    let catalog = open_catalog(&disk(), dir, SEGMENT_BYTES).await;
    catalog.validate().unwrap();
    let mut text = format!("state {:016x} at {}\n", catalog.state_hash(), catalog.applied().0);
    let stack = Stack::on(catalog, disk(), dir, INLINE_BYTES_MAX).await;
    for index in 0..2 {
        for (offset, value) in stack.read_all(index).await {
            let crc = checksum(CrcAlgorithm::Crc32Iscsi, &value);
            writeln!(text, "{index} {offset} {} {crc:08x}", value.len()).unwrap();
        }
    }
    (text, stack)
}

async fn write() {
    let dir = golden();
    assert!(!dir.exists(), "a golden folder is never written again: {}", dir.display());
    let temporary = tempfile::tempdir().unwrap();
    let stack = Stack::start(disk(), temporary.path(), SEGMENT_BYTES, INLINE_BYTES_MAX).await;
    stack.create_topic().await;
    for sequence in [0, 2, 4, 6] {
        let values = [value(100 + sequence, 100), value(101 + sequence, 100)];
        stack.append(1, &batch(Some((PRODUCER, 0, sequence as i32)), 1_000, &values)).await.unwrap();
    }
    write_half(&stack, 0).await;
    stack.catalog.snapshot_now().await.unwrap();
    write_half(&stack, 1).await;
    stack.append(1, &last_idempotent_batch()).await.unwrap();
    stack.stop().await;
    copy(temporary.path(), &dir);
    let read = tempfile::tempdir().unwrap();
    copy(&dir, read.path());
    let (text, stack) = describe(read.path()).await;
    stack.stop().await;
    std::fs::write(dir.join("expected.txt"), text).unwrap();
}

#[tokio::test]
async fn a_golden_folder_of_version_1_reads_as_it_was_written() {
    if std::env::var_os("TIDELOG_WRITE_GOLDEN").is_some() {
        write().await;
    }
    let dir = tempfile::tempdir().unwrap();
    copy(&golden(), dir.path());
    let expected = std::fs::read_to_string(dir.path().join("expected.txt")).unwrap();
    let (found, stack) = describe(dir.path()).await;
    assert_eq!(found, expected);
    let (inline, objects) = (stack.catalog.inline_bytes(), stack.catalog.object_count());
    assert!(inline > 0 && objects > 4, "{inline} inline bytes, {objects} objects");

    let offsets = stack.catalog.group_offsets(TENANT, GROUP, None);
    assert_eq!(offsets.iter().map(|offset| (offset.offset.0, &*offset.metadata)).collect::<Vec<_>>(), [(4, "golden")]);
    // The idempotent producer's state is there: its last batch is known, and the next is taken.
    let records = stack.read_all(1).await.len() as u64;
    let again = stack.append(1, &last_idempotent_batch()).await.unwrap();
    assert_eq!(again.base_offset, Offset(records - 2), "a duplicate gets its first offset");
    let next = batch(Some((PRODUCER, 0, 10)), 1_000, &[value(110, 100)]);
    assert_eq!(stack.append(1, &next).await.unwrap().base_offset, Offset(records));
    stack.stop().await;
}
