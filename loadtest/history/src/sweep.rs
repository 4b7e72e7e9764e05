//! Real time against offset order, in one pass.
//!
//! Every operation shows a position in the log: an append its offset, a read the high watermark it was told, which lies just
//! before the record of that offset. Going up by position, an operation that had completed before one further down was
//! begun is out of order.

use crate::event::Place;
use crate::violation::{Findings, Invariant};

/// What showed the position. The order is that of positions: the tail `t` lies before the append at `t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A high watermark.
    Tail,
    /// A record.
    Append { record: u64 },
}

/// One operation. An append of unknown outcome completes at `u64::MAX`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    pub(crate) position: u64,
    pub(crate) kind: Kind,
    pub(crate) process: u32,
    pub(crate) invoked_us: u64,
    pub(crate) completed_us: u64,
}

pub(crate) fn check(place: &Place, mut items: Vec<Item>, findings: &mut Findings) {
    items.sort_unstable_by_key(|item| (item.position, item.kind, item.invoked_us));
    // The operation that was begun last among those further down.
    let mut latest: Option<Item> = None;
    for item in items {
        if let Some(below) = latest.filter(|below| item.completed_us < below.invoked_us) {
            accuse(place, below, item, findings);
        }
        if latest.is_none_or(|below| item.invoked_us > below.invoked_us) {
            latest = Some(item);
        }
    }
}

/// `above` had completed before `below` was begun, yet lies higher.
fn accuse(place: &Place, below: Item, above: Item, findings: &mut Findings) {
    let (low, high) = (below.position, above.position);
    match (below.kind, above.kind) {
        (Kind::Append { record: late }, Kind::Append { record: early }) => findings.add(Invariant::I5Order, || {
            format!("record {early} was acknowledged at {high} of {place:?} before record {late} was sent, which got {low}")
        }),
        (Kind::Tail, Kind::Append { record }) => findings.add(Invariant::I7NeverBack, || {
            let reader = below.process;
            format!("record {record} was acknowledged at {high} of {place:?}; process {reader} asked later and was told the log ends at {low}")
        }),
        (Kind::Tail, Kind::Tail) => findings.add(Invariant::I7NeverBack, || {
            let (first, second) = (above.process, below.process);
            format!("the high watermark of {place:?} went back from {high} (process {first}) to {low} (process {second})")
        }),
        (Kind::Append { record }, Kind::Tail) => findings.add(Invariant::I7NeverBack, || {
            let reader = above.process;
            format!("process {reader} was told that {place:?} ends at {high} before record {record} was sent, which got {low}")
        }),
    }
}
