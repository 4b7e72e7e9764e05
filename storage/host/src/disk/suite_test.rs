//! The behaviour that every disk has, whatever it does when the power fails.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{Disk, ForgetfulDisk, RealDisk, create_dir_all_durable};

#[test]
fn real_disk_behaves() {
    let folder = tempfile::tempdir().unwrap();
    behaves(&RealDisk, folder.path());
}

#[test]
fn forgetful_disk_behaves() {
    let disk = ForgetfulDisk::new(1);
    disk.create_dir_all(Path::new("/root")).unwrap();
    behaves(&disk, Path::new("/root"));
}

fn behaves(disk: &dyn Disk, root: &Path) {
    names_come_and_go(disk, &root.join("names"));
    missing_things_are_errors(disk, &root.join("missing"));
    content_is_what_was_written(disk, &root.join("content"));
    lengths_change(disk, &root.join("lengths"));
    open_files_outlive_their_names(disk, &root.join("unlinked"));
    assert!(disk.bytes_free(root).unwrap() > 0);
}

fn names_come_and_go(disk: &dyn Disk, root: &Path) {
    create_dir_all_durable(disk, &root.join("a/b")).unwrap();
    create_dir_all_durable(disk, &root.join("a/b")).unwrap();
    for name in ["z", "m", "c"] {
        disk.create(&root.join("a").join(name)).unwrap();
    }
    let names = |folder: &str| disk.list(&root.join(folder)).unwrap();
    assert_eq!(names("a"), ["b", "c", "m", "z"].map(PathBuf::from));
    assert_eq!(disk.create(&root.join("a/z")).err().unwrap().kind(), ErrorKind::AlreadyExists);

    disk.rename(&root.join("a/z"), &root.join("a/c")).unwrap();
    disk.rename(&root.join("a/m"), &root.join("a/b/m")).unwrap();
    assert_eq!(names("a"), ["b", "c"].map(PathBuf::from));
    assert_eq!(names("a/b"), ["m"].map(PathBuf::from));
    disk.sync_dir(&root.join("a")).unwrap();

    disk.remove(&root.join("a/c")).unwrap();
    assert!(!disk.exists(&root.join("a/c")).unwrap());
    assert!(disk.exists(&root.join("a/b/m")).unwrap());
    assert!(disk.stat(&root.join("a/b")).unwrap().is_dir);
    assert!(!disk.stat(&root.join("a/b/m")).unwrap().is_dir);
}

fn missing_things_are_errors(disk: &dyn Disk, root: &Path) {
    disk.create_dir_all(root).unwrap();
    let none = root.join("none");
    assert_eq!(disk.open(&none).err().unwrap().kind(), ErrorKind::NotFound);
    assert_eq!(disk.remove(&none).err().unwrap().kind(), ErrorKind::NotFound);
    assert_eq!(disk.rename(&none, &root.join("x")).err().unwrap().kind(), ErrorKind::NotFound);
    assert_eq!(disk.list(&none).err().unwrap().kind(), ErrorKind::NotFound);
    assert_eq!(disk.stat(&none).err().unwrap().kind(), ErrorKind::NotFound);
    assert_eq!(disk.sync_dir(&none).err().unwrap().kind(), ErrorKind::NotFound);
    assert_eq!(disk.create(&none.join("below")).err().unwrap().kind(), ErrorKind::NotFound);
    assert!(!disk.exists(&none.join("below")).unwrap());
    disk.create(&root.join("file")).unwrap();
    assert!(!disk.exists(&root.join("file/below")).unwrap());
    assert_eq!(disk.list(&root.join("file")).err().unwrap().kind(), ErrorKind::NotADirectory);
    assert_eq!(disk.open(root).err().unwrap().kind(), ErrorKind::IsADirectory);
}

fn content_is_what_was_written(disk: &dyn Disk, root: &Path) {
    disk.create_dir_all(root).unwrap();
    let file = disk.create(&root.join("f")).unwrap();
    assert!(file.is_empty().unwrap());
    // More slices than one system call takes, of odd lengths, some of them empty.
    let slices: Vec<Vec<u8>> = (0..3000_usize).map(|n| vec![n as u8; n % 7]).collect();
    let slices: Vec<&[u8]> = slices.iter().map(Vec::as_slice).collect();
    let all = slices.concat();
    file.write_all_at(&slices, 5).unwrap();
    file.write_all_at(&[], 5).unwrap();
    file.sync().unwrap();

    let file = disk.open(&root.join("f")).unwrap();
    assert_eq!(file.len().unwrap(), 5 + all.len() as u64);
    let mut read = vec![0; all.len()];
    file.read_exact_at(&mut read, 5).unwrap();
    assert!(read == all);
    file.read_exact_at(&mut read[..5], 0).unwrap();
    assert_eq!(read[..5], [0; 5]);
    assert_eq!(file.read_exact_at(&mut read, 6).err().unwrap().kind(), ErrorKind::UnexpectedEof);
    assert!(file.read_exact_of(all.len(), 5).unwrap() == all);
    assert_eq!(file.read_exact_of(2, 6).unwrap(), all[1..3]);
    assert_eq!(file.read_exact_of(all.len(), 6).err().unwrap().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(file.read_exact_at(&mut read[..1], 1 << 40).err().unwrap().kind(), ErrorKind::UnexpectedEof);
}

fn lengths_change(disk: &dyn Disk, root: &Path) {
    disk.create_dir_all(root).unwrap();
    let file = disk.create(&root.join("f")).unwrap();
    file.write_all_at(&[&[7; 1000]], 0).unwrap();
    file.sync().unwrap();
    file.set_len(10).unwrap();
    file.set_len(600).unwrap();
    file.allocate(300).unwrap();
    assert_eq!(file.len().unwrap(), 600);
    file.allocate(5000).unwrap();
    file.sync().unwrap();
    assert_eq!(disk.stat(&root.join("f")).unwrap().bytes, 5000);
    let mut read = vec![1; 5000];
    file.read_exact_at(&mut read, 0).unwrap();
    assert!(read[..10] == [7; 10] && read[10..].iter().all(|byte| *byte == 0));
}

fn open_files_outlive_their_names(disk: &dyn Disk, root: &Path) {
    disk.create_dir_all(root).unwrap();
    let file = disk.create(&root.join("f")).unwrap();
    file.write_all_at(&[b"still here"], 0).unwrap();
    disk.remove(&root.join("f")).unwrap();
    let mut read = [0; 10];
    file.read_exact_at(&mut read, 0).unwrap();
    assert_eq!(&read, b"still here");
}
