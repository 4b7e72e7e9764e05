//! A disk that fills up under replica and objects: appends are refused and say why, housekeeping goes on, and when there is
//! room again appends work, all without a restart.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tidelog_catalog_api::{Catalog, CatalogError, Command, Outcome};
use tidelog_host::{Clock, ForgetfulDisk};
use tidelog_ingest::AppendError;
use tidelog_model::FirstTry;

use crate::batches::batch;
use crate::harness::value;
use crate::stack::{NODE, Stack, TENANT, TOPIC};

const DIR: &str = "/data";

/// Appends until `enough` says so; what was acknowledged is added to `acknowledged`.
async fn append_until(
    stack: &Stack,
    number: &mut usize,
    acknowledged: &mut Vec<(u64, Vec<u8>)>,
    bytes: usize,
    enough: impl Fn(&Result<u64, AppendError>) -> bool,
) -> Result<u64, AppendError> {
    loop {
        let mut value = value(1, *number);
        value.resize(value.len().max(bytes), b'.');
        *number += 1;
        let result = stack.append(0, &batch(None, 0, std::slice::from_ref(&value))).await;
        let result = result.map(|appended| appended.base_offset.0);
        match &result {
            Ok(offset) => acknowledged.push((*offset, value)),
            Err(error) => assert_eq!(error.first_try(), FirstTry::DidNotHappen, "{error}"),
        }
        if enough(&result) {
            return result;
        }
        if result.is_err() {
            // As clients do before they try again; the disk's free space is looked at once a second.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(*number < 2_000, "it comes to an end");
    }
}

async fn fill_and_recover(bytes: usize) {
    let disk = ForgetfulDisk::new(1);
    let stack = Stack::start(Arc::new(disk.clone()), Path::new(DIR), 64 << 10, 4 << 10).await;
    stack.create_topic().await;
    let (mut number, mut acknowledged) = (0, Vec::new());
    append_until(&stack, &mut number, &mut acknowledged, bytes, |result| result.is_ok()).await.unwrap();

    disk.fill(256 << 10);
    let refused = append_until(&stack, &mut number, &mut acknowledged, bytes, Result::is_err).await;
    let refused = refused.unwrap_err();
    assert!(matches!(refused, AppendError::StoreFull(_)), "{refused}");
    let (kind, text) = (refused.kind(), refused.to_string());
    assert!(kind.retry_is_sensible(), "{text}");
    assert!(text.contains("full"), "{text}");

    // Nothing is left at all, and the catalog's clock, its sessions and whatever frees room still work.
    disk.fill(0);
    let clock = Clock::real();
    for _ in 0..50 {
        stack.catalog.propose(Command::Tick { wall: clock.wall() }).await.unwrap();
    }
    let opened = stack.catalog.propose(Command::OpenSession { node: tidelog_model::NodeId(NODE.0 + 1) }).await;
    assert!(matches!(opened, Ok(Outcome::SessionOpened(_))), "{opened:?}");
    stack.catalog.read_barrier().await.unwrap();
    assert_eq!(stack.read_all(0).await.len(), acknowledged.len(), "what was acknowledged can be read");

    disk.heal();
    let healed = clock.now();
    append_until(&stack, &mut number, &mut acknowledged, bytes, |result| result.is_ok()).await.unwrap();
    assert!(healed.elapsed() < Duration::from_secs(20));
    append_until(&stack, &mut number, &mut acknowledged, 10, |result| result.is_ok()).await.unwrap();
    let offsets = Command::CommitOffsets { tenant: TENANT, group: "g".into(), offsets: Vec::new() };
    assert!(!matches!(stack.catalog.propose(offsets).await, Err(CatalogError::Full(_))));
    assert_eq!(stack.read_all(0).await, acknowledged);
    assert!(stack.catalog.topic(TOPIC).is_some());

    // And it was all durable.
    disk.crash();
    stack.stop().await;
    let stack = Stack::start(Arc::new(disk), Path::new(DIR), 64 << 10, 4 << 10).await;
    assert_eq!(stack.read_all(0).await, acknowledged);
    stack.catalog.validate().unwrap();
    stack.stop().await;
}

#[tokio::test]
async fn a_full_disk_refuses_inline_appends_and_recovers() {
    fill_and_recover(1_000).await;
}

#[tokio::test]
async fn a_full_disk_refuses_objects_and_recovers() {
    fill_and_recover(40_000).await;
}
