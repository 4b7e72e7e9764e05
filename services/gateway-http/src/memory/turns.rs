//! Whose turn it is to get room: those who wait are served in turn by their addresses, and each of them in order.
//!
//! First come, first served would let one machine with thousands of connections be before everybody else: clients that take
//! nothing, and ask again as soon as they are cut off, would hold up all others. So each address has a line, and the first of
//! each line alone waits for the room itself.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Where a client is: its address, of IPv6 the network, as those of whom 64 bits are the same are one customer's as a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address(IpAddr);

impl Address {
    /// Of requests that came over no connection, as in tests.
    pub(crate) const NOWHERE: Address = Address(IpAddr::V4(Ipv4Addr::UNSPECIFIED));

    pub(crate) fn of(address: IpAddr) -> Address {
        Address(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        })
    }
}

/// The lines in front of a budget.
#[derive(Default)]
pub(super) struct Turns {
    /// Of the addresses that somebody waits from.
    lines: Mutex<BTreeMap<Address, Line>>,
}

struct Line {
    waiting: usize,
    turn: Arc<Semaphore>,
}

impl Turns {
    /// Waits until the first of its line; it is so until what this returns is dropped. A cancelled caller leaves nothing behind.
    pub(super) async fn come(&self, address: Address) -> Turn<'_> {
        let (waiting, turn) = self.enter(address);
        let first = turn.acquire_owned().await.expect("the semaphore is never closed");
        Turn { _first: first, _waiting: waiting }
    }

    fn enter(&self, address: Address) -> (Waiting<'_>, Arc<Semaphore>) {
        let mut lines = self.lines.lock();
        let line = lines.entry(address).or_insert_with(|| Line { waiting: 0, turn: Arc::new(Semaphore::new(1)) });
        line.waiting += 1;
        (Waiting { turns: self, address }, line.turn.clone())
    }
}

/// Held by the first of a line.
pub(super) struct Turn<'a> {
    // In this order: the next one is told before the line is given up.
    _first: OwnedSemaphorePermit,
    _waiting: Waiting<'a>,
}

struct Waiting<'a> {
    turns: &'a Turns,
    address: Address,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut lines = self.turns.lines.lock();
        let line = lines.get_mut(&self.address).expect("it is there while somebody waits in it");
        line.waiting -= 1;
        if line.waiting == 0 {
            lines.remove(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn an_address_of_ipv6_is_its_network() {
        let of = |address: &str| Address::of(address.parse().unwrap());
        assert_eq!(of("10.0.0.1"), of("::ffff:10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2::"));
        assert_ne!(of("2001:db8:1:2::"), of("2001:db8:1:3::"));
    }

    #[test]
    fn lines_are_in_order_and_gone_when_nobody_waits() {
        let (turns, address) = (Turns::default(), Address::of([127, 0, 0, 1].into()));
        let first = turns.come(address).now_or_never().expect("nobody is before it");
        let mut second = Box::pin(turns.come(address));
        assert!(second.as_mut().now_or_never().is_none());
        let other = turns.come(Address::of([127, 0, 0, 2].into())).now_or_never().expect("it has a line of its own");
        let mut third = Box::pin(turns.come(address));
        assert!(third.as_mut().now_or_never().is_none());
        drop(first);
        assert!(third.as_mut().now_or_never().is_none());
        drop(second);
        assert!(third.now_or_never().is_some());
        drop(other);
        assert!(turns.lines.lock().is_empty());
    }
}
