//! Produce: what is taken, and what is refused with which code.

use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ApiKey, InitProducerIdRequest, ProduceRequest, TransactionalId};

use super::common::{NO_TOPIC, Topic, create, produce, text, topic_name};
use crate::batches::Batch;
use crate::exchange::Exchange;

const ZSTD: i16 = 4;
const NO_CODEC: i16 = 7;
const TIME_OF_APPEND: i16 = 1 << 3;
const CONTROL: i16 = 1 << 5;
const WITH_ZSTD_FROM: i16 = 7;
/// Older ones are advertised, so that old clients compress, and end the connection.
const OFFERED_FROM: i16 = 3;

fn values(count: usize) -> Batch {
    Batch::of(&vec![&b"value"[..]; count])
}

pub fn plain(x: &mut Exchange) -> anyhow::Result<()> {
    let version = x.version();
    if version < OFFERED_FROM {
        return x.ask_raw("too old", ApiKey::Produce as i16, version, 1, &[0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
    let topic = create(x, "topic", 2, &[])?;
    let to = |partition, batch: &Batch| produce(version, &topic, partition, batch.bytes());
    x.ask("first", &to(0, &values(1)))?;
    x.ask("three more", &to(0, &values(3)))?;
    x.ask("acks=1", &to(0, &values(1)).with_acks(1))?;
    x.send_on(0, &to(0, &values(1)).with_acks(0))?;
    x.ask("after acks=0", &to(0, &values(1)))?;
    x.ask("acks=2", &to(0, &values(1)).with_acks(2))?;
    x.ask("nothing", &ProduceRequest::default().with_transactional_id(None).with_acks(-1).with_timeout_ms(1_000))?;
    x.ask("no such partition", &to(2, &values(1)))?;
    x.ask("partition -1", &to(-1, &values(1)))?;
    let unknown = Topic { name: x.name("unknown"), id: NO_TOPIC };
    x.ask("no such topic", &produce(version, &unknown, 0, values(1).bytes()))?;
    if version < 13 {
        let bad = Topic { name: "with blank".to_owned(), id: NO_TOPIC };
        x.ask("a name that cannot be", &produce(version, &bad, 0, values(1).bytes()))?;
    }
    x.ask("good and bad", &both(version, &topic, &[(0, values(1)), (5, values(1)), (1, values(2))]))?;
    // Who does not want to know is told by the end of the connection.
    x.send_on(1, &produce(version, &unknown, 0, values(1).bytes()).with_acks(0))?;
    x.receive_on::<ProduceRequest>(1, "no such topic, acks=0")?;
    Ok(())
}

fn both(version: i16, topic: &Topic, batches: &[(i32, Batch)]) -> ProduceRequest {
    let data = |(index, batch): &(i32, Batch)| {
        PartitionProduceData::default().with_index(*index).with_records(Some(batch.bytes().into()))
    };
    let named = TopicProduceData::default().with_partition_data(batches.iter().map(data).collect());
    let named = if version >= 13 { named.with_topic_id(topic.id) } else { named.with_name(topic_name(&topic.name)) };
    ProduceRequest::default()
        .with_transactional_id(None)
        .with_acks(-1)
        .with_timeout_ms(10_000)
        .with_topic_data(vec![named])
}

/// The same records in a frame of zstd that holds one block, stored as it is.
fn zstd(batch: &Batch) -> Batch {
    let length = u8::try_from(batch.records.len()).expect("a few records");
    let block = (u32::from(length) << 3 | 1).to_le_bytes();
    let frame = [&[0x28, 0xb5, 0x2f, 0xfd, 0x20, length], &block[..3], &batch.records].concat();
    Batch { attributes: ZSTD, records: frame, ..batch.clone() }
}

pub fn refused(x: &mut Exchange) -> anyhow::Result<()> {
    let version = x.version();
    if version < OFFERED_FROM {
        return Ok(());
    }
    let topic = create(x, "topic", 2, &[("max.message.bytes", "1000")])?;
    let to = |records: Vec<u8>| produce(version, &topic, 0, records);
    // Where one takes what the other refuses, so that the offsets after it stay the same.
    let aside = |records: Vec<u8>| produce(version, &topic, 1, records);
    let batch = values(2);
    x.ask("too large", &to(Batch::of(&[&[b'x'; 1_001][..]]).bytes()))?;
    x.ask("a wrong checksum", &to(Batch { checksum_error: 1, ..batch.clone() }.bytes()))?;
    x.ask("no records", &to(Batch { count: 0, last_offset_delta: -1, records: Vec::new(), ..batch.clone() }.bytes()))?;
    x.ask("no batch", &to(Vec::new()))?;
    x.ask("two batches", &to([batch.bytes(), batch.bytes()].concat()))?;
    x.ask("half a batch", &to(batch.bytes()[..70].to_vec()))?;
    x.ask("noise", &to(vec![0xa5; 80]))?;
    x.ask("a count too high", &to(Batch { count: 3, last_offset_delta: 2, ..batch.clone() }.bytes()))?;
    x.ask("a count too low", &to(Batch { count: 1, last_offset_delta: 0, ..batch.clone() }.bytes()))?;
    x.ask("a last offset that lies", &to(Batch { last_offset_delta: 5, ..batch.clone() }.bytes()))?;
    x.ask("magic 1", &to(Batch { magic: 1, ..batch.clone() }.bytes()))?;
    x.ask("magic 3", &to(Batch { magic: 3, ..batch.clone() }.bytes()))?;
    x.ask("a codec that is none", &to(Batch { attributes: NO_CODEC, ..batch.clone() }.bytes()))?;
    x.ask("time of append", &to(Batch { attributes: TIME_OF_APPEND, ..batch.clone() }.bytes()))?;
    x.ask("a control batch", &to(Batch { attributes: CONTROL, ..batch.clone() }.bytes()))?;
    x.ask("no time", &to(Batch { first_timestamp_ms: -1, max_timestamp_ms: -1, ..Batch::of(&[b"v"]) }.bytes()))?;
    if version < WITH_ZSTD_FROM {
        x.ask("zstd too early", &to(zstd(&batch).bytes()))?;
    } else {
        x.ask("zstd", &to(zstd(&batch).bytes()))?;
    }
    x.ask("after all that", &to(batch.bytes()))?;
    let ahead = Batch { first_timestamp_ms: i64::MAX - 9, max_timestamp_ms: i64::MAX - 8, ..batch.clone() };
    x.ask("a time far ahead", &aside(ahead.bytes()))?;
    x.ask("a batch and a half", &aside([&batch.bytes()[..], &batch.bytes()[..30]].concat()))?;
    Ok(())
}

pub fn compacted(x: &mut Exchange) -> anyhow::Result<()> {
    let version = x.version();
    if version < OFFERED_FROM {
        return Ok(());
    }
    for (word, policy) in [("compact", "compact"), ("both", "compact,delete")] {
        let topic = create(x, word, 1, &[("cleanup.policy", policy)])?;
        let to = |batch: Batch| produce(version, &topic, 0, batch.bytes());
        let records = [(None, &b"value"[..]), (Some(&b"key"[..]), &b"value"[..]), (None, &b"value"[..])];
        x.ask(&format!("{word}: no keys"), &to(values(2)))?;
        x.ask(&format!("{word}: one key"), &to(Batch::with_keys(&records)))?;
        x.ask(&format!("{word}: keys"), &to(Batch::with_keys(&records[1..2])))?;
        x.ask(&format!("{word}: no keys, from a producer"), &to(values(1).by(7, 0, 0)))?;
    }
    Ok(())
}

pub fn idempotent(x: &mut Exchange) -> anyhow::Result<()> {
    let version = x.version();
    if version < OFFERED_FROM {
        return Ok(());
    }
    let topic = create(x, "topic", 2, &[])?;
    let answer = x.ask(
        "an id",
        &InitProducerIdRequest::default().with_transactional_id(None).with_transaction_timeout_ms(60_000),
    )?;
    let (id, epoch) = (answer.producer_id.0, answer.producer_epoch);
    let to = |batch: Batch| produce(version, &topic, 0, batch.bytes());
    x.ask("sequence 0", &to(values(2).by(id, epoch, 0)))?;
    x.ask("sequence 2", &to(values(1).by(id, epoch, 2)))?;
    x.ask("sequence 2 again", &to(values(1).by(id, epoch, 2)))?;
    x.ask("sequence 0 again", &to(values(2).by(id, epoch, 0)))?;
    x.ask("sequence 0, but shorter", &to(values(1).by(id, epoch, 0)))?;
    x.ask("a gap", &to(values(1).by(id, epoch, 5)))?;
    x.ask("sequence 3", &to(values(1).by(id, epoch, 3)))?;
    x.ask("a sequence below 0", &to(values(1).by(id, epoch, -1)))?;
    x.ask("a newer epoch in the middle", &to(values(1).by(id, epoch + 1, 4)))?;
    x.ask("a newer epoch", &to(values(1).by(id, epoch + 1, 0)))?;
    x.ask("the old epoch", &to(values(1).by(id, epoch, 4)))?;
    x.ask("an epoch below 0", &to(values(1).by(id, -1, 0)))?;
    x.ask("another partition from the middle", &produce(version, &topic, 1, values(1).by(id, epoch, 7).bytes()))?;
    let two = [values(1).by(id, epoch + 1, 1).bytes(), values(1).by(id, epoch + 1, 2).bytes()];
    x.ask("two batches at once", &produce(version, &topic, 0, two.concat()))?;
    Ok(())
}

pub fn producer_ids(x: &mut Exchange) -> anyhow::Result<()> {
    let version = x.version();
    let request = InitProducerIdRequest::default().with_transactional_id(None).with_transaction_timeout_ms(60_000);
    x.ask("one", &request)?;
    x.ask("another", &request)?;
    x.ask("an empty transactional id", &request.clone().with_transactional_id(Some(TransactionalId(text("")))))?;
    if version >= 3 {
        let answer = x.quietly(&request)?;
        let (id, epoch) = (answer.producer_id, answer.producer_epoch);
        x.ask("an id of its own", &request.clone().with_producer_id(id).with_producer_epoch(epoch))?;
        x.ask("an id without an epoch", &request.clone().with_producer_id(id))?;
        x.ask("an epoch without an id", &request.with_producer_epoch(3))?;
    }
    Ok(())
}
