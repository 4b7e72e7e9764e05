//! What answers said that they have changed, so that what is stored can be held against it.

use std::collections::{BTreeMap, BTreeSet};

use tidelog_schemas::{Api, Look, Value, World, look_at_answer, look_at_request};

use super::state::{State, Thing};

/// Error code of a topic that was made just now.
const LEADER_NOT_AVAILABLE: i64 = 5;
/// Differences that are told.
const DIFFERENCES_MAX: usize = 40;

/// What must be, by the last answer about it, and what may be or not.
#[derive(Default)]
pub struct Ledger {
    must: BTreeMap<(Thing, String), Must>,
    /// Names of topics and groups about which all may have changed.
    may: BTreeSet<(Thing, String)>,
    /// Names of topics by their ids, as far as they were made for a case.
    names: BTreeMap<[u8; 16], String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Must {
    BeThere,
    BeGone,
    Say(String),
}

impl Ledger {
    pub fn add(&mut self, other: Ledger) {
        self.must.extend(other.must);
        self.may.extend(other.may);
        self.names.extend(other.names);
    }

    /// Something was made to be asked about.
    pub fn made(&mut self, world: &World, partitions: i32) {
        self.names.insert(world.topic_id, world.topic.clone());
        self.must.insert((Thing::Topic, world.topic.clone()), Must::BeThere);
        self.must.insert((Thing::Partitions, world.topic.clone()), Must::Say(partitions.to_string()));
        self.must.insert((Thing::Configs, world.topic.clone()), Must::Say(String::new()));
        for partition in 0..partitions {
            let end = i32::from(partition == 0);
            self.must.insert((Thing::Start, format!("{}/{partition}", world.topic)), Must::Say("0".to_owned()));
            self.must.insert((Thing::End, format!("{}/{partition}", world.topic)), Must::Say(end.to_string()));
        }
        self.may_change_group(&world.group);
        self.must.insert((Thing::Offset, format!("{0}/{1}/0", world.group, world.topic)), Must::Say("1 0".to_owned()));
    }

    /// A group comes and goes by itself.
    pub fn may_change_group(&mut self, name: &str) {
        self.may.insert((Thing::Group, name.to_owned()));
    }

    /// Takes down what an answer says.
    pub fn read(&mut self, api: &Api, request: &Value, answer: &Value) {
        let (asked, answered) = (look_at_request(api, request), look_at_answer(api, answer));
        if asked.flag("ValidateOnly") == Some(true) {
            return;
        }
        let went_well = |one: &Look| one.int("ErrorCode") == Some(0);
        match api.name.as_str() {
            "Metadata" => {
                for topic in answered.items("Topics") {
                    if went_well(&topic) || topic.int("ErrorCode") == Some(LEADER_NOT_AVAILABLE) {
                        self.may.extend(topic.text("Name").map(|name| (Thing::Topic, name)));
                    }
                }
            }
            "CreateTopics" => {
                for topic in answered.items("Topics").iter().filter(|one| went_well(one)) {
                    let name = topic.text("Name").expect("a topic that was made has a name");
                    self.must.insert((Thing::Topic, name.clone()), Must::BeThere);
                    self.may.insert((Thing::Topic, name));
                }
            }
            "DeleteTopics" => {
                for topic in answered.items("Responses").iter().filter(|one| went_well(one)) {
                    let by_id = || topic.id("TopicId").and_then(|id| self.names.get(&id).cloned());
                    let name = topic.text("Name").or_else(by_id).expect("a topic that was deleted has a name");
                    self.forget(Thing::Topic, &name);
                    self.must.insert((Thing::Topic, name.clone()), Must::BeGone);
                }
            }
            "CreatePartitions" => {
                for topic in answered.items("Results").iter().filter(|one| went_well(one)) {
                    let name = topic.text("Name").expect("partitions are a topic's");
                    let count = asked.items("Topics").first().and_then(|topic| topic.int("Count")).expect("as asked");
                    self.must.insert((Thing::Partitions, name.clone()), Must::Say(count.to_string()));
                    self.may.insert((Thing::Topic, name));
                }
            }
            "Produce" => {
                for (topic, partition) in pairs(answered.items("Responses"), "PartitionResponses") {
                    if went_well(&partition) {
                        let end = partition.int("BaseOffset").expect("where the record is") + 1;
                        let name = format!("{}/{}", self.topic(topic), partition.int("Index").expect("its number"));
                        self.must.insert((Thing::End, name), Must::Say(end.to_string()));
                    }
                }
            }
            "DeleteRecords" => {
                for (topic, partition) in pairs(answered.items("Topics"), "Partitions") {
                    if went_well(&partition) {
                        let start = partition.int("LowWatermark").expect("where records begin now");
                        let index = partition.int("PartitionIndex").expect("its number");
                        let name = format!("{}/{index}", self.topic(topic));
                        self.must.insert((Thing::Start, name), Must::Say(start.to_string()));
                    }
                }
            }
            "AlterConfigs" | "IncrementalAlterConfigs" => {
                for resource in answered.items("Responses").iter().filter(|one| went_well(one)) {
                    let name = resource.text("ResourceName").expect("settings are somebody's");
                    self.must.remove(&(Thing::Configs, name.clone()));
                    self.may.insert((Thing::Configs, name));
                }
            }
            "OffsetCommit" => {
                let group = asked.text("GroupId").unwrap_or_default();
                for (topic, partition) in pairs(answered.items("Topics"), "Partitions") {
                    if went_well(&partition) {
                        self.may.insert((Thing::Group, group.clone()));
                        let index = partition.int("PartitionIndex").expect("its number");
                        let name = format!("{group}/{}/{index}", self.topic(topic));
                        let says = committed(asked);
                        self.must.insert((Thing::Offset, name), Must::Say(says));
                    }
                }
            }
            "OffsetDelete" => {
                let group = asked.text("GroupId").unwrap_or_default();
                for (topic, partition) in pairs(answered.items("Topics"), "Partitions") {
                    if went_well(&partition) {
                        let index = partition.int("PartitionIndex").expect("its number");
                        let name = format!("{group}/{}/{index}", self.topic(topic));
                        self.must.insert((Thing::Offset, name), Must::BeGone);
                    }
                }
            }
            "DeleteGroups" => {
                for group in answered.items("Results").iter().filter(|one| went_well(one)) {
                    let name = group.text("GroupId").expect("groups have names");
                    self.forget(Thing::Group, &name);
                    self.must.insert((Thing::Group, name), Must::BeGone);
                }
            }
            "JoinGroup" | "SyncGroup" | "Heartbeat" | "LeaveGroup" => {
                self.may.extend(asked.text("GroupId").map(|name| (Thing::Group, name)));
            }
            _ => {}
        }
    }

