//! Clients that mean harm, or are broken, against the real binary: each attack is refused with the protocol's own answer,
//! while a normal client beside it goes on as if nothing happened and the server's memory stays within a stated bound.
//! And damage at rest: what cannot be read is an error that names the file, never wrong bytes, and nothing is cleaned up.
//! And a file system without room.

#![allow(clippy::unwrap_used)]

mod batch;
mod bombs;
mod bystander;
mod calls;
mod connections;
mod counts;
mod damage;
mod damaged_snapshot;
mod edges;
mod fetch;
mod floods;
mod frames;
mod full_file_system;
mod memory;
mod produce;
mod samples;
mod wire;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bystander::{Bystander, SLOWEST_MAX};
use memory::Memory;
use tidelog_clients::Server;
use tidelog_clients::server::Options;

/// Attacks are judged by what happens to the latency of others, so there is one at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A server of its own for one test, alone on the machine as far as this file can say.
struct Target {
    server: Server,
    memory: Memory,
    _alone: MutexGuard<'static, ()>,
}

impl Target {
    fn start() -> Target {
        // Another test that failed left nothing behind: its server ended with it.
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let server = Server::start(Options::default()).expect("the server starts");
        let memory = Memory::of(server.process().unwrap());
        Target { server, memory, _alone: alone }
    }

    fn address(&self) -> &str {
        self.server.address()
    }

    /// Runs `attack` beside a normal client, which must not notice, and checks that the server's memory at no moment grew by
    /// more than `growth_max` MiB.
    fn attacked<T>(&self, growth_max: u64, attack: impl FnOnce(&str) -> T) -> T {
        self.attacked_within(SLOWEST_MAX, growth_max, attack)
    }

    /// The same, for attacks that take so much of the machine's processors that others wait for them.
    fn attacked_within<T>(&self, slowest_max: Duration, growth_max: u64, attack: impl FnOnce(&str) -> T) -> T {
        Bystander::check(self.address(), "before");
        let before = self.memory.now_mib();
        let bystander = Bystander::start(self.address());
        let result = attack(self.address());
        bystander.finish(slowest_max);
        Bystander::check(self.address(), "after");
        let grown = self.memory.peak_mib().saturating_sub(before);
        println!("memory: {before} MiB before, at most {grown} MiB more");
        assert!(grown <= growth_max, "memory grew by {grown} MiB, over the bound of {growth_max} MiB");
        result
    }
}
