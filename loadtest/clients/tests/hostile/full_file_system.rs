//! A real file system without room: appends are refused before anything else suffers, with the error that says so; reads and
//! metadata go on; when there is room again, appends are taken without a restart; and a server starts while there is none.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tidelog_clients::Server;
use tidelog_clients::server::Options;

use crate::ONE_AT_A_TIME;
use crate::batch::Batch;
use crate::calls::{create_topic, produce, topics};
use crate::damage::{KAFKA_STORAGE_ERROR, read, value};
use crate::wire::{Client, Put, Went, body};

const MIB: u64 = 1 << 20;
/// Room for two segments of the log (64 MiB), for the margin that is kept free (64 MiB), and for some records.
const FILE_SYSTEM_BYTES: u64 = 320 * MIB;
const BALLAST_BYTES: u64 = 100 * MIB;
/// Of the margin so much is still there when the first append is refused, however fast they come.
const MARGIN_BYTES_MIN: u64 = 8 * MIB;
/// The disk is looked at once a second at least.
const ACCEPTED_AGAIN_MAX: Duration = Duration::from_secs(20);
/// Rides in the log, and becomes an object of its own.
const TOPICS: [(&str, usize); 2] = [("small", 6_000), ("large", 600_000)];

/// A tmpfs that this thread and the processes it starts can see, and nobody else: the kernel takes it away with them.
struct SmallFileSystem {
    folder: TempDir,
}

fn succeeded(result: i32, what: &str) {
    let error = std::io::Error::last_os_error();
    assert_eq!(result, 0, "{what}: {error}; `cargo verify hostile` skips this test where it is not permitted");
}

impl SmallFileSystem {
    fn mount() -> SmallFileSystem {
        let folder = TempDir::with_prefix("tidelog-full-").unwrap();
        let path = CString::new(folder.path().as_os_str().as_bytes()).unwrap();
        let options = CString::new(format!("size={FILE_SYSTEM_BYTES}")).unwrap();
        let nothing = std::ptr::null();
        // SAFETY: system calls; every pointer is null or to a string that outlives the call.
        unsafe {
            succeeded(libc::unshare(libc::CLONE_NEWNS), "a mount namespace of our own");
            let private = libc::MS_REC | libc::MS_PRIVATE;
            succeeded(
                libc::mount(nothing, c"/".as_ptr(), nothing, private, nothing.cast()),
                "keeping mounts to ourselves",
            );
            let tmpfs = c"tmpfs".as_ptr();
            succeeded(libc::mount(tmpfs, path.as_ptr(), tmpfs, 0, options.as_ptr().cast()), "mounting a tmpfs");
        }
        SmallFileSystem { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put_ballast(&self) {
        let mut file = File::create(self.path("ballast")).unwrap();
        (0..BALLAST_BYTES / MIB).for_each(|_| file.write_all(&[1; MIB as usize]).unwrap());
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.path(name)).unwrap();
    }

    /// Takes what is left, to the last page.
    fn fill(&self) {
        let mut file = File::create(self.path("rest")).unwrap();
        let error = loop {
            if let Err(error) = file.write_all(&[1; 4_096]) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }

    fn free_bytes(&self) -> u64 {
        let path = CString::new(self.folder.path().as_os_str().as_bytes()).unwrap();
        // SAFETY: zeros are a valid statvfs, to which the call writes; the path outlives it.
        let found = unsafe {
            let mut found: libc::statvfs = std::mem::zeroed();
            succeeded(libc::statvfs(path.as_ptr(), &mut found), "asking for free space");
            found
        };
        found.f_bavail * found.f_frsize
    }
}

impl Drop for SmallFileSystem {
    fn drop(&mut self) {
        let path = CString::new(self.folder.path().as_os_str().as_bytes()).unwrap();
        // SAFETY: a system call with a string that outlives it. If it fails, the mount ends with this thread.
        unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
    }
}

/// What was acknowledged: so many records per topic.
struct Writer<'a> {
    server: &'a Server,
    acknowledged: BTreeMap<&'static str, i64>,
}

impl Writer<'_> {
    /// Appends one record; the error if it was not acknowledged.
    fn append(&mut self, client: &mut Client, topic: &'static str, bytes: usize) -> Result<(), i16> {
        let count = self.acknowledged.entry(topic).or_default();
        let (error, offset) = produce(client, topic, 0, &Batch::of(&[&value(topic, *count, bytes)]).bytes());
        if error != 0 {
            return Err(error);
        }
        assert_eq!(offset, *count, "what was refused has taken no offset");
        *count += 1;
        Ok(())
    }

    fn append_until_refused(&mut self, topic: &'static str, bytes: usize) -> i16 {
        let mut client = Client::connect(self.server.address());
        for _ in 0..FILE_SYSTEM_BYTES / bytes as u64 {
            if let Err(error) = self.append(&mut client, topic, bytes) {
                return error;
            }
        }
        panic!("more was taken than the file system has room for");
    }

