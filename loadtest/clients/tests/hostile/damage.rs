//! Bits that flip while nobody looks: the server says what is broken, serves what is not, and repairs nothing by deleting.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use tidelog_clients::Server;
use tidelog_clients::server::Options;

use crate::ONE_AT_A_TIME;
use crate::batch::{self, Batch};
use crate::calls::{Fetch, create_topic, next_offset, produce};
use crate::wire::Client;

pub const KAFKA_STORAGE_ERROR: i16 = 56;
const EXIT_FAILED: i32 = 1;

/// A stopped server with some records.
pub struct Stopped {
    pub server: Server,
    _alone: MutexGuard<'static, ()>,
}

pub fn value(topic: &str, index: i64, bytes: usize) -> Vec<u8> {
    let mut value = format!("{topic} {index} ").into_bytes();
    value.resize(bytes, b'.');
    value
}

/// Records too large to ride in the log: each becomes an object of its own.
const LARGE: usize = 600_000;
const LARGE_COUNT: i64 = 4;
const SMALL: usize = 40;
const SMALL_COUNT: i64 = 200;

impl Stopped {
    /// Small ones in "small", large ones in "left" and "right".
    fn with_records(options: Options) -> Stopped {
        let topics = [("left", LARGE_COUNT, LARGE), ("right", LARGE_COUNT, LARGE), ("small", SMALL_COUNT, SMALL)];
        Stopped::with(options, &topics)
    }

    /// Topics with so many records of so many bytes.
    pub fn with(options: Options, topics: &[(&str, i64, usize)]) -> Stopped {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let mut server = Server::start(options).expect("the server starts");
        let mut client = Client::connect(server.address());
        for &(topic, count, bytes) in topics {
            create_topic(&mut client, topic, 1, &[]);
            for index in 0..count {
                let batch = Batch::of(&[&value(topic, index, bytes)]).bytes();
                assert_eq!(produce(&mut client, topic, 0, &batch), (0, index));
            }
        }
        drop(client);
        assert!(server.stop().unwrap().success(), "{}", server.output());
        Stopped { server, _alone: alone }
    }

    pub fn data(&self) -> PathBuf {
        self.server.folder().join("data")
    }

    /// Files below a folder of the data, by size, the largest last.
    pub fn files(&self, below: &str) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = contents(&self.data().join(below)).into_keys().collect();
        files.sort_by_key(|path| path.metadata().unwrap().len());
        files
    }

    pub fn start(&mut self) {
        self.server.start_again(None).unwrap();
        self.server.wait_ready().unwrap();
    }

    /// It does not start, says which file it is, and leaves everything as it was.
    pub fn must_refuse(&mut self, damaged: &Path) {
        let before = contents(&self.data());
        self.server.start_again(None).unwrap();
        let status = self.server.wait_end(Duration::from_secs(30)).expect("it refuses to start");
        let output = self.server.output();
        assert_eq!(status.code(), Some(EXIT_FAILED), "{output}");
        let name = damaged.file_name().unwrap().to_str().unwrap();
        assert!(output.contains(name), "{name} is not named:\n{output}");
        assert!(!output.contains("panicked"), "{output}");
        let after = contents(&self.data());
        let differ = |(path, content): (&PathBuf, &Vec<u8>)| (after.get(path) != Some(content)).then(|| path.clone());
        let changed: Vec<PathBuf> = before.iter().filter_map(differ).collect();
        assert!(changed.is_empty(), "changed or gone: {changed:?}");
        println!("{}", output.lines().last().unwrap_or_default());
    }
}

/// Everything below a folder.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.clone(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

pub fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    std::fs::write(path, bytes).unwrap();
}

/// Reads a topic until its end or an error.
pub fn read(client: &mut Client, topic: &str, bytes: usize) -> Result<i64, i16> {
    let end = next_offset(client, topic, 0);
    let mut offset = 0;
    while offset < end {
        let fetched = Fetch::from(offset).ask(client, topic);
        if fetched.error != 0 {
            assert!(fetched.records.is_empty());
            return Err(fetched.error);
        }
        for (found, content) in batch::values(&fetched.records) {
            assert_eq!(found, offset);
            assert!(content == value(topic, offset, bytes), "wrong bytes at {topic}@{offset}");
            offset += 1;
        }
    }
    Ok(offset)
}

