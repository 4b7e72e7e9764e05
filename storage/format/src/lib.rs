//! Bytes at rest: how things are laid out, and nothing about where.
//!
//! **Owns:** the encoding helpers of everything that is stored ([`codec`]), the flush object's layout, record
//! compression with capped output, and the golden files. **Promises:** decoding checks every length against the bytes
//! that are left before it allocates, never panics, and says [`codec::Corrupt`] where it is wrong. **Does not know:**
//! I/O, async, the catalog.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod codec;
pub mod flush_object;
pub mod records;
