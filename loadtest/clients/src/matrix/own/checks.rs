//! What a client in Rust has to do: the same as in `python/matrix_features.py`.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

use super::adapter::{Adapter, Poller, Record};
use super::admin_checks;

pub const PATIENCE: Duration = Duration::from_secs(40);
/// Written last into each partition, and in a batch of its own: whoever has read it has been offered everything before.
const END: &[u8] = b"the end";
const BASE_MS: i64 = 1_600_000_000_000;

/// Does `feature` with a topic of its own.
pub fn check(client: &dyn Adapter, topic: &str, feature: &str) -> anyhow::Result<()> {
    let name = feature;
    match feature {
        "produce" => write_and_read(client, topic, &some(name, 600, 3), 3, "none", false),
        "idempotence" => write_and_read(client, topic, &some(name, 1_000, 2), 2, "none", true),
        "none" | "gzip" | "snappy" | "lz4" | "zstd" => {
            write_and_read(client, topic, &some(name, 300, 2), 2, feature, false)
        }
        "headers" => headers(client, topic),
        "tombstones" => tombstones(client, topic),
        "big" => big(client, topic),
        "timestamps" => write_and_read(client, topic, &with_times(50), 1, "none", false),
        "offsets-by-time" => offsets_by_time(client, topic),
        "admin" => admin(client, topic),
        "group" => group(client, topic),
        _ => admin_checks::check(client, topic, feature),
    }
}

/// Records that are all different and keep their order within a partition.
pub fn some(name: &str, count: usize, partitions: i32) -> Vec<Record> {
    let one = |index: usize| Record {
        partition: i32::try_from(index).expect("few") % partitions,
        key: Some(format!("key-{index}").into_bytes()),
        value: Some(format!("{name}-{index}:{}", "wide ".repeat(20)).into_bytes()),
        ..Record::default()
    };
    (0..count).map(one).collect()
}

fn with_times(count: usize) -> Vec<Record> {
    let mut records = some("times", count, 1);
    for (record, since) in records.iter_mut().zip((0..).step_by(1_000)) {
        record.timestamp_ms = Some(BASE_MS + since);
    }
    records
}

pub fn is_end(record: &Record) -> bool {
    record.value.as_deref() == Some(END)
}

pub fn write_ends(client: &dyn Adapter, topic: &str, partitions: i32) -> anyhow::Result<()> {
    let end =
        |partition| Record { partition, key: Some(b"end".to_vec()), value: Some(END.to_vec()), ..Record::default() };
    client.write(topic, &(0..partitions).map(end).collect::<Vec<_>>(), "none", false)
}

pub fn write_and_read(
    client: &dyn Adapter,
    topic: &str,
    records: &[Record],
    partitions: i32,
    codec: &str,
    idempotent: bool,
) -> anyhow::Result<()> {
    client.create(topic, partitions)?;
    client.write(topic, records, codec, idempotent)?;
    write_ends(client, topic, partitions)?;
    let mut reader = client.reader(topic, partitions)?;
    let read = read_to_end(&mut [&mut reader], partitions)?.concat();
    compare(records, &read, partitions)
}

/// Polls all in turn until the ends of all partitions have come; what each got.
pub fn read_to_end(pollers: &mut [&mut Box<dyn Poller>], partitions: i32) -> anyhow::Result<Vec<Vec<Record>>> {
    let deadline = Instant::now() + PATIENCE;
    let mut shares = vec![Vec::new(); pollers.len()];
    let wanted = usize::try_from(partitions)?;
    while shares.iter().flatten().filter(|record| is_end(record)).count() < wanted {
        for (poller, share) in pollers.iter_mut().zip(&mut shares) {
            share.extend(poller.poll()?);
        }
        let counts: Vec<usize> = shares.iter().map(Vec::len).collect();
        ensure!(Instant::now() < deadline, "nothing more came after {counts:?} records");
    }
    Ok(shares)
}

/// Every record once, in its place, as it was written. What was not given to the client is not compared.
pub fn compare(written: &[Record], read: &[Record], partitions: i32) -> anyhow::Result<()> {
    for partition in 0..partitions {
        let expected: Vec<&Record> = written.iter().filter(|record| record.partition == partition).collect();
        let got: Vec<&Record> = read.iter().filter(|record| record.partition == partition && !is_end(record)).collect();
        for one in &expected {
            let found = got.iter().any(|other| (&one.key, &one.value) == (&other.key, &other.value));
            ensure!(found, "lost: {}", shown(one));
        }
        ensure!(got.len() <= expected.len(), "doubled or foreign: {} instead of {}", got.len(), expected.len());
        for (index, (one, other)) in expected.iter().zip(&got).enumerate() {
            let same = (&one.key, &one.value, &one.headers) == (&other.key, &other.value, &other.headers);
            let in_time = one.timestamp_ms.is_none() || one.timestamp_ms == other.timestamp_ms;
            ensure!(same && in_time, "reordered or altered at {index}: {} became {}", shown(one), shown(other));
        }
    }
    Ok(())
}

