//! Objects in memory, gone with the process: for play and for tests.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::RwLock;

use crate::{BlobError, BlobStore, Key, ListedObject, Purpose};

/// Objects in memory. Nothing bounds them but the memory: this is for play and for tests.
#[derive(Default)]
pub struct MemoryStore {
    objects: RwLock<BTreeMap<Key, Bytes>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    fn find(&self, key: &Key) -> Result<Bytes, BlobError> {
        self.objects.read().get(key).cloned().ok_or_else(|| BlobError::NotFound { key: key.to_string() })
    }
}

#[async_trait]
impl BlobStore for MemoryStore {
    async fn put(&self, key: &Key, payload: Vec<Bytes>, _purpose: Purpose) -> Result<(), BlobError> {
        // Copied, so that a small slice does not keep a large frame alive for as long as the object lives.
        self.objects.write().insert(key.clone(), payload.concat().into());
        Ok(())
    }

    async fn put_if_absent(&self, key: &Key, payload: Bytes, _purpose: Purpose) -> Result<bool, BlobError> {
        let mut objects = self.objects.write();
        if objects.contains_key(key) {
            return Ok(false);
        }
        objects.insert(key.clone(), payload);
        Ok(true)
    }

    async fn get(&self, key: &Key, range: Range<u64>, _purpose: Purpose) -> Result<Bytes, BlobError> {
        assert!(!range.is_empty(), "an empty range is not read");
        let object = self.find(key)?;
        if range.end > object.len() as u64 {
            return Err(BlobError::OutOfRange { key: key.to_string(), end: range.end });
        }
        Ok(object.slice(range.start as usize..range.end as usize))
    }

    async fn get_up_to(&self, key: &Key, range: Range<u64>, purpose: Purpose) -> Result<Bytes, BlobError> {
        let bytes = self.find(key)?.len() as u64;
        if range.start >= bytes {
            return Err(BlobError::OutOfRange { key: key.to_string(), end: range.end });
        }
        self.get(key, range.start..range.end.min(bytes), purpose).await
    }

    async fn get_all(&self, key: &Key, _purpose: Purpose) -> Result<Bytes, BlobError> {
        self.find(key)
    }

    async fn delete(&self, keys: &[Key], _purpose: Purpose) -> Result<(), BlobError> {
        let mut objects = self.objects.write();
        for key in keys {
            objects.remove(key);
        }
        Ok(())
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, count_max: usize) -> Result<Vec<ListedObject>, BlobError> {
        let objects = self.objects.read();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let found = objects.range((from, Bound::Unbounded)).filter(|(key, _)| key.as_str().starts_with(prefix));
        let listed = |(key, object): (&Key, &Bytes)| ListedObject { key: key.clone(), bytes: object.len() as u64 };
        Ok(found.take(count_max).map(listed).collect())
    }

    fn is_remote(&self) -> bool {
        false
    }

    fn describe(&self) -> String {
        "memory:".to_owned()
    }
}
