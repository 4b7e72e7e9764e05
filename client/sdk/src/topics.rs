//! Topics: listed, created, described, changed, deleted.

use std::collections::BTreeMap;

use reqwest::Method;
use serde::{Deserialize, Serialize};

use crate::request::Safety;
use crate::{Client, Error};

/// Topics, and partitions, that are asked for at once.
const PAGE: &str = "1000";

/// A topic among others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TopicSummary {
    /// Its name.
    pub name: String,
    /// Its id, a UUID, which never names another topic.
    pub id: String,
    /// How many partitions it has.
    pub partitions: u32,
}

/// All about a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TopicInfo {
    /// Its name.
    pub name: String,
    /// Its id, a UUID, which never names another topic.
    pub id: String,
    /// How many partitions it has.
    pub partition_count: u32,
    /// Its partitions, all of them.
    pub partitions: Vec<PartitionInfo>,
    /// When there are more, as one page has.
    #[serde(default, skip_serializing)]
    next_partition: Option<u32>,
    /// Its settings, by Kafka's names.
    pub configs: BTreeMap<String, ConfigView>,
}

/// Where a partition begins and ends, and how large it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PartitionInfo {
    /// Its number, from 0.
    pub partition: u32,
    /// The first offset that can be read.
    #[serde(with = "crate::offset")]
    pub log_start: u64,
    /// The offset that the next record will get.
    #[serde(with = "crate::offset")]
    pub high_watermark: u64,
    /// Bytes of its batches, as they are stored.
    pub bytes: u64,
}

/// A setting of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConfigView {
    /// What holds.
    pub value: String,
    /// Whether it was set for this topic; else it is the default.
    pub is_set: bool,
}

/// A topic to create.
///
/// ```
/// let topic = tidelog::NewTopic::new("orders").partitions(6).config("retention.ms", "3600000");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[must_use]
pub struct NewTopic {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    partitions: Option<u32>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    configs: BTreeMap<String, String>,
}

impl NewTopic {
    /// A topic with as many partitions as the server's default says.
    pub fn new(name: impl Into<String>) -> NewTopic {
        NewTopic { name: name.into(), partitions: None, configs: BTreeMap::new() }
    }

    /// With so many partitions.
    pub fn partitions(mut self, count: u32) -> NewTopic {
        self.partitions = Some(count);
        self
    }

    /// With a setting, by Kafka's name.
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> NewTopic {
        self.configs.insert(name.into(), value.into());
        self
    }
}

/// What to change of a topic.
///
/// ```
/// let changes = tidelog::TopicChanges::default().set("retention.ms", "3600000").unset("compression.type").partitions(12);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[must_use]
pub struct TopicChanges {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    configs: BTreeMap<String, Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partitions: Option<u32>,
}

impl TopicChanges {
    /// Sets a setting.
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> TopicChanges {
        self.configs.insert(name.into(), Some(value.into()));
        self
    }

    /// Sets a setting back to its default.
    pub fn unset(mut self, name: impl Into<String>) -> TopicChanges {
        self.configs.insert(name.into(), None);
        self
    }

    /// More partitions: as many as it is to have. A topic never gets fewer, and keys go elsewhere from then on.
    pub fn partitions(mut self, count: u32) -> TopicChanges {
        self.partitions = Some(count);
        self
    }
}

#[derive(Deserialize)]
struct TopicPage {
    topics: Vec<TopicSummary>,
    #[serde(default)]
    next: Option<String>,
}

