//! A flush delay is not multiplied by the number of requests in flight.

use std::collections::VecDeque;
use std::time::Duration;

use crate::batches::batch;
use crate::harness::{Path, PathOptions, large};

/// Milliseconds of (simulated) time to append `count` batches to one partition from one connection.
async fn milliseconds(count: usize, in_flight: usize) -> u128 {
    let path = Path::start(PathOptions { store_latency: Duration::from_millis(50), ..PathOptions::default() }).await;
    let started = tokio::time::Instant::now();
    let mut waiting = VecDeque::new();
    for i in 0..count {
        if waiting.len() == in_flight {
            let oldest: tidelog_ingest::AppendFuture = waiting.pop_front().unwrap();
            oldest.await.unwrap();
        }
        waiting.push_back(path.append(1, 0, &batch(None, 0, &[large(i as u64)])));
    }
    for append in waiting {
        append.await.unwrap();
    }
    started.elapsed().as_millis()
}

#[tokio::test(start_paused = true)]
async fn five_in_flight_are_four_and_a_half_times_as_fast_as_one_on_a_store_of_50_ms() {
    let one = milliseconds(100, 1).await;
    let five = milliseconds(100, 5).await;
    println!("100 batches: one in flight {one} ms, five {five} ms");
    assert!(one >= 100 * 50, "every batch is durable before it is acknowledged");
    assert!(five * 45 <= one * 10, "five in flight took {five} ms, one {one} ms");
}