    /// Nothing was said about a Produce request.
    pub fn read_silence(&mut self, api: &Api, request: &Value) {
        for (topic, partition) in pairs(look_at_request(api, request).items("TopicData"), "PartitionData") {
            let name = format!("{}/{}", self.topic(topic), partition.int("Index").expect("its number"));
            self.must.remove(&(Thing::End, name.clone()));
            self.may.insert((Thing::End, name));
        }
    }

    /// What is otherwise than it was and was said to be.
    pub fn differences(&self, after: &str, before: &State, now: &State) -> Vec<String> {
        let keys: BTreeSet<_> = before.0.keys().chain(now.0.keys()).chain(self.must.keys()).collect();
        let mut found = Vec::new();
        for key in keys {
            let (was, is) = (before.0.get(key), now.0.get(key));
            let gone = |thing: Thing, name: &str| self.must.get(&(thing, name.to_owned())) == Some(&Must::BeGone);
            let owner = key.1.split('/').next().unwrap_or_default();
            // With a topic goes all that it had, what groups committed for it included.
            let mut parts = key.1.split('/').skip(1);
            let is_gone = match key.0 {
                Thing::Topic | Thing::Group => false,
                Thing::Offset => {
                    gone(Thing::Group, owner) || parts.next().is_some_and(|topic| gone(Thing::Topic, topic))
                }
                _ => gone(Thing::Topic, owner),
            };
            let good = match self.must.get(key) {
                _ if is_gone => is.is_none(),
                Some(Must::BeThere) => is.is_some(),
                Some(Must::BeGone) => is.is_none(),
                Some(Must::Say(says)) => is == Some(says),
                None => was == is || self.may_change(key, owner),
            };
            if !good {
                found.push(format!(
                    "after {after}: {key:?} was {was:?} and is {is:?}; the answers say {:?}",
                    self.must.get(key)
                ));
            }
        }
        found.truncate(DIFFERENCES_MAX);
        found
    }

    fn may_change(&self, key: &(Thing, String), owner: &str) -> bool {
        let of = match key.0 {
            Thing::Group => Thing::Group,
            // What was committed is always said.
            Thing::Offset => return false,
            _ => Thing::Topic,
        };
        self.may.contains(key) || self.may.contains(&(of, owner.to_owned()))
    }

    /// Nothing that was said about it counts any more.
    fn forget(&mut self, thing: Thing, name: &str) {
        let owned = |key: &(Thing, String)| match key.0 {
            Thing::Group | Thing::Offset => thing == Thing::Group,
            _ => thing == Thing::Topic,
        };
        let begins = format!("{name}/");
        self.must.retain(|key, _| !(owned(key) && (key.1 == name || key.1.starts_with(&begins))));
    }

    fn topic(&self, topic: Look) -> String {
        let id = topic.id("TopicId").and_then(|id| self.names.get(&id).cloned());
        id.or_else(|| topic.text("Name")).or_else(|| topic.text("TopicName")).expect("a topic is told by name or id")
    }
}

/// What the last of the partitions that were asked about says; the same partition may be there more than once.
fn committed(asked: Look) -> String {
    let all = pairs(asked.items("Topics"), "Partitions");
    let last = all.last().map(|(_, partition)| *partition).expect("something was committed");
    let metadata = last.text("CommittedMetadata").map_or(0, |text| text.len());
    format!("{} {metadata}", last.int("CommittedOffset").expect("an offset"))
}

/// Each of `all` with each of its `inner`.
fn pairs<'m>(all: Vec<Look<'m>>, inner: &str) -> Vec<(Look<'m>, Look<'m>)> {
    all.iter().flat_map(|one| one.items(inner).into_iter().map(|other| (*one, other))).collect()
}
