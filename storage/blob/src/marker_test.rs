//! A store has one owner, and its marker is believed only whole.

use std::sync::Arc;

use bytes::Bytes;
use tidelog_host::{Clock, Disk, ForgetfulDisk, Random};

use super::{KEY, PURPOSE, decode, encode};
use crate::{
    BlobStore, Call, ClaimError, Claimed, Fault, FaultyStore, Key, MemoryStore, S3Options, check_unclaimed, claim,
    open, probe,
};

fn store() -> FaultyStore {
    FaultyStore::new(Arc::new(MemoryStore::new()), Clock::real(), Random::seeded(1))
}

#[tokio::test]
async fn the_first_to_claim_owns_the_store() {
    let (store, random) = (store(), Random::seeded(1));
    assert_eq!(claim(&store, [1; 16], &random).await.unwrap(), Claimed::Now);
    assert_eq!(claim(&store, [1; 16], &random).await.unwrap(), Claimed::Already);
    let error = claim(&store, [2; 16], &random).await.err().unwrap();
    assert!(matches!(&error, ClaimError::Foreign { found, .. } if *found == "01".repeat(16)), "{error}");
    assert_eq!(claim(&store, [1; 16], &random).await.unwrap(), Claimed::Already);
}

#[tokio::test]
async fn a_folder_is_known_to_be_claimed_without_being_opened() {
    let (disk, random): (Arc<dyn Disk>, _) = (Arc::new(ForgetfulDisk::new(1)), Random::seeded(1));
    let (url, options) = ("file:///objects", S3Options::default());
    let check = || check_unclaimed(url, &options, disk.clone(), Clock::real(), Random::seeded(2));
    check().await.unwrap();
    assert!(!disk.exists("/objects".as_ref()).unwrap(), "looking makes nothing");
    let store = open(url, &options, disk.clone(), Clock::real(), random.clone()).await.unwrap();
    check().await.unwrap();
    claim(&*store, [1; 16], &random).await.unwrap();
    let at_work = std::path::Path::new("/objects/~tmp/7");
    disk.create(at_work).unwrap();
    let error = check().await.err().unwrap();
    assert!(matches!(&error, ClaimError::Foreign { found, .. } if *found == "01".repeat(16)), "{error}");
    assert!(disk.exists(at_work).unwrap(), "what the owner is writing is left alone");
}

#[tokio::test]
async fn a_lost_answer_is_no_foreign_store() {
    let (store, random) = (store(), Random::seeded(1));
    store.next(Call::PutIfAbsent, Fault::AnswerLost);
    assert!(claim(&store, [1; 16], &random).await.is_err());
    assert_eq!(claim(&store, [1; 16], &random).await.unwrap(), Claimed::Already);
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_not_claimed() {
    let (store, random) = (store(), Random::seeded(1));
    store.always(Call::GetAll, Fault::Unavailable);
    assert!(claim(&store, [1; 16], &random).await.is_err());
    assert_eq!(store.calls(PURPOSE, Call::PutIfAbsent), 0);
}

#[tokio::test]
async fn a_damaged_marker_is_neither_ours_nor_replaced() {
    let (store, random) = (store(), Random::seeded(1));
    let whole = encode([1; 16], [2; 16]);
    for at in 0..whole.len() {
        let mut damaged = whole.to_vec();
        damaged[at] ^= 1;
        assert_eq!(decode(&damaged), None, "byte {at}");
        assert_eq!(decode(&whole[..at]), None);
    }
    store.put(&Key::new(KEY), vec![Bytes::new()], PURPOSE).await.unwrap();
    let error = claim(&store, [1; 16], &random).await.err().unwrap();
    assert!(matches!(error, ClaimError::Damaged { bytes: 0, .. }), "{error}");
}

#[test]
fn the_marker_never_changes() {
    let text = "tidelog cluster v1\ncluster 01010101010101010101010101010101\nnonce 02020202020202020202020202020202\n\
                checksum dfaae951612570cb\n";
    assert_eq!(encode([1; 16], [2; 16]), text);
    assert_eq!(decode(text.as_bytes()), Some([1; 16]));
}

#[tokio::test]
async fn a_probe_says_what_the_store_can_do() {
    let (store, random) = (store(), Random::seeded(1));
    let able = probe(&store, &random).await.unwrap();
    assert_eq!(able.to_string(), "conditional put: yes, ranged get: yes, list after put: yes, delete: yes");
    assert!(store.list("", None, 1).await.unwrap().is_empty(), "nothing stays behind");

    for call in [Call::PutIfAbsent, Call::Get, Call::List, Call::Delete] {
        store.always(call, Fault::Refused);
        let able = probe(&store, &random).await.unwrap();
        assert_eq!(
            [able.conditional_put, able.ranged_get, able.list_after_put, able.delete],
            [Call::PutIfAbsent, Call::Get, Call::List, Call::Delete].map(|of| of != call)
        );
        store.heal();
    }
    store.next(Call::Put, Fault::Refused);
    assert!(probe(&store, &random).await.err().unwrap().to_string().contains("s3:PutObject"));
    store.next(Call::GetAll, Fault::Refused);
    assert!(probe(&store, &random).await.err().unwrap().to_string().contains("s3:GetObject"));
}
