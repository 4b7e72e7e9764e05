//! Damage: found when the log is opened, named, and left as it is.

use std::path::{Path, PathBuf};

use tidelog_host::{Disk, ForgetfulDisk};

use super::power_loss_test::{DIR, append, entry, new_log, open};
use super::record::{RECORDS_START, record_bytes};
use crate::OpenError;

async fn log_of_ten() -> ForgetfulDisk {
    let disk = new_log(1);
    let log = open(&disk).unwrap();
    for index in 0..10 {
        append(&log, vec![entry(1, index, 100)]).await.unwrap();
    }
    log.close();
    disk
}

fn first_segment() -> PathBuf {
    super::segment_path(Path::new(DIR), 1)
}

fn content(disk: &ForgetfulDisk) -> Vec<u8> {
    let file = disk.open(&first_segment()).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// Where the log ends.
fn end(bytes: &[u8]) -> u64 {
    let mut at = RECORDS_START as usize;
    while let Some(record) = super::record::read_record(1, &bytes[at..]) {
        at += record_bytes(record.body_bytes);
    }
    at as u64
}

#[tokio::test]
async fn a_flipped_bit_anywhere_in_the_records_is_refused_and_left() {
    let whole = log_of_ten().await;
    let (start, end) = (RECORDS_START, end(&content(&whole)));
    assert!(end > start + 1_000, "ten records of a hundred bytes");
    // Every byte; padding behind a record is under no checksum and carries nothing.
    let mut refused = 0;
    for position in start..end {
        whole.flip_bit(&first_segment(), position, (position % 8) as u8);
        let before = content(&whole);
        match open(&whole) {
            Err(error @ OpenError::Damaged { .. }) => {
                refused += 1;
                assert!(error.to_string().contains("0000000000000001.log"), "{error}");
                assert_eq!(content(&whole), before, "nothing is cleaned up");
            }
            Err(other) => panic!("{position}: {other}"),
            Ok(log) => {
                log.close();
                assert_eq!(log.read(0..10, usize::MAX).unwrap().len(), 10, "{position} is padding");
            }
        }
        whole.flip_bit(&first_segment(), position, (position % 8) as u8);
    }
    assert!(refused >= (end - start) * 9 / 10, "{refused} of {}", end - start);
    open(&whole).unwrap().close();
}

#[tokio::test]
async fn without_the_mark_a_flipped_bit_before_the_last_record_is_refused() {
    let disk = log_of_ten().await;
    disk.remove(&Path::new(DIR).join("mark")).unwrap();
    disk.flip_bit(&first_segment(), RECORDS_START + 40, 3);
    let Err(error) = open(&disk) else { panic!("damage was accepted") };
    assert!(error.to_string().contains("damaged at byte 4096: record 1 is not what was written"), "{error}");
}

#[tokio::test]
async fn a_torn_tail_is_erased() {
    let disk = log_of_ten().await;
    let end = end(&content(&disk));
    let file = disk.open(&first_segment()).unwrap();
    file.write_all_at(&[&[1, 2, 3, 4, 200, 0, 0, 0, 1, 1]], end).unwrap();
    file.sync().unwrap();
    let log = open(&disk).unwrap();
    assert_eq!(log.facts().last.unwrap().index, 9);
    append(&log, vec![entry(1, 10, 5)]).await.unwrap();
    log.close();
    let log = open(&disk).unwrap();
    assert_eq!(log.read(0..11, usize::MAX).unwrap().len(), 11);
    log.close();
}

#[tokio::test]
async fn a_damaged_header_and_a_missing_segment_are_refused() {
    let disk = log_of_ten().await;
    disk.flip_bit(&first_segment(), 20, 0);
    let Err(error) = open(&disk) else { panic!("damage was accepted") };
    assert!(error.to_string().contains("checksum"), "{error}");
    disk.flip_bit(&first_segment(), 20, 0);

    let log = open(&disk).unwrap();
    for index in 10..60 {
        append(&log, vec![entry(1, index, 400)]).await.unwrap();
    }
    log.close();
    disk.remove(&super::segment_path(Path::new(DIR), 2)).unwrap();
    let Err(error) = open(&disk) else { panic!("damage was accepted") };
    assert!(error.to_string().contains("missing"), "{error}");
}

#[tokio::test]
async fn a_log_of_another_cluster_is_refused() {
    let disk = log_of_ten().await;
    let opened = super::RaftLog::open(
        std::sync::Arc::new(disk),
        Path::new(DIR),
        [9; 16],
        1,
        super::power_loss_test::OPTIONS,
        tidelog_host::Clock::real(),
    );
    assert!(matches!(opened.err(), Some(OpenError::OtherCluster { .. })));
}

#[tokio::test]
async fn a_full_disk_refuses_data_first_and_recovers_without_a_restart() {
    let disk = new_log(1);
    let log = open(&disk).unwrap();
    log.look_at_disk();
    log.accepting().unwrap();
    disk.fill(0);
    // The active segment and the reserve still take what was proposed before; then the reserve cannot be replaced.
    let mut index = 0;
    while log.accepting().is_ok() {
        append(&log, vec![entry(1, index, 300)]).await.unwrap();
        index += 1;
        assert!(index < 40, "data is refused before two segments are full");
        log.look_at_disk();
    }
    let refusal = log.accepting().unwrap_err();
    assert!(refusal.contains("disk full"), "{refusal}");
    // Housekeeping goes on.
    log.save_vote(crate::types::Vote::new(2, 1)).await.unwrap();
    disk.heal();
    log.look_at_disk();
    log.accepting().unwrap();
    append(&log, vec![entry(2, index, 300)]).await.unwrap();
    log.close();
    let log = open(&disk).unwrap();
    assert_eq!(log.facts().last.unwrap().index, index);
    log.close();
}
