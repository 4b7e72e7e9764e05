//! Consumer groups: who is in them, how far they are, and setting that anew.

use std::fmt;

use reqwest::Method;
use serde::{Deserialize, Serialize};

use crate::request::Safety;
use crate::{Client, Error, Problem, Start};

/// Groups that are asked for at once.
const PAGE: &str = "1000";

/// A group among others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GroupSummary {
    /// Its name.
    pub group: String,
    /// What it is doing, in Kafka's words: `Empty`, `Stable`, …
    pub state: String,
    /// What its members are to each other: `consumer`, as a rule.
    #[serde(default)]
    pub protocol_type: String,
    /// How many members it has.
    #[serde(default)]
    pub members: u64,
}

/// All about a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GroupInfo {
    /// Its name.
    pub group: String,
    /// What it is doing, in Kafka's words: `Empty`, `Stable`, …
    pub state: String,
    /// What its members are to each other: `consumer`, as a rule.
    #[serde(default)]
    pub protocol_type: String,
    /// How they share the work.
    #[serde(default)]
    pub protocol: String,
    /// Its members.
    #[serde(default)]
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GroupMember {
    /// Its id, given by the server.
    pub member_id: String,
    /// What it calls itself.
    #[serde(default)]
    pub client_id: String,
    /// Where it connects from.
    #[serde(default)]
    pub client_host: String,
    /// Its name across restarts, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// What it reads: nothing unless the group is stable. Members that are no consumers do not tell.
    #[serde(default)]
    pub assignment: Vec<Assignment>,
}

/// Partitions of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Assignment {
    /// The topic.
    pub topic: String,
    /// The partitions.
    pub partitions: Vec<u32>,
}

/// How far a group is in a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GroupOffset {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The offset that the group reads next.
    #[serde(with = "crate::offset")]
    pub offset: u64,
    /// What the group noted beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// The offset that the partition's next record will get, unless the partition is gone.
    #[serde(with = "crate::offset::option", default)]
    pub tail: Option<u64>,
    /// How many offsets lie between.
    #[serde(with = "crate::offset::option", default)]
    pub lag: Option<u64>,
}

/// How far a group is to be in a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OffsetCommit {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The offset that is to be read next.
    #[serde(with = "crate::offset")]
    pub offset: u64,
    /// A note beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
}

/// Where a group is to go on in a topic.
///
/// ```
/// use tidelog::{ResetOffsets, Start};
/// let reset = ResetOffsets::new("orders", Start::Earliest).partitions([0, 1]).dry_run(true);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[must_use]
pub struct ResetOffsets {
    topic: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    partitions: Option<Vec<u32>>,
    to: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

impl ResetOffsets {
    /// All partitions of a topic.
    pub fn new(topic: impl Into<String>, to: Start) -> ResetOffsets {
        ResetOffsets { topic: topic.into(), partitions: None, to: to.to_string(), dry_run: false }
    }

    /// These partitions only.
    pub fn partitions(mut self, partitions: impl IntoIterator<Item = u32>) -> ResetOffsets {
        self.partitions = Some(partitions.into_iter().collect());
        self
    }

    /// Whether only to tell what would be.
    pub fn dry_run(mut self, yes: bool) -> ResetOffsets {
        self.dry_run = yes;
        self
    }
}

/// What became of a group's offset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OffsetChange {
    /// The partition's topic, where it is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The partition.
    pub partition: u32,
    /// What it was, if the group had been there.
    #[serde(with = "crate::offset::option", default)]
    pub before: Option<u64>,
    /// What it is, or would be.
    #[serde(with = "crate::offset::option", default)]
    pub after: Option<u64>,
}

impl fmt::Display for GroupOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} @{}", self.topic, self.partition, self.offset)
    }
}

#[derive(Deserialize)]
struct GroupPage {
    groups: Vec<GroupSummary>,
    #[serde(default)]
    next: Option<String>,
}

/// What became of an offset that was to be committed.
#[derive(Deserialize)]
struct Outcome {
    topic: String,
    partition: u32,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    detail: Option<String>,
}

impl Outcome {
    fn refused(self) -> Error {
        let Outcome { topic, partition, code, detail } = self;
        let code = code.unwrap_or_default();
        let status = if code.starts_with("unknown_") { 404 } else { 409 };
        let detail = format!("of {topic}/{partition} no offset is noted: {}", detail.unwrap_or_default());
        Error::Refused(Problem { status, code, detail, ..Problem::default() }.into())
    }
}

#[derive(Deserialize)]
struct Offsets<T> {
    offsets: Vec<T>,
    #[serde(default)]
    next: Option<String>,
}

