//! Consumer groups: listed, described, deleted; how far they have read, committed and reset.
//!
//! The coordinator is the one of Kafka's groups, and so are the rules: offsets are taken from whoever is no member only while
//! the group has none.

mod describe;
mod offsets;
mod reset;

pub(crate) use describe::{__path_delete, __path_describe, __path_list, delete, describe, list};
pub(crate) use offsets::{__path_commit, __path_offsets, commit, offsets};
pub(crate) use reset::{__path_reset, reset};

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use tidelog_catalog_api::{GroupOffset, OffsetRefused};
use tidelog_groups::CommitError;
use tidelog_groups::describe::GroupDescription;
use tidelog_groups::messages::{Claim, CommitRequest, GroupKey};
use tidelog_model::limits::GROUP_ID_BYTES_MAX;

use crate::errors::{self, Code};
use crate::gateway::Shared;
use crate::problem::Refused;

/// A group by name.
///
/// # Errors
/// When none can have that name.
fn key(shared: &Shared, name: &str) -> Result<GroupKey, Refused> {
    if !(1..=GROUP_ID_BYTES_MAX).contains(&name.len()) {
        let detail = format!("a group's name has {} bytes; 1 to {GROUP_ID_BYTES_MAX} work", name.len());
        return Err(Refused::parameter(Code::InvalidGroup, "group", detail));
    }
    Ok(GroupKey { tenant: shared.options.tenant, group: Arc::from(name) })
}

fn unknown(name: &str) -> Refused {
    let detail = format!("there is no group {name:?}; it comes into being with its first member or offset");
    Refused::new(Code::UnknownGroup, detail)
}

/// A group, if there is one; that there is none is confirmed.
async fn find(shared: &Shared, key: &GroupKey) -> Result<Option<GroupDescription>, Refused> {
    let names = BTreeSet::from([key.group.clone()]);
    let found = shared.parts.groups.describe(key.tenant, &names).await;
    found.map(|mut found| found.remove(&key.group)).map_err(|error| errors::of_commit(&error))
}

/// Commits offsets as somebody who is no member; one answer each.
///
/// # Errors
/// When the group has members, or the catalog does not answer.
async fn commit_offsets(
    shared: &Shared,
    key: GroupKey,
    offsets: Vec<GroupOffset>,
) -> Result<Vec<Result<(), OffsetRefused>>, Refused> {
    let claim = Claim { member_id: String::new(), instance_id: None, generation: -1 };
    let committed = shared.parts.groups.commit_offsets(CommitRequest { key, claim, offsets });
    in_time(shared, committed, |error: CommitError| errors::of_commit(&error)).await
}

/// What the coordinator answers, if it does so in time.
async fn in_time<T, E>(
    shared: &Shared,
    answer: impl Future<Output = Result<T, E>>,
    refused: impl FnOnce(E) -> Refused,
) -> Result<T, Refused> {
    match tokio::time::timeout(shared.options.admin_timeout, answer).await {
        Ok(answer) => answer.map_err(refused),
        Err(_) => Err(Refused::new(Code::Timeout, "the catalog has not answered in time").uncertain(true)),
    }
}
