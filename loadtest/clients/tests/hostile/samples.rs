//! A valid request of every API, in an old version and in a flexible one.

use crate::batch::Batch;
use crate::calls::{Fetch, produce_body};
use crate::wire::{Put, body};

/// A request without its length.
pub struct Sample {
    pub name: String,
    pub api: i16,
    pub content: Vec<u8>,
}

/// No tagged fields.
const NO_TAGS: &[u8] = &[0];
/// A compact array of one, and a compact string that is null.
const ONE: &[u8] = &[2];
const NULL: &[u8] = &[0];
const TOPIC: &str = "samples";

fn old(api: i16, version: i16, body_: Vec<u8>) -> Sample {
    let content = body().i16(api).i16(version).i32(1).string("hostile").raw(&body_);
    Sample { name: format!("api {api} v{version}"), api, content }
}

fn flexible(api: i16, version: i16, body_: Vec<u8>) -> Sample {
    let content = body().i16(api).i16(version).i32(1).string("hostile").raw(NO_TAGS).raw(&body_).raw(NO_TAGS);
    Sample { name: format!("api {api} v{version}"), api, content }
}

/// All of them. Their correlation id is 1.
pub fn samples() -> Vec<Sample> {
    let mut all = old_versions();
    all.extend(flexible_versions());
    all
}

fn old_versions() -> Vec<Sample> {
    let batch = Batch::of(&[b"sample"]).bytes();
    let one_partition = |head: Vec<u8>| head.i32(1).string(TOPIC).i32(1).i32(0);
    let member = |head: Vec<u8>| head.string("group").i32(1).string("member");
    vec![
        old(0, 7, produce_body(TOPIC, 0, &batch)),
        old(1, 11, Fetch::from(0).body(TOPIC)),
        old(2, 1, one_partition(body().i32(-1)).i64(-1)),
        old(3, 4, body().i32(1).string(TOPIC).i8(0)),
        old(8, 2, one_partition(member(body()).i64(-1)).i64(5).string("metadata")),
        old(9, 1, one_partition(body().string("group"))),
        old(10, 1, body().string("group").i8(0)),
        old(11, 5, join(body().string("group").i32(10_000).i32(10_000).string("").null_string())),
        old(12, 0, member(body())),
        old(13, 3, body().string("group").i32(1).string("member").null_string()),
        old(14, 0, member(body()).i32(1).string("member").bytes(b"assignment")),
        old(18, 0, body()),
        old(19, 2, create()),
        old(20, 1, body().i32(1).string("no-such-topic").i32(1_000)),
        old(22, 0, body().null_string().i32(60_000)),
        old(23, 2, one_partition(body()).i32(-1).i32(0)),
    ]
}

fn join(head: Vec<u8>) -> Vec<u8> {
    head.string("consumer").i32(1).string("range").bytes(b"subscription")
}

/// Only to be validated.
fn create() -> Vec<u8> {
    let assigned = body().i32(1).string("created").i32(-1).i16(-1).i32(1).i32(0).i32(1).i32(0);
    assigned.i32(1).string("retention.ms").string("1000").i32(1_000).i8(1)
}

fn flexible_versions() -> Vec<Sample> {
    let batch = Batch::of(&[b"sample"]).bytes();
    let topic = |head: Vec<u8>| head.raw(ONE).compact(TOPIC.as_bytes());
    let partition = |head: Vec<u8>| topic(head).raw(ONE).i32(0);
    let ended = |inner: Vec<u8>| inner.raw(NO_TAGS).raw(NO_TAGS);
    let member = |head: Vec<u8>| head.compact(b"group").i32(1).compact(b"member").raw(NULL);
    let fetch = body().i32(-1).i32(100).i32(1).i32(1 << 20).i8(0).i32(0).i32(-1);
    let fetched = ended(partition(fetch).i32(-1).i64(0).i32(-1).i64(-1).i32(1 << 20)).raw(&[1]).compact(b"rack");
    let join = body().compact(b"group").i32(10_000).i32(10_000).compact(b"").raw(NULL).compact(b"consumer");
    vec![
        flexible(0, 9, ended(partition(body().raw(NULL).i16(-1).i32(30_000)).compact(&batch))),
        flexible(1, 12, fetched),
        flexible(2, 6, ended(partition(body().i32(-1).i8(0)).i32(-1).i64(-1))),
        flexible(3, 9, topic(body()).raw(NO_TAGS).i8(0).i8(0).i8(0)),
        flexible(8, 8, ended(partition(member(body())).i64(5).i32(-1).compact(b"metadata"))),
        flexible(9, 8, ended(partition(body().raw(ONE).compact(b"group"))).i8(0)),
        flexible(10, 4, body().i8(0).raw(ONE).compact(b"group")),
        flexible(11, 9, join.raw(ONE).compact(b"range").compact(b"subscription").raw(NO_TAGS).compact(b"reason")),
        flexible(12, 4, member(body())),
        flexible(13, 5, body().compact(b"group").raw(ONE).compact(b"member").raw(NULL).compact(b"reason").raw(NO_TAGS)),
        flexible(14, 5, sync(member(body()))),
        flexible(18, 3, body().compact(b"hostile").compact(b"1.0")),
        flexible(19, 7, create_flexible()),
        flexible(20, 6, body().raw(ONE).compact(b"no-such-topic").raw(&[0; 16]).raw(NO_TAGS).i32(1_000)),
        flexible(22, 4, body().raw(NULL).i32(60_000).i64(-1).i16(-1)),
        flexible(23, 4, ended(partition(body().i32(-1)).i32(-1).i32(0))),
        flexible(60, 1, body().i8(0).i8(1)),
    ]
}

fn sync(head: Vec<u8>) -> Vec<u8> {
    let protocol = head.compact(b"consumer").compact(b"range");
    protocol.raw(ONE).compact(b"member").compact(b"assignment").raw(NO_TAGS)
}

/// Only to be validated.
fn create_flexible() -> Vec<u8> {
    let assigned = body().raw(ONE).compact(b"created").i32(-1).i16(-1).raw(ONE).i32(0).raw(ONE).i32(0).raw(NO_TAGS);
    let configured = assigned.raw(ONE).compact(b"retention.ms").compact(b"1000").raw(NO_TAGS);
    configured.raw(NO_TAGS).i32(1_000).i8(1)
}
