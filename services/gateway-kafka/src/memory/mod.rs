//! What clients can make this node hold, beside the records that they produce, which the write path bounds.
//!
//! `budget.rs` is a bound that many share, `node.rs` the node's table of budgets, `frames.rs` and `records.rs` two that need
//! more than a number, and `arrival.rs` what a frame has to get before it is read.
//!
//! Nobody waits for one budget while holding another that the first one's holders could be waiting for. The order is:
//! large frames, records (the write path's), entries of Produce, requests, answers.

mod arrival;
mod budget;
mod frames;
mod node;
mod records;

pub(crate) use arrival::{Room, receive};
pub(crate) use budget::{Share, shrink};
pub(crate) use node::Memory;
