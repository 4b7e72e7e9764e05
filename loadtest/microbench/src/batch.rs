//! Batches of records: checked where they arrive, built where they did not arrive as batches.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use tidelog_format::records::{BatchBuilder, check_batch};
use tidelog_model::TimestampMs;

/// Bytes of a batch, as clients fill one.
const BATCH_BYTES: usize = 64 << 10;
const TIMESTAMP: TimestampMs = TimestampMs(1_700_000_000_000);

pub fn measure(criterion: &mut Criterion) {
    for value_bytes in [100, 1024] {
        let batch = built(value_bytes);
        let mut group = criterion.benchmark_group("batch");
        group.throughput(Throughput::Bytes(batch.len() as u64));
        group.bench_function(format!("check 64 KiB of {value_bytes}-byte records"), |bencher| {
            bencher.iter(|| check_batch(black_box(&batch)).expect("it is whole"));
        });
        group.bench_function(format!("build 64 KiB of {value_bytes}-byte records"), |bencher| {
            bencher.iter(|| built(black_box(value_bytes)));
        });
        group.finish();
    }
}

/// A batch of records with values of so many bytes.
pub fn built(value_bytes: usize) -> Vec<u8> {
    let value: Vec<u8> = (0..value_bytes).map(|index| (index * 31 % 251) as u8).collect();
    let mut builder = BatchBuilder::with_room(BATCH_BYTES);
    while builder.bytes() + BatchBuilder::record_bytes_max(None, Some(&value), &[]) <= BATCH_BYTES {
        builder.push(TIMESTAMP, None, Some(&value), &[]);
    }
    builder.finish().into_bytes()
}
