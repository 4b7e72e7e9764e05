//! Connections that cost their opener nothing: unfinished frames, idle ones, too many.

use std::time::{Duration, Instant};

use crate::Target;
use crate::calls::topics;
use crate::wire::{API_VERSIONS, Client, METADATA, PRODUCE, Put, Went, body};

/// A frame that has begun must be there after ten seconds and a second for each 64 KiB. The rest is for a busy machine.
const FRAME_GIVEN_UP: Duration = Duration::from_secs(10 + 10);
/// Most connections that the server keeps.
const CONNECTIONS_MAX: usize = 10_000;
const MIB: i32 = 1 << 20;

/// The start of a frame, of which `sent` bytes come.
fn begun(length: i32, api: i16, sent: usize) -> Vec<u8> {
    let mut bytes = body().i32(length).i16(api).i16(4).i32(1).string("slow").raw(&[0; 4_096]);
    bytes.truncate(sent);
    bytes
}

#[test]
fn frames_that_never_finish_are_given_up_and_nobody_waits_for_them() {
    let target = Target::start();
    target.attacked(64, |address| {
        let begun_at = Instant::now();
        let mut slow: Vec<Client> = (0..400).map(|_| Client::connect(address)).collect();
        for (number, client) in slow.iter_mut().enumerate() {
            let api = if number % 2 == 0 { PRODUCE } else { METADATA };
            client.send_raw(&begun(2_000, api, 1 + number * 4)).unwrap();
        }
        // A byte now and then keeps none of them alive.
        while begun_at.elapsed() < Duration::from_secs(8) {
            for client in &mut slow {
                let _ = client.send_raw(&[0]);
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        for client in slow {
            client.must_close(FRAME_GIVEN_UP.saturating_sub(begun_at.elapsed()));
        }
    });
}

#[test]
fn large_frames_that_are_announced_and_never_come_keep_nobody_waiting() {
    let target = Target::start();
    target.attacked(64, |address| {
        let mut slow = Vec::new();
        let begun_at = Instant::now();
        while begun_at.elapsed() < Duration::from_secs(6) {
            // Those that were closed come again, as an attacker would.
            slow.retain_mut(|client: &mut Client| client.went(Duration::from_millis(1)) == Went::Waits);
            while slow.len() < 24 {
                let (length, api) = if slow.len() % 2 == 0 { (100 * MIB, PRODUCE) } else { (8 * MIB, METADATA) };
                let mut client = Client::connect(address);
                client.send_raw(&begun(length, api, 100)).unwrap();
                slow.push(client);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    });
}

#[test]
fn idle_connections_are_cheap_and_more_than_the_maximum_are_closed_at_once() {
    allow_open_files(CONNECTIONS_MAX + 1_000);
    let target = Target::start();
    // 2,000 idle ones: at most 16 KiB each.
    let (mut idle, mut known) = target.attacked(32 + 16, |address| {
        let idle: Vec<Client> = (0..2_000).map(|_| Client::connect(address)).collect();
        (idle, Client::connect(address))
    });
    for client in &mut idle {
        client.stream.set_nonblocking(true).unwrap();
    }
    // The rest of 10,000, and some more: each at most 16 KiB.
    let address = target.address().to_owned();
    let before = target.memory.now_mib();
    while idle.len() < CONNECTIONS_MAX + 50 {
        let client = Client::connect(&address);
        client.stream.set_nonblocking(true).unwrap();
        idle.push(client);
    }
    let mut newest = Client::connect(&address);
    assert_eq!(newest.went(Duration::from_secs(5)), Went::Closed, "over the maximum");
    // Whoever was there goes on as before.
    for _ in 0..20 {
        let asked = Instant::now();
        assert_eq!(topics(&mut known), ["calm"]);
        assert!(asked.elapsed() < crate::bystander::SLOWEST_MAX);
    }
    let grown = target.memory.peak_mib().saturating_sub(before);
    assert!(grown <= 128 + 16, "memory grew by {grown} MiB");
    // When they are gone there is room again, as soon as the server has noticed.
    drop(idle);
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_served(&address) {
        assert!(Instant::now() < deadline, "still no room");
    }
    target.attacked(16, |_| ());
}

fn is_served(address: &str) -> bool {
    let mut client = Client::connect(address);
    // May be closed before it is written, and then there is no answer.
    let _ = client.send_raw(&crate::wire::frame(API_VERSIONS, 0, 1, &[]));
    client.went(Duration::from_secs(5)) == Went::Answered
}

/// Lets this process have that many connections.
fn allow_open_files(count: usize) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: plain system calls on a structure of our own.
    let set = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit)
    };
    assert_eq!(set, 0);
    assert!(limit.rlim_max as usize >= count, "the system allows {} open files, this needs {count}", limit.rlim_max);
}