    fn append_until_taken(&mut self, topic: &'static str, bytes: usize) {
        let (mut client, begun) = (Client::connect(self.server.address()), Instant::now());
        while let Err(error) = self.append(&mut client, topic, bytes) {
            assert_eq!(error, KAFKA_STORAGE_ERROR);
            assert!(
                begun.elapsed() < ACCEPTED_AGAIN_MAX,
                "{topic}: refused {:?} after there was room",
                begun.elapsed()
            );
        }
        println!("{topic}: taken again after {:?}", begun.elapsed());
    }

    /// Everything that was acknowledged can be read, topics are described, and appends are refused as they should be.
    fn check_full(&mut self) {
        self.check_reads();
        for (topic, bytes) in TOPICS {
            let mut client = Client::connect(self.server.address());
            for _ in 0..20 {
                assert_eq!(self.append(&mut client, topic, bytes), Err(KAFKA_STORAGE_ERROR), "{topic}");
            }
        }
    }

    fn check_reads(&self) {
        let mut client = Client::connect(self.server.address());
        let mut names = topics(&mut client);
        names.sort();
        assert_eq!(names, ["large", "small"]);
        for (topic, bytes) in TOPICS {
            assert_eq!(read(&mut client, topic, bytes), Ok(self.acknowledged[topic]), "{topic}");
        }
    }
}

/// Joins a group alone, and asks for the share that it brings itself; the answer is left to come.
fn ask_for_share(address: &str) -> (Client, i32) {
    const JOIN_GROUP: i16 = 11;
    const SYNC_GROUP: i16 = 14;
    let mut client = Client::connect(address);
    let request = body().string("readers").i32(30_000).i32(30_000).string("").string("consumer");
    let mut joined = client.call(JOIN_GROUP, 2, &request.i32(1).string("range").bytes(b""));
    assert_eq!((joined.i32(), joined.i16()), (0, 0));
    let (generation, _protocol, _leader, member) = (joined.i32(), joined.string(), joined.string(), joined.string());
    let member = member.unwrap();
    let request = body().string("readers").i32(generation).string(&member);
    let sync = client.send(SYNC_GROUP, 1, &request.i32(1).string(&member).bytes(b"all"));
    (client, sync)
}

fn start(folder: &Path) -> Server {
    Server::start_in(TempDir::new_in(folder).unwrap(), Options::default()).expect("the server starts")
}

#[test]
fn a_full_file_system_refuses_appends_and_nothing_else() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let small = SmallFileSystem::mount();
    small.put_ballast();
    let mut server = start(small.folder.path());
    let mut client = Client::connect(server.address());
    TOPICS.iter().for_each(|(topic, _)| create_topic(&mut client, topic, 1, &[]));
    let mut writer = Writer { server: &server, acknowledged: BTreeMap::new() };

    // Filled by producing: while there is room for everything else, appends are refused.
    for (topic, bytes) in TOPICS {
        writer.append(&mut client, topic, bytes).expect("there is room");
    }
    assert_eq!(writer.append_until_refused("large", TOPICS[1].1), KAFKA_STORAGE_ERROR);
    let free = small.free_bytes();
    println!("refused with {} MiB free, {:?}", free / MIB, writer.acknowledged);
    assert!(free > MARGIN_BYTES_MIN, "{free} bytes were free when the first append was refused");
    writer.check_full();
    assert!(
        small.free_bytes() + 8 * MIB > free,
        "refused appends eat what is left: {free} then {}",
        small.free_bytes()
    );

    // Nothing at all is left. A group cannot store what it decides, and its member waits.
    small.fill();
    writer.check_full();
    let (mut member, sync) = ask_for_share(server.address());
    assert_eq!(
        member.went(Duration::from_secs(3)),
        Went::Waits,
        "what is not stored is not told, nor is it decided again"
    );

    // There is room again.
    small.remove("rest");
    small.remove("ballast");
    TOPICS.iter().for_each(|(topic, bytes)| writer.append_until_taken(topic, *bytes));
    writer.check_reads();
    member.stream.set_read_timeout(Some(ACCEPTED_AGAIN_MAX)).unwrap();
    let mut share = member.receive(sync);
    assert_eq!((share.i32(), share.i16(), share.bytes()), (0, 0, b"all".to_vec()));

    // Killed while there is none, and started while there is none.
    small.fill();
    for (topic, bytes) in TOPICS {
        assert_eq!(writer.append_until_refused(topic, bytes), KAFKA_STORAGE_ERROR);
    }
    let acknowledged = writer.acknowledged;
    server.kill9().expect("it is the process that was started first");
    server.start_again(None).unwrap();
    server.wait_ready().expect("it starts without room");
    assert!(server.output().contains("REFUSED until that disk has room"), "{}", server.output());
    let mut writer = Writer { server: &server, acknowledged };
    writer.check_full();
    small.remove("rest");
    TOPICS.iter().for_each(|(topic, bytes)| writer.append_until_taken(topic, *bytes));
    writer.check_reads();
}