impl Client {
    /// All groups, by name.
    ///
    /// # Errors
    /// The server cannot be asked.
    pub async fn groups(&self) -> Result<Vec<GroupSummary>, Error> {
        let mut groups = Vec::new();
        let mut after = None;
        loop {
            let mut url = self.url(&["v1", "groups"])?;
            url.query_pairs_mut().append_pair("limit", PAGE).extend_pairs(after.iter().map(|after| ("after", after)));
            let page: GroupPage = self.get(url).await?;
            groups.extend(page.groups);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(groups),
            }
        }
    }

    /// A group and its members.
    ///
    /// # Errors
    /// `unknown_group` when there is none.
    pub async fn group(&self, name: &str) -> Result<GroupInfo, Error> {
        self.get(self.url(&["v1", "groups", name])?).await
    }

    /// How far a group is, wherever it has been.
    ///
    /// # Errors
    /// `unknown_group` when there is none.
    pub async fn group_offsets(&self, name: &str) -> Result<Vec<GroupOffset>, Error> {
        let mut offsets = Vec::new();
        let mut after = None;
        loop {
            let mut url = self.url(&["v1", "groups", name, "offsets"])?;
            url.query_pairs_mut().append_pair("limit", PAGE).extend_pairs(after.iter().map(|after| ("after", after)));
            let page: Offsets<GroupOffset> = self.get(url).await?;
            offsets.extend(page.offsets);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(offsets),
            }
        }
    }

    /// Sets where a group goes on.
    ///
    /// # Errors
    /// Refused while the group has members, who know better where they are.
    pub async fn reset_offsets(&self, group: &str, reset: &ResetOffsets) -> Result<Vec<OffsetChange>, Error> {
        let url = self.url(&["v1", "groups", group, "offsets"])?;
        let told: Result<Offsets<OffsetChange>, Error> = if reset.dry_run {
            self.say(Safety::Repeatable, Method::POST, url, reset).await.map_err(Error::of_read)
        } else {
            self.say(Safety::Once, Method::POST, url, reset).await
        };
        Ok(told?.offsets)
    }

    /// Notes how far a group is, as a consumer without members does.
    ///
    /// # Errors
    /// Refused while the group has members, and for partitions that there are not; those of the others are noted then.
    pub async fn commit_offsets(&self, group: &str, offsets: &[OffsetCommit]) -> Result<(), Error> {
        let url = self.url(&["v1", "groups", group, "offsets"])?;
        // Said twice it is what it was; whoever reads in turns with others commits in turns too.
        let told: Offsets<Outcome> =
            self.say(Safety::Repeatable, Method::PUT, url, &serde_json::json!({ "offsets": offsets })).await?;
        match told.offsets.into_iter().find(|outcome| outcome.code.is_some()) {
            Some(outcome) => Err(outcome.refused()),
            None => Ok(()),
        }
    }

    /// Deletes a group, with what it has noted.
    ///
    /// # Errors
    /// `unknown_group` when there is none; refused while it has members.
    pub async fn delete_group(&self, name: &str) -> Result<(), Error> {
        self.delete(self.url(&["v1", "groups", name])?).await
    }
}

#[cfg(test)]
mod tests {
    use tidelog_http_api as said;

    use super::*;

    fn read<T: serde::de::DeserializeOwned>(said: &impl Serialize) -> T {
        serde_json::from_str(&serde_json::to_string(said).unwrap()).unwrap()
    }

    #[test]
    fn what_the_server_says_is_understood() {
        let assigned = said::AssignedTopic { topic: "t".to_owned(), partitions: vec![1, 2] };
        let member = |assignment: Option<Vec<said::AssignedTopic>>| said::GroupMember {
            member_id: "m".to_owned(),
            client_id: "c".to_owned(),
            client_host: "h".to_owned(),
            instance_id: None,
            assignment,
        };
        let group: GroupInfo = read(&said::GroupInfo {
            group: "g".to_owned(),
            state: "Stable".to_owned(),
            protocol_type: "consumer".to_owned(),
            protocol: "range".to_owned(),
            members: vec![member(Some(vec![assigned])), member(None)],
        });
        assert_eq!((group.members[0].assignment[0].partitions.as_slice(), group.members.len()), (&[1, 2][..], 2));
        let offset: GroupOffset = read(&said::GroupOffset {
            topic: "t".to_owned(),
            partition: 3,
            offset: said::WireOffset(1 << 60),
            metadata: String::new(),
            tail: said::WireOffset(5),
            lag: said::WireOffset(0),
        });
        assert_eq!((offset.offset, offset.tail, offset.lag), (1 << 60, Some(5), Some(0)));
        let change: OffsetChange =
            read(&said::OffsetReset { topic: "t".to_owned(), partition: 3, before: None, after: said::WireOffset(7) });
        assert_eq!((change.before, change.after), (None, Some(7)));
    }

    #[test]
    fn what_is_said_is_what_the_server_understands() {
        let reset = ResetOffsets::new("t", Start::TimeMs(5)).partitions([1]).dry_run(true);
        let understood: said::OffsetsResetInput = read(&reset);
        assert_eq!((understood.to.as_str(), understood.partitions, understood.dry_run), ("@5", Some(vec![1]), true));
        let commit = OffsetCommit { topic: "t".to_owned(), partition: 1, offset: 1 << 60, metadata: None };
        let understood: said::OffsetInput = read(&commit);
        assert_eq!((understood.offset.0, understood.metadata.as_str()), (1 << 60, ""));
    }

    #[test]
    fn an_offset_that_is_not_noted_is_an_error() {
        let outcome = said::OffsetOutcome { code: Some("unknown_topic".to_owned()), ..Default::default() };
        let error = read::<Outcome>(&outcome).refused();
        assert_eq!((error.code(), error.kind()), (Some("unknown_topic"), crate::ErrorKind::NotFound));
    }
}