#[test]
fn a_flipped_bit_in_the_log_is_refused_wherever_it_is() {
    let mut stopped = Stopped::with_records(Options::default());
    // The one that is written to is the longest that is not all zeros.
    let mut segments = stopped.files("raft/log");
    segments.retain(|path| std::fs::read(path).unwrap()[..16].iter().any(|byte| *byte != 0));
    let segment = segments.pop().expect("a log segment");
    let whole = std::fs::read(&segment).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
    println!("{} is used up to {used}", segment.display());
    for at in [used / 4, used / 2, used - 20, used] {
        flip(&segment, at);
        println!("a bit of byte {at}");
        stopped.must_refuse(&segment);
        std::fs::write(&segment, &whole).unwrap();
    }
    // As it was, it is taken again, and nothing is missing.
    stopped.start();
    let mut client = Client::connect(stopped.server.address());
    assert_eq!(read(&mut client, "small", SMALL), Ok(SMALL_COUNT));
    assert_eq!(read(&mut client, "left", LARGE), Ok(LARGE_COUNT));
}

#[test]
fn a_flipped_bit_in_an_object_fails_its_partition_and_no_other() {
    check_object("a flipped bit", KAFKA_STORAGE_ERROR, |path| flip(path, LARGE / 2));
}

#[test]
fn an_object_cut_short_fails_its_partition_and_no_other() {
    check_object("cut short", KAFKA_STORAGE_ERROR, |path| {
        let bytes = std::fs::read(path).unwrap();
        std::fs::write(path, &bytes[..LARGE / 2]).unwrap();
    });
}

#[test]
fn a_missing_object_fails_its_partition_and_no_other() {
    check_object("missing", KAFKA_STORAGE_ERROR, |path| std::fs::remove_file(path).unwrap());
}

fn check_object(what: &str, expected: i16, damage: impl Fn(&Path)) {
    let mut stopped = Stopped::with_records(Options::default());
    let left = b"left 2 ";
    let holds = |path: &PathBuf| std::fs::read(path).unwrap().windows(left.len()).any(|window| window == left);
    let object = stopped.files("objects").into_iter().find(holds).expect("the object of left@2");
    damage(&object);
    // Nothing that was read before may hide it.
    let cache = stopped.data().join("cache");
    if cache.exists() {
        std::fs::remove_dir_all(cache).unwrap();
    }
    let before = contents(&stopped.data().join("objects"));
    stopped.start();
    let mut client = Client::connect(stopped.server.address());
    for _ in 0..3 {
        let failed = Fetch::from(2).ask(&mut client, "left");
        println!("{what}: error {}", failed.error);
        assert_eq!((failed.error, failed.records.len()), (expected, 0), "{what}");
    }
    assert_eq!(read(&mut client, "left", LARGE), Err(expected), "{what}");
    // Beside it everything is as ever, in the same partition too.
    let around = Fetch::from(3).ask(&mut client, "left");
    assert_eq!(batch::values(&around.records), [(3, value("left", 3, LARGE))]);
    assert_eq!(read(&mut client, "right", LARGE), Ok(LARGE_COUNT));
    assert_eq!(read(&mut client, "small", SMALL), Ok(SMALL_COUNT));
    let appended = produce(&mut client, "left", 0, &Batch::of(&[&value("left", 4, LARGE)]).bytes());
    assert_eq!(appended, (0, 4));
    let after = contents(&stopped.data().join("objects"));
    assert!(before.iter().all(|(path, content)| after.get(path) == Some(content)), "an object was changed or deleted");
    assert!(stopped.server.stop().unwrap().success());
}

#[test]
fn a_damaged_cache_changes_nothing() {
    // In front of a folder there is none unless it is asked for.
    let with_cache = Options { flags: vec!["--cache-disk-bytes=64MiB".to_owned()], ..Options::default() };
    let mut stopped = Stopped::with_records(with_cache);
    // Read everything once, so that there is something in it.
    stopped.start();
    let mut client = Client::connect(stopped.server.address());
    assert_eq!(read(&mut client, "left", LARGE), Ok(LARGE_COUNT));
    assert!(stopped.server.stop().unwrap().success());
    let files = stopped.files("cache");
    assert!(!files.is_empty(), "there is a cache");
    for path in files {
        let mut bytes = std::fs::read(&path).unwrap();
        for at in (0..bytes.len()).step_by(4_096) {
            let at = (at + 1_000).min(bytes.len() - 1);
            bytes[at] ^= 0x10;
        }
        std::fs::write(&path, bytes).unwrap();
    }
    stopped.start();
    let mut client = Client::connect(stopped.server.address());
    assert_eq!(read(&mut client, "left", LARGE), Ok(LARGE_COUNT));
    assert_eq!(read(&mut client, "right", LARGE), Ok(LARGE_COUNT));
    assert_eq!(read(&mut client, "small", SMALL), Ok(SMALL_COUNT));
}
