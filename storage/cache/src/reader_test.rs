//! The reader against a store that counts, waits and fails as told.

use std::collections::BTreeMap;

use async_trait::async_trait;
use parking_lot::Mutex;
use tidelog_blob::{BlobError, ListedObject, Purpose};

use super::*;
use crate::MemoryBlockCache;

const BLOCK: usize = CACHE_BLOCK_BYTES;
const OBJECT: ObjectId = ObjectId(7);

/// A store of one object that notes every GET, can be made to wait, and can be made to answer once with something else.
struct Store {
    object: Bytes,
    gets: Mutex<Vec<Range<u64>>>,
    gate: Semaphore,
    next_answers: Mutex<Vec<Result<Bytes, BlobError>>>,
}

#[async_trait]
impl BlobStore for Store {
    async fn get(&self, key: &Key, range: Range<u64>, purpose: Purpose) -> Result<Bytes, BlobError> {
        let bytes = self.get_up_to(key, range.clone(), purpose).await?;
        let whole = bytes.len() as u64 == range.end - range.start;
        if whole { Ok(bytes) } else { Err(BlobError::OutOfRange { key: key.to_string(), end: range.end }) }
    }

    async fn get_up_to(&self, key: &Key, range: Range<u64>, _: Purpose) -> Result<Bytes, BlobError> {
        assert_eq!(key.as_str(), "data/7");
        self.gets.lock().push(range.clone());
        self.gate.acquire().await.unwrap().forget();
        if let Some(answer) = self.next_answers.lock().pop() {
            return answer;
        }
        let end = self.object.len().min(range.end as usize);
        if range.start as usize >= end {
            return Err(BlobError::OutOfRange { key: key.to_string(), end: range.end });
        }
        Ok(self.object.slice(range.start as usize..end))
    }

    async fn put(&self, _: &Key, _: Vec<Bytes>, _: Purpose) -> Result<(), BlobError> {
        unreachable!("nothing is written here")
    }
    async fn put_if_absent(&self, _: &Key, _: Bytes, _: Purpose) -> Result<bool, BlobError> {
        unreachable!("nothing is written here")
    }
    async fn get_all(&self, _: &Key, _: Purpose) -> Result<Bytes, BlobError> {
        unreachable!("objects are read in ranges")
    }
    async fn delete(&self, _: &[Key], _: Purpose) -> Result<(), BlobError> {
        unreachable!("nothing is deleted here")
    }
    async fn list(&self, _: &str, _: Option<&Key>, _: usize) -> Result<Vec<ListedObject>, BlobError> {
        unreachable!("nothing is listed here")
    }
    fn is_remote(&self) -> bool {
        false
    }

    fn describe(&self) -> String {
        "test".into()
    }
}

struct Rig {
    store: Arc<Store>,
    blocks: Arc<MemoryBlockCache>,
    reader: ObjectReader,
}

/// An object whose every eight bytes are their own position.
fn object(bytes: usize) -> Bytes {
    (0..bytes.div_ceil(8)).flat_map(|i| (i as u64 * 8).to_be_bytes()).take(bytes).collect()
}

fn rig(object_bytes: usize, open: bool) -> Rig {
    let store = Arc::new(Store {
        object: object(object_bytes),
        gets: Mutex::default(),
        gate: Semaphore::new(if open { 1000 } else { 0 }),
        next_answers: Mutex::default(),
    });
    let blocks = Arc::new(MemoryBlockCache::new(64 * BLOCK));
    let key_of = |object: ObjectId| Key::new(format!("data/{}", object.0));
    let limits = ReaderLimits { written_bytes_max: 8 * BLOCK, loads_max: 2 };
    let reader = ObjectReader::new(store.clone(), blocks.clone(), key_of, limits, Tasks::on_current_runtime());
    Rig { store, blocks, reader }
}

impl Rig {
    async fn check(&self, range: Range<usize>, origin: Origin) {
        let read = self.reader.read(OBJECT, range.start as u32..range.end as u32).await.expect("the range is there");
        assert_eq!(read.origin, origin, "{range:?}");
        assert!(read.into_contiguous() == self.store.object.slice(range.clone()), "wrong bytes in {range:?}");
    }

    fn gets(&self) -> Vec<Range<u64>> {
        std::mem::take(&mut self.store.gets.lock())
    }

    async fn until_gets(&self, count: usize) {
        while self.store.gets.lock().len() < count {
            tokio::task::yield_now().await;
        }
    }
}