impl Client {
    /// All topics, by name.
    ///
    /// # Errors
    /// The server cannot be asked.
    pub async fn topics(&self) -> Result<Vec<TopicSummary>, Error> {
        let mut topics = Vec::new();
        let mut after = None;
        loop {
            let mut url = self.url(&["v1", "topics"])?;
            url.query_pairs_mut().append_pair("limit", PAGE).extend_pairs(after.iter().map(|after| ("after", after)));
            let page: TopicPage = self.get(url).await?;
            topics.extend(page.topics);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(topics),
            }
        }
    }

    /// Creates a topic.
    ///
    /// # Errors
    /// `topic_exists`, `invalid_config` and others, as codes of [`Error::Refused`].
    pub async fn create_topic(&self, topic: &NewTopic) -> Result<TopicSummary, Error> {
        self.say(Safety::Once, Method::POST, self.url(&["v1", "topics"])?, topic).await
    }

    /// A topic with all its partitions and settings.
    ///
    /// # Errors
    /// `unknown_topic` when there is none.
    pub async fn topic(&self, name: &str) -> Result<TopicInfo, Error> {
        let mut whole = self.topic_page(name, 0, PAGE).await?;
        while let Some(from) = whole.next_partition.take() {
            let more = self.topic_page(name, from, PAGE).await?;
            if more.id != whole.id {
                // It was deleted and made anew meanwhile: what was read is of a topic that is no more.
                whole = self.topic_page(name, 0, PAGE).await?;
                continue;
            }
            whole.partitions.extend(more.partitions);
            whole.next_partition = more.next_partition;
        }
        Ok(whole)
    }

    pub(crate) async fn topic_page(&self, name: &str, from: u32, limit: &str) -> Result<TopicInfo, Error> {
        let mut url = self.url(&["v1", "topics", name])?;
        url.query_pairs_mut().append_pair("from_partition", &from.to_string()).append_pair("partition_limit", limit);
        self.get(url).await
    }

    /// A topic as it is now, with one of its partitions: asked for once, for whoever looks again anyway.
    pub(crate) async fn topic_now(&self, name: &str) -> Result<TopicInfo, Error> {
        let mut url = self.url(&["v1", "topics", name])?;
        url.query_pairs_mut().append_pair("partition_limit", "1");
        let answer = self.ask_once(self.request(Method::GET, url)).await;
        answer.and_then(|answer| self.understood(&answer)).map_err(Error::of_read)
    }

    /// Changes settings of a topic, and gives it more partitions. The answer is the topic as it now is.
    ///
    /// # Errors
    /// `invalid_config`, `invalid_partitions` and others, as codes of [`Error::Refused`]; nothing was changed then.
    pub async fn configure_topic(&self, name: &str, changes: &TopicChanges) -> Result<TopicInfo, Error> {
        let url = self.url(&["v1", "topics", name])?;
        let changed: TopicInfo = self.say(Safety::Once, Method::PATCH, url, changes).await?;
        match changed.next_partition {
            None => Ok(changed),
            // Of one with more partitions than an answer has.
            Some(_) => self.topic(name).await.map_err(Error::after_change),
        }
    }

    /// Deletes a topic and all its records.
    ///
    /// # Errors
    /// `unknown_topic` when there is none.
    pub async fn delete_topic(&self, name: &str) -> Result<(), Error> {
        self.delete(self.url(&["v1", "topics", name])?).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_what_the_server_understands() {
        let topic = NewTopic::new("orders").partitions(6).config("retention.ms", "5");
        let read: tidelog_http_api::TopicInput = serde_json::from_str(&serde_json::to_string(&topic).unwrap()).unwrap();
        assert_eq!((read.name.as_str(), read.partitions), ("orders", Some(6)));
        assert_eq!(read.configs["retention.ms"].to_string(), "5");
        let changes = TopicChanges::default().set("a", "1").unset("b");
        assert_eq!(serde_json::to_string(&changes).unwrap(), r#"{"configs":{"a":"1","b":null}}"#);
    }

    #[test]
    fn what_the_server_says_is_understood() {
        let said = tidelog_http_api::TopicInfo {
            name: "t".to_owned(),
            id: "i".to_owned(),
            partition_count: 2,
            partitions: vec![tidelog_http_api::PartitionInfo {
                partition: 0,
                log_start: tidelog_http_api::WireOffset(1),
                high_watermark: tidelog_http_api::WireOffset(1 << 60),
                bytes: 3,
            }],
            next_partition: Some(1),
            configs: BTreeMap::new(),
        };
        let read: TopicInfo = serde_json::from_str(&serde_json::to_string(&said).unwrap()).unwrap();
        assert_eq!((read.partition_count, read.next_partition), (2, Some(1)));
        assert_eq!(read.partitions[0].high_watermark, 1 << 60);
    }
}
