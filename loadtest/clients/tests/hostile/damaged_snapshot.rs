//! Damage to the catalog's snapshot, without which the log behind it means nothing: the server refuses to start, names the
//! file, and leaves everything as it is.

use std::path::{Path, PathBuf};

use tidelog_clients::Server;
use tidelog_clients::server::Options;

use crate::damage::{Stopped, flip, read};
use crate::wire::Client;

const TOPIC: &str = "small";
/// Still ride in the log, and are soon enough for a snapshot when the server stops: that takes an eighth of 64 MiB.
const RECORD_BYTES: usize = 6_000;
/// More than the entries that stay in the log behind a snapshot, so that the log alone is not enough.
const RECORDS: i64 = 2_000;

/// Damages the file as `damage` says, and mends it when the server has refused it.
fn refused_with(stopped: &mut Stopped, file: &Path, what: &str, damage: impl FnOnce(&Path)) {
    let whole = std::fs::read(file).unwrap();
    println!("{}: {what}", file.display());
    damage(file);
    let damaged = std::fs::read(file).ok();
    assert_ne!(damaged.as_ref(), Some(&whole), "it is damaged");
    stopped.must_refuse(file);
    assert_eq!(std::fs::read(file).ok(), damaged, "what was missing is not made up");
    std::fs::write(file, whole).unwrap();
}

fn cut(file: &Path, bytes: usize) {
    let whole = std::fs::read(file).unwrap();
    std::fs::write(file, &whole[..bytes]).unwrap();
}

fn refuses_all_damage(pick: impl Fn(&Stopped) -> PathBuf) {
    let mut stopped = Stopped::with(Options::default(), &[(TOPIC, RECORDS, RECORD_BYTES)]);
    let file = pick(&stopped);
    let length = std::fs::read(&file).unwrap().len();
    for at in [0, length / 2, length - 1] {
        refused_with(&mut stopped, &file, &format!("a bit of byte {at} of {length}"), |file| flip(file, at));
    }
    for bytes in [length - 1, length / 2, 0] {
        refused_with(&mut stopped, &file, &format!("cut to {bytes} of {length}"), |file| cut(file, bytes));
    }
    refused_with(&mut stopped, &file, "removed", |file| std::fs::remove_file(file).unwrap());
    // As it was, it is taken again, and nothing is missing.
    stopped.start();
    assert_all_read(&stopped.server);
}

fn assert_all_read(server: &Server) {
    let mut client = Client::connect(server.address());
    assert_eq!(read(&mut client, TOPIC, RECORD_BYTES), Ok(RECORDS));
}

fn is_part(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "part")
}

#[test]
fn a_damaged_snapshot_part_is_refused() {
    refuses_all_damage(|stopped| {
        let mut parts = stopped.files("raft/snapshot").into_iter().filter(|path| is_part(path));
        // The one that says most.
        parts.next_back().expect("the server wrote a snapshot when it stopped")
    });
}

#[test]
fn a_damaged_snapshot_manifest_is_refused() {
    refuses_all_damage(|stopped| stopped.data().join("raft/snapshot/manifest"));
}