fn blocks(range: Range<usize>) -> Range<u64> {
    (range.start * BLOCK) as u64..(range.end * BLOCK) as u64
}

#[tokio::test]
async fn what_was_just_written_is_read_without_a_copy_or_a_get() {
    let rig = rig(3 * BLOCK, true);
    let (front, back) = (rig.store.object.slice(..100), rig.store.object.slice(100..));
    rig.reader.insert_written(OBJECT, vec![front, back]);
    rig.check(50..2 * BLOCK, Origin::Written).await;
    let read = rig.reader.read(OBJECT, 100..200).await.unwrap();
    assert_eq!(read.parts[0].as_ptr(), rig.store.object[100..].as_ptr(), "it is the same memory");
    assert_eq!(rig.gets(), []);
}

#[tokio::test]
async fn one_get_brings_a_run_of_missing_blocks_and_later_reads_none() {
    let rig = rig(6 * BLOCK + 1000, true);
    rig.check(BLOCK - 1..BLOCK + 1, Origin::Store).await;
    assert_eq!(rig.gets(), [blocks(0..2)]);
    rig.check(10..2 * BLOCK, Origin::Cache).await;
    assert_eq!(rig.gets(), []);
    // Blocks 2..6 are one run of four, block 6 is another; it is shorter, and nobody had to know.
    rig.check(0..6 * BLOCK + 1000, Origin::Store).await;
    let mut gets = rig.gets();
    gets.sort_by_key(|range| range.start);
    assert_eq!(gets, [blocks(2..6), blocks(6..7)]);
    rig.check(6 * BLOCK..6 * BLOCK + 1000, Origin::Cache).await;
    assert_eq!(rig.gets(), []);
}

#[tokio::test]
async fn concurrent_readers_of_a_block_share_one_get() {
    let rig = rig(2 * BLOCK, false);
    let reads: Vec<_> = (0..32)
        .map(|i| {
            let reader = rig.reader.clone();
            tokio::spawn(async move { reader.read(OBJECT, i * 1000..(i + 1) * 1000).await })
        })
        .collect();
    rig.until_gets(1).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    rig.store.gate.add_permits(100);
    for (i, read) in reads.into_iter().enumerate() {
        let bytes = read.await.unwrap().unwrap().into_contiguous();
        assert_eq!(bytes, rig.store.object.slice(i * 1000..(i + 1) * 1000));
    }
    assert_eq!(rig.gets(), [blocks(0..1)]);
}

#[tokio::test]
async fn a_reader_that_gives_up_does_not_take_the_block_from_the_others() {
    let rig = rig(2 * BLOCK, false);
    let (first, second) = (rig.reader.clone(), rig.reader.clone());
    let first = tokio::spawn(async move { first.read(OBJECT, 0..10).await });
    rig.until_gets(1).await;
    let second = tokio::spawn(async move { second.read(OBJECT, 10..20).await });
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    rig.store.gate.add_permits(1);
    assert!(second.await.unwrap().is_ok());
    assert_eq!(rig.gets(), [blocks(0..1)]);
}

#[tokio::test]
async fn loads_under_way_are_bounded() {
    let rig = rig(8 * BLOCK, false);
    let reads: Vec<_> = (0..4)
        .map(|i| {
            let reader = rig.reader.clone();
            let at = (2 * i * BLOCK) as u32;
            tokio::spawn(async move { reader.read(OBJECT, at..at + 1).await })
        })
        .collect();
    rig.until_gets(2).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.store.gets.lock().len(), 2);
    rig.store.gate.add_permits(4);
    for read in reads {
        assert!(read.await.unwrap().is_ok());
    }
    assert_eq!(rig.gets().len(), 4);
}

#[tokio::test]
async fn an_error_reaches_everybody_who_waits_and_is_not_kept() {
    let rig = rig(2 * BLOCK, true);
    rig.store.next_answers.lock().push(Err(BlobError::Unavailable("503".into())));
    let (one, other) = tokio::join!(rig.reader.read(OBJECT, 0..1), rig.reader.read(OBJECT, 1..2));
    assert!(matches!(one, Err(ReadError::Store(BlobError::Unavailable(_)))));
    assert!(matches!(other, Err(ReadError::Store(BlobError::Unavailable(_)))));
    assert_eq!(rig.gets().len(), 1);
    rig.check(0..1, Origin::Store).await;
}

