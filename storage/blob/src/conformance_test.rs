//! Every store of this crate goes through the suite.

use std::sync::Arc;

use tidelog_host::disk::ForgetfulDisk;
use tidelog_host::{Clock, Random, RealDisk};

use super::conforms;
use crate::{FaultyStore, FileStore, MemoryStore, Metered};

#[tokio::test]
async fn memory_conforms() {
    conforms(&MemoryStore::new(), "test").await;
}

#[tokio::test]
async fn files_conform() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open(Arc::new(RealDisk), folder.path().join("a/b")).unwrap();
    conforms(&store, "test").await;
}

#[tokio::test]
async fn files_on_a_forgetful_disk_conform() {
    let store = FileStore::open(Arc::new(ForgetfulDisk::new(1)), "/objects").unwrap();
    conforms(&store, "test").await;
}

#[tokio::test]
async fn a_faulty_store_without_faults_conforms() {
    conforms(&FaultyStore::new(Arc::new(MemoryStore::new()), Clock::real(), Random::seeded(1)), "test").await;
}

#[tokio::test]
async fn a_metered_store_conforms() {
    conforms(&Metered::new(Arc::new(MemoryStore::new()), Clock::real()), "test").await;
}
