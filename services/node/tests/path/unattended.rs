//! Records that nobody waits for (acks=0) are not given up when their connection ends, as those are that somebody waited for.

use std::time::Duration;

use tidelog_ingest::Append;

use crate::batches::{admitted, batch};
use crate::harness::{Path, PathOptions, large, partition, value};

/// Appends to partition 0 behind uploads that hang, and leaves at once.
async fn append_and_leave(unattended: bool) -> usize {
    let path = Path::start(PathOptions::default()).await;
    path.store.hang_next_puts(100);
    let mut hung = Vec::new();
    for number in 0..8 {
        hung.push(tokio::spawn(path.append(9, 1, &batch(None, 0, &[large(number)]))));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The slots are taken, so these wait in the buffer; the small one behind may not pass the large one.
    for values in [[large(100)], [value(1, 0)]] {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        let (partition, batches) = (partition(path.topic, 0), admitted(&batch(None, 0, &values)));
        drop(path.ingest.append(Append {
            partition,
            batches,
            source: 1,
            deadline,
            unattended,
            held: None,
            conditions: None,
        }));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(path.read_all(0).await.is_empty(), "the store hangs");
    path.store.hang_next_puts(0);
    while !hung.iter().all(|append| append.is_finished()) {
        path.store.resume();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    path.ingest.drain().await;
    path.catalog.validate();
    path.read_all(0).await.len()
}

#[tokio::test(start_paused = true)]
async fn records_that_nobody_waits_for_are_not_given_up() {
    assert_eq!(append_and_leave(true).await, 2);
    assert_eq!(append_and_leave(false).await, 0, "who waited and went sends them again");
}
