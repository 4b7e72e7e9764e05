//! What was found out about clients of one set of subscriptions, so that patterns are not held against the same text twice.
//!
//! All of it can be found out again, so what becomes too much is forgotten as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::settings::Selector;
use super::subscriptions::Wanted;

/// Texts of clients that are remembered, each of 256 bytes at most.
pub(super) const TEXTS_MAX: usize = 1_024;
/// What is wanted by so many combinations of subscriptions is remembered,
const WANTED_MAX: usize = 256;
/// as long as it takes no more memory; one of them is remembered in any case.
const WANTED_BYTES_MAX: usize = 8 << 20;

/// For each subscription, in order, whether something holds.
pub(super) type Each = Arc<[bool]>;

/// What is remembered.
#[derive(Default)]
pub(super) struct Known {
    /// Which subscriptions do not refuse a client with such a text.
    fits: BTreeMap<(Selector, Box<str>), Each>,
    /// By the subscriptions that want it.
    wanted: BTreeMap<Each, Arc<Wanted>>,
    wanted_bytes: usize,
}

impl Known {
    pub(super) fn fits(&self, selector: Selector, text: &str) -> Option<Each> {
        self.fits.get(&(selector, text.into())).cloned()
    }

    pub(super) fn note_fits(&mut self, selector: Selector, text: &str, fits: &Each) {
        if self.fits.len() >= TEXTS_MAX {
            self.fits.clear();
        }
        self.fits.insert((selector, text.into()), fits.clone());
    }

    pub(super) fn wanted(&self, by: &Each) -> Option<Arc<Wanted>> {
        self.wanted.get(by).cloned()
    }

    pub(super) fn note_wanted(&mut self, by: Each, wanted: &Arc<Wanted>) {
        let bytes = wanted.bytes();
        if self.wanted.len() >= WANTED_MAX || self.wanted_bytes + bytes > WANTED_BYTES_MAX {
            self.wanted.clear();
            self.wanted_bytes = 0;
        }
        if self.wanted.insert(by, wanted.clone()).is_none() {
            self.wanted_bytes += bytes;
        }
    }

    #[cfg(test)]
    pub(super) fn texts(&self) -> usize {
        self.fits.len()
    }
}