fn shown(record: &Record) -> String {
    let text = |bytes: &Option<Vec<u8>>| {
        bytes.as_ref().map(|bytes| String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned())
    };
    let Record { partition, headers, timestamp_ms, .. } = record;
    format!("p{partition} {:?} {:?} {headers:?} at {timestamp_ms:?}", text(&record.key), text(&record.value))
}

fn headers(client: &dyn Adapter, topic: &str) -> anyhow::Result<()> {
    let mut records = some("headers", 20, 1);
    for (index, record) in (0u8..).zip(&mut records) {
        record.headers = vec![
            ("a-number".to_owned(), index.to_string().into_bytes()),
            ("b-empty".to_owned(), Vec::new()),
            ("c-bytes".to_owned(), vec![1, 255, index + 1]),
        ];
    }
    write_and_read(client, topic, &records, 1, "none", false)
}

fn tombstones(client: &dyn Adapter, topic: &str) -> anyhow::Result<()> {
    let pairs: [(Option<&str>, Option<&str>); 6] = [
        (Some("key"), Some("value")),
        (Some("key"), None),
        (None, Some("no key")),
        (Some("gone"), None),
        (Some("key"), Some("")),
        (Some(""), Some("empty key")),
    ];
    let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
    let records = pairs.map(|(key, value)| Record { key: bytes(key), value: bytes(value), ..Record::default() });
    write_and_read(client, topic, &records, 1, "none", false)
}

fn big(client: &dyn Adapter, topic: &str) -> anyhow::Result<()> {
    let mut records = some("big", 6, 1);
    for index in [1, 2, 4] {
        let noise = (0u64..900_000).map(|at| b'a' + ((at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) % 26) as u8);
        records[index].value.as_mut().expect("given above").extend(noise);
    }
    write_and_read(client, topic, &records, 1, "none", false)
}

fn offsets_by_time(client: &dyn Adapter, topic: &str) -> anyhow::Result<()> {
    write_and_read(client, topic, &with_times(10), 1, "none", false)?;
    for (since, expected) in [(0, 0), (1, 1), (4_000, 4), (4_500, 5), (9_000, 9)] {
        let found = client.offset_at(topic, BASE_MS + since)?;
        ensure!(found == Some(expected), "the first record at {since} ms or later is {expected}, not {found:?}");
    }
    Ok(())
}

fn admin(client: &dyn Adapter, topic: &str) -> anyhow::Result<()> {
    ensure!(client.partitions(topic)?.is_none(), "the topic is there before it is created");
    write_and_read(client, topic, &some("admin", 30, 3), 3, "none", false)?;
    let partitions = client.partitions(topic)?;
    ensure!(partitions == Some(3), "{partitions:?} partitions instead of 3");
    match client.create(topic, 3) {
        Ok(()) => bail!("a topic was created twice"),
        Err(error) => ensure!(format!("{error:?}").contains("Exist"), error),
    }
    client.delete(topic)?;
    ensure!(client.partitions(topic)?.is_none(), "a deleted topic is still there");
    Ok(())
}

/// Two members share four partitions, one leaves, and a third goes on where the last one stood.
fn group(client: &dyn Adapter, topic: &str) -> anyhow::Result<()> {
    client.create(topic, 4)?;
    let group = format!("{topic}-group");
    let phase = |name: &str, members: &mut [&mut Box<dyn Poller>]| -> anyhow::Result<Vec<usize>> {
        let records = some(name, 200, 4);
        client.write(topic, &records, "none", false)?;
        write_ends(client, topic, 4)?;
        let shares = read_to_end(members, 4)?;
        compare(&records, &shares.concat(), 4)?;
        for member in members {
            member.commit()?;
        }
        Ok(shares.iter().map(Vec::len).collect())
    };
    let (mut stays, mut leaves) = (client.member(&group, topic)?, client.member(&group, topic)?);
    until_assigned(&mut [&mut stays, &mut leaves], 2)?;
    let shares = phase("two", &mut [&mut stays, &mut leaves])?;
    ensure!(shares.iter().all(|share| *share > 0), "one member of two got nothing: {shares:?}");
    drop(leaves);
    // What it reads before it has noticed would rightly come again: nobody has committed it.
    until_assigned(&mut [&mut stays], 4)?;
    phase("one", &mut [&mut stays])?;
    drop(stays);
    let mut late = client.member(&group, topic)?;
    phase("late", &mut [&mut late])?;
    Ok(())
}

fn until_assigned(members: &mut [&mut Box<dyn Poller>], each: usize) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !members.iter_mut().all(|member| member.assigned() == each) {
        for member in members.iter_mut() {
            let read = member.poll()?;
            ensure!(read.is_empty(), "{} records came again", read.len());
        }
        ensure!(Instant::now() < deadline, "the members do not get {each} partitions each");
    }
    Ok(())
}
