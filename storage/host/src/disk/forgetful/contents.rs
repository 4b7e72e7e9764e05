//! The content of one file: as it is read now, and as it is on the platter.

use std::collections::BTreeSet;
use std::io;

use crate::Random;

pub(super) const BLOCK_BYTES: u64 = 4096;
const SECTOR_BYTES: usize = 512;

/// Content now and on the platter.
#[derive(Default)]
pub(super) struct Contents {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors in which `live` may differ from `durable`, beside what their lengths say.
    unsynced: BTreeSet<usize>,
    blocks: BTreeSet<u64>,
    durable_blocks: BTreeSet<u64>,
    blocks_changed: bool,
}

impl Contents {
    pub(super) fn len(&self) -> u64 {
        self.live.len() as u64
    }

    /// Blocks taken.
    pub(super) fn blocks(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// Writes as much as the free blocks allow.
    pub(super) fn write(&mut self, slices: &[&[u8]], offset: u64, mut blocks_free: u64) -> io::Result<()> {
        let mut at = offset as usize;
        for slice in slices {
            let mut rest = *slice;
            while !rest.is_empty() {
                let block = at as u64 / BLOCK_BYTES;
                if !self.blocks.contains(&block) {
                    blocks_free = blocks_free.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
                    self.take(block);
                }
                let room = ((block + 1) * BLOCK_BYTES) as usize - at;
                let (now, later) = rest.split_at(rest.len().min(room));
                self.put(now, at);
                at += now.len();
                rest = later;
            }
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8], at: usize) {
        let end = at + bytes.len();
        if self.live.len() < end {
            self.live.resize(end, 0);
        }
        self.live[at..end].copy_from_slice(bytes);
        self.unsynced.extend(at / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES));
    }

    fn take(&mut self, block: u64) {
        self.blocks_changed |= self.blocks.insert(block);
    }

    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let found = self.live.get(start..start.saturating_add(buffer.len())).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(found);
        Ok(())
    }

    /// Cuts, or extends by a hole that takes no blocks.
    pub(super) fn set_len(&mut self, bytes: u64) {
        let bytes = bytes as usize;
        if bytes < self.live.len() {
            // What is cut and grown again reads as zeros, which the platter does not know yet.
            self.unsynced.extend(bytes / SECTOR_BYTES..self.live.len().div_ceil(SECTOR_BYTES));
            let kept = (bytes as u64).div_ceil(BLOCK_BYTES);
            let gone = self.blocks.split_off(&kept);
            self.blocks_changed |= !gone.is_empty();
        }
        self.live.resize(bytes, 0);
    }

    /// Takes all blocks of the first `bytes`, or none.
    pub(super) fn allocate(&mut self, bytes: u64, blocks_free: u64) -> io::Result<()> {
        let end = bytes.div_ceil(BLOCK_BYTES);
        let missing: Vec<u64> = (0..end).filter(|block| !self.blocks.contains(block)).collect();
        if missing.len() as u64 > blocks_free {
            return Err(io::ErrorKind::StorageFull.into());
        }
        for block in missing {
            self.take(block);
        }
        if self.live.len() < bytes as usize {
            self.live.resize(bytes as usize, 0);
        }
        Ok(())
    }

    pub(super) fn sync(&mut self) {
        self.durable.resize(self.live.len(), 0);
        for sector in std::mem::take(&mut self.unsynced) {
            self.harden(sector);
        }
        if self.blocks_changed {
            self.durable_blocks.clone_from(&self.blocks);
            self.blocks_changed = false;
        }
    }

    /// A failed sync: the pages are marked clean, and nothing will write them again. The length stays unsynced.
    pub(super) fn lose_unsynced(&mut self) {
        self.unsynced.clear();
    }

    /// Copies a sector to the platter, as far as both have it.
    fn harden(&mut self, sector: usize) {
        let start = sector * SECTOR_BYTES;
        let end = (start + SECTOR_BYTES).min(self.live.len()).min(self.durable.len());
        if start < end {
            self.durable[start..end].copy_from_slice(&self.live[start..end]);
        }
    }

    /// Power loss. With `random`, some of what was not synced has reached the platter.
    pub(super) fn crash(&mut self, random: Option<&Random>) {
        if let Some(random) = random {
            self.tear(random);
        }
        self.unsynced.clear();
        self.live.clone_from(&self.durable);
        let end = self.len().div_ceil(BLOCK_BYTES);
        self.blocks.clone_from(&self.durable_blocks);
        // What the tear wrote takes blocks too.
        self.blocks.extend(self.durable_blocks.last().map_or(0, |last| last + 1)..end);
        self.durable_blocks.clone_from(&self.blocks);
        self.blocks_changed = false;
    }

    fn tear(&mut self, random: &Random) {
        let (old, new) = (self.durable.len(), self.live.len());
        let length = match random.below(3) {
            0 => old,
            1 => new,
            _ => old.min(new) + random.below(old.abs_diff(new) as u64 + 1) as usize,
        };
        self.durable.resize(length, 0);
        let sectors = std::mem::take(&mut self.unsynced);
        let count = sectors.len();
        let kept = match random.below(4) {
            0 => 0,
            1 => random.below(count as u64 + 1) as usize,
            _ => count,
        };
        let holes = random.one_in(2);
        for sector in sectors.into_iter().take(kept) {
            if !holes || random.one_in(2) {
                self.harden(sector);
            }
        }
    }

    pub(super) fn flip_bit(&mut self, offset: u64, bit: u8) {
        let at = offset as usize;
        self.live[at] ^= 1 << bit;
        if let Some(byte) = self.durable.get_mut(at) {
            *byte ^= 1 << bit;
        }
    }
}
