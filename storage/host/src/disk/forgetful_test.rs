//! The disk forgets each kind of thing that was not synced, and nothing that was.

use std::io::ErrorKind;
use std::path::Path;

use super::{Disk, ForgetfulDisk, Operation};

/// A disk with a durable folder `/d`.
fn disk(seed: u64) -> ForgetfulDisk {
    let disk = ForgetfulDisk::new(seed);
    disk.create_dir_all(Path::new("/d")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

/// A durable file with durable content.
fn keep(disk: &ForgetfulDisk, path: &str, content: &[u8]) {
    let file = disk.create(Path::new(path)).unwrap();
    file.write_all_at(&[content], 0).unwrap();
    file.sync().unwrap();
    disk.sync_dir(Path::new(path).parent().unwrap()).unwrap();
}

fn read(disk: &ForgetfulDisk, path: &str) -> Option<Vec<u8>> {
    let file = match disk.open(Path::new(path)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => panic!("{error}"),
    };
    let mut content = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(&mut content, 0).unwrap();
    Some(content)
}

#[test]
fn what_is_synced_is_kept() {
    for torn in [false, true] {
        let disk = disk(7);
        keep(&disk, "/d/f", b"kept");
        if torn {
            disk.crash_torn()
        } else {
            disk.crash()
        }
        assert_eq!(read(&disk, "/d/f").unwrap(), b"kept");
    }
}

#[test]
fn unsynced_writes_are_forgotten() {
    let disk = disk(7);
    keep(&disk, "/d/f", &[1; 2000]);
    let file = disk.open(Path::new("/d/f")).unwrap();
    file.write_all_at(&[&[2; 3000]], 0).unwrap();
    disk.crash();
    assert_eq!(read(&disk, "/d/f").unwrap(), [1; 2000]);
}

#[test]
fn unsynced_lengths_and_reservations_are_forgotten() {
    let disk = disk(7);
    for (name, change) in [("/d/cut", 10), ("/d/grown", 3000), ("/d/reserved", 0)] {
        keep(&disk, name, &[1; 2000]);
        let file = disk.open(Path::new(name)).unwrap();
        if change > 0 { file.set_len(change).unwrap() } else { file.allocate(1 << 20).unwrap() }
    }
    disk.crash();
    for name in ["/d/cut", "/d/grown", "/d/reserved"] {
        assert_eq!(read(&disk, name).unwrap(), [1; 2000], "{name}");
    }
}

#[test]
fn a_cut_and_grown_file_is_zeros_after_sync() {
    let disk = disk(7);
    keep(&disk, "/d/f", &[1; 2000]);
    let file = disk.open(Path::new("/d/f")).unwrap();
    file.set_len(100).unwrap();
    file.set_len(2000).unwrap();
    file.sync().unwrap();
    disk.crash();
    let found = read(&disk, "/d/f").unwrap();
    assert!(found[..100] == [1; 100] && found[100..] == [0; 1900]);
}

#[test]
fn an_unsynced_create_is_forgotten_with_its_synced_content() {
    let disk = disk(7);
    let file = disk.create(Path::new("/d/f")).unwrap();
    file.write_all_at(&[b"synced"], 0).unwrap();
    file.sync().unwrap();
    disk.crash();
    assert_eq!(read(&disk, "/d/f"), None);
}

#[test]
fn a_synced_name_without_content_is_an_empty_file() {
    let disk = disk(7);
    let file = disk.create(Path::new("/d/f")).unwrap();
    file.write_all_at(&[b"not synced"], 0).unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    disk.crash();
    assert_eq!(read(&disk, "/d/f").unwrap(), b"");
}

#[test]
fn an_unsynced_rename_is_forgotten() {
    let disk = disk(7);
    keep(&disk, "/d/old", b"old");
    keep(&disk, "/d/new", b"new");
    disk.rename(Path::new("/d/new"), Path::new("/d/old")).unwrap();
    assert_eq!(read(&disk, "/d/old").unwrap(), b"new");
    disk.crash();
    assert_eq!(read(&disk, "/d/old").unwrap(), b"old");
    assert_eq!(read(&disk, "/d/new").unwrap(), b"new");
}

#[test]
fn an_unsynced_rename_may_also_have_happened() {
    let (mut kept, mut forgotten) = (0, 0);
    for seed in 0..50 {
        let disk = disk(seed);
        keep(&disk, "/d/a", b"a");
        disk.rename(Path::new("/d/a"), Path::new("/d/b")).unwrap();
        disk.crash_torn();
        match (read(&disk, "/d/a"), read(&disk, "/d/b")) {
            (Some(_), None) => forgotten += 1,
            (None, Some(_)) => kept += 1,
            other => panic!("a rename within a folder is one change, seed {seed}: {other:?}"),
        }
    }
    assert!(kept > 0 && forgotten > 0, "kept {kept}, forgotten {forgotten}");
}

#[test]
fn a_rename_between_folders_needs_both_synced() {
    let disk = disk(7);
    disk.create_dir_all(Path::new("/d/sub")).unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    keep(&disk, "/d/a", b"a");
    disk.rename(Path::new("/d/a"), Path::new("/d/sub/a")).unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    disk.crash();
    assert_eq!((read(&disk, "/d/a"), read(&disk, "/d/sub/a")), (None, None));
}

#[test]
fn an_unsynced_remove_is_forgotten() {
    let disk = disk(7);
    keep(&disk, "/d/f", b"back again");
    disk.remove(Path::new("/d/f")).unwrap();
    disk.crash();
    assert_eq!(read(&disk, "/d/f").unwrap(), b"back again");
}

#[test]
fn an_unsynced_folder_is_forgotten_with_all_in_it() {
    let disk = disk(7);
    disk.create_dir_all(Path::new("/d/sub")).unwrap();
    keep(&disk, "/d/sub/f", b"synced, but where?");
    disk.crash();
    assert!(!disk.exists(Path::new("/d/sub")).unwrap());
}

#[test]
fn a_torn_crash_keeps_whole_sectors_of_old_and_new() {
    let (mut mixed, mut old, mut new) = (0, 0, 0);
    for seed in 0..100 {
        let disk = disk(seed);
        keep(&disk, "/d/f", &[1; 512 * 8]);
        disk.open(Path::new("/d/f")).unwrap().write_all_at(&[&[2; 512 * 8]], 0).unwrap();
        disk.crash_torn();
        let found = read(&disk, "/d/f").unwrap();
        for sector in found.chunks(512) {
            assert!(sector.iter().all(|byte| *byte == sector[0]), "a sector is torn, seed {seed}");
        }
        match (found.contains(&1), found.contains(&2)) {
            (true, true) => mixed += 1,
            (true, false) => old += 1,
            _ => new += 1,
        }
    }
    assert!(mixed > 0 && old > 0 && new > 0, "mixed {mixed}, old {old}, new {new}");
}

#[test]
fn the_same_seed_tears_the_same() {
    let run = |seed| {
        let disk = disk(seed);
        disk.create(Path::new("/d/f")).unwrap().write_all_at(&[&[3; 9999]], 0).unwrap();
        disk.crash_torn();
        read(&disk, "/d/f")
    };
    assert!((0..20).all(|seed| run(seed) == run(seed)));
    assert!((0..20).any(|seed| run(seed) != run(seed + 1)));
}

#[test]
fn handles_from_before_a_crash_are_dead() {
    let disk = disk(7);
    let file = disk.create(Path::new("/d/f")).unwrap();
    disk.crash();
    assert!(file.sync().is_err());
    assert!(file.write_all_at(&[b"x"], 0).is_err());
    assert!(file.len().is_err());
}

#[test]
fn a_skipped_sync_says_ok_and_does_nothing() {
    let disk = disk(7);
    disk.skip_sync(1);
    keep(&disk, "/d/f", b"content");
    disk.crash();
    assert_eq!(read(&disk, "/d/f"), None, "the second sync was the folder's");

    disk.skip_syncs_where(|call| call.operation == Operation::Sync && call.path.ends_with("g"));
    keep(&disk, "/d/g", b"content");
    keep(&disk, "/d/h", b"content");
    disk.crash();
    assert_eq!(read(&disk, "/d/g").unwrap(), b"");
    assert_eq!(read(&disk, "/d/h").unwrap(), b"content");
}

#[test]
fn what_a_failed_sync_lost_stays_lost() {
    let disk = disk(7);
    keep(&disk, "/d/f", &[1; 10]);
    let file = disk.open(Path::new("/d/f")).unwrap();
    file.write_all_at(&[&[2; 10]], 0).unwrap();
    disk.fail_where(ErrorKind::Other, |call| call.operation == Operation::Sync);
    assert!(file.sync().is_err());
    disk.heal();
    file.sync().unwrap();
    disk.crash();
    assert_eq!(read(&disk, "/d/f").unwrap(), [1; 10]);
}

#[test]
fn a_stopped_disk_answers_errors_until_healed() {
    let disk = disk(7);
    disk.stop_after(1);
    disk.create(Path::new("/d/f")).unwrap();
    assert!(disk.create(Path::new("/d/g")).is_err());
    assert!(disk.exists(Path::new("/d/f")).is_err());
    disk.heal();
    assert!(disk.exists(Path::new("/d/f")).unwrap());
    assert!(!disk.exists(Path::new("/d/g")).unwrap());
}

#[test]
fn a_full_disk_takes_writes_where_blocks_are_reserved() {
    let disk = disk(7);
    let file = disk.create(Path::new("/d/f")).unwrap();
    file.allocate(8192).unwrap();
    disk.fill(4096);
    assert_eq!(disk.bytes_free(Path::new("/d")).unwrap(), 4096);
    file.write_all_at(&[&[1; 8192]], 0).unwrap();
    assert_eq!(file.write_all_at(&[&[1; 8193]], 8192).err().unwrap().kind(), ErrorKind::StorageFull);
    assert_eq!(file.allocate(1 << 20).err().unwrap().kind(), ErrorKind::StorageFull);
    assert_eq!(file.len().unwrap(), 8192 + 4096, "what fits was written");
    assert_eq!(disk.bytes_free(Path::new("/d")).unwrap(), 0);

    disk.remove(Path::new("/d/f")).unwrap();
    assert_eq!(disk.bytes_free(Path::new("/d")).unwrap(), 3 * 4096);
}

#[test]
fn a_flipped_bit_is_read_now_and_after_a_crash() {
    let disk = disk(7);
    keep(&disk, "/d/f", &[0; 4]);
    disk.flip_bit(Path::new("/d/f"), 2, 3);
    assert_eq!(read(&disk, "/d/f").unwrap(), [0, 0, 8, 0]);
    disk.crash();
    assert_eq!(read(&disk, "/d/f").unwrap(), [0, 0, 8, 0]);
}