#[tokio::test]
async fn a_block_cut_short_on_its_way_costs_a_get_and_no_wrong_answer() {
    let rig = rig(2 * BLOCK, true);
    rig.store.next_answers.lock().push(Ok(rig.store.object.slice(..500)));
    assert!(matches!(rig.reader.read(OBJECT, 0..1000).await, Err(ReadError::TooShort { end: 1000, .. })));
    rig.check(0..400, Origin::Cache).await;
    rig.check(0..1000, Origin::Store).await;
    rig.check(0..BLOCK, Origin::Cache).await;
}

#[tokio::test]
async fn past_the_end_is_an_error_of_its_own() {
    let rig = rig(BLOCK + 10, true);
    assert!(matches!(rig.reader.read(OBJECT, 0..BLOCK as u32 + 11).await, Err(ReadError::TooShort { .. })));
    let far = rig.reader.read(OBJECT, 3 * BLOCK as u32..3 * BLOCK as u32 + 1).await;
    assert!(matches!(far, Err(ReadError::Store(BlobError::OutOfRange { .. }))));
}

#[tokio::test]
async fn a_reread_passes_and_empties_every_layer() {
    let rig = rig(3 * BLOCK, true);
    let damaged: BTreeMap<u32, Bytes> = (0..3).map(|block| (block, Bytes::from(vec![0xee; BLOCK]))).collect();
    for (block, bytes) in &damaged {
        rig.blocks.insert(BlockKey { object: OBJECT, block: *block }, bytes.clone());
    }
    rig.reader.insert_written(OBJECT, vec![Bytes::from(vec![0xdd; 3 * BLOCK])]);
    let range = 10..BLOCK as u32 + 10;
    assert!(rig.reader.read(OBJECT, range.clone()).await.unwrap().into_contiguous().iter().all(|b| *b == 0xdd));

    let reread = rig.reader.reread(OBJECT, range.clone()).await.unwrap();
    assert_eq!(reread.origin, Origin::Store);
    assert!(reread.into_contiguous() == rig.store.object.slice(10..BLOCK + 10));
    let expected = u64::from(range.start)..u64::from(range.end);
    assert_eq!(rig.gets(), std::slice::from_ref(&expected));

    rig.check(10..BLOCK + 10, Origin::Store).await;
    rig.check(10..BLOCK + 10, Origin::Cache).await;
}

#[tokio::test]
async fn a_panic_in_a_load_is_an_error_for_those_who_wait() {
    let rig = rig(BLOCK, true);
    let key_of = |_: ObjectId| panic!("planted");
    let reader = ObjectReader::new(
        rig.store.clone(),
        rig.blocks.clone(),
        key_of,
        ReaderLimits::default(),
        Tasks::on_current_runtime(),
    );
    assert!(matches!(reader.read(OBJECT, 0..1).await, Err(ReadError::LoadLost { .. })));
    assert!(matches!(reader.read(OBJECT, 0..1).await, Err(ReadError::LoadLost { .. })), "and it does not hang");
}

#[test]
fn fronts_are_shared_where_they_lie_in_one_piece() {
    let whole = object(100);
    let mut read = ReadBytes {
        parts: vec![whole.slice(..10), whole.slice(10..40), whole.slice(40..)],
        origin: Origin::Cache,
        held_bytes: 0,
    };
    assert_eq!(read.take_front(4).unwrap().as_ptr(), whole.as_ptr());
    assert_eq!(read.take_front(6).unwrap(), whole.slice(4..10));
    assert_eq!(read.take_front(50).unwrap(), whole.slice(10..60));
    assert!(read.take_front(41).is_none());
    assert_eq!(read.take_front(40).unwrap(), whole.slice(60..));
    assert!(read.is_empty());
}

#[tokio::test]
async fn what_was_here_and_what_was_not_is_counted() {
    let rig = rig(3 * BLOCK, true);
    rig.check(0..10, Origin::Store).await;
    rig.check(5..2 * BLOCK, Origin::Store).await;
    rig.check(5..20, Origin::Cache).await;
    assert_eq!(rig.reader.usage(), ReaderUsage { written_bytes: 0, hits: 2, misses: 2 });
    rig.reader.insert_written(OBJECT, vec![rig.store.object.clone()]);
    rig.check(0..3 * BLOCK, Origin::Written).await;
    assert_eq!(rig.reader.usage(), ReaderUsage { written_bytes: 3 * BLOCK as u64, hits: 3, misses: 2 });
}
