//! What is stored, as clients see it: by what it is, and its name.

use std::collections::BTreeMap;

use tidelog_schemas::{Look, Value, World, look_at_answer, put_in_request, read_answer, request, write_request};

use super::setup::{Fixture, nowhere};
use crate::wire::{Client, LIST_OFFSETS, Put, body};

/// Partitions of one topic that are looked at; there are more only where somebody asked for as many as there can be.
const PARTITIONS_LOOKED_AT: i64 = 8;
const OFFSET_FETCH: i16 = 9;
/// As DescribeConfigs says it.
const SET_FOR_THE_TOPIC: i64 = 1;

/// Of what kind a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// A topic; its value is its id.
    Topic,
    /// How many it has.
    Partitions,
    /// Where a partition's records begin.
    Start,
    /// And end.
    End,
    /// What was set for a topic.
    Configs,
    /// A group; its value is its state.
    Group,
    /// What a group has committed, for a topic's partition.
    Offset,
}

/// The things with their names, and what there is to say of each. Names of partitions and offsets begin with that of their
/// topic or group, and a slash.
#[derive(Clone, Debug, Default)]
pub struct State(pub BTreeMap<(Thing, String), String>);

impl State {
    pub fn of(address: &str) -> State {
        let fixture = Fixture::prepare(address);
        let mut client = Client::connect(address);
        let mut state = State::default();
        let answer = ask(&fixture, &mut client, "Metadata", 12, &nowhere(), &[(&["Topics"], Value::Array(None))]);
        for topic in look_at_answer(fixture.api("Metadata"), &answer).items("Topics") {
            state.topic(&fixture, &mut client, topic);
        }
        let everything = [(&["StatesFilter"][..], Value::Array(Some(Vec::new())))];
        let answer = ask(&fixture, &mut client, "ListGroups", 4, &nowhere(), &everything);
        for group in look_at_answer(fixture.api("ListGroups"), &answer).items("Groups") {
            let name = group.text("GroupId").unwrap();
            state.0.insert((Thing::Group, name.clone()), group.text("GroupState").unwrap());
            state.offsets(&mut client, &name);
        }
        state
    }

    fn topic(&mut self, fixture: &Fixture, client: &mut Client, topic: Look) {
        let name = topic.text("Name").unwrap();
        // The normal client beside this goes on writing.
        if name.starts_with("calm-") {
            return;
        }
        let partitions = topic.items("Partitions").len() as i64;
        self.0.insert((Thing::Topic, name.clone()), format!("{:02x?}", topic.id("TopicId").unwrap()));
        self.0.insert((Thing::Partitions, name.clone()), partitions.to_string());
        for partition in 0..partitions.min(PARTITIONS_LOOKED_AT) {
            for (thing, timestamp) in [(Thing::Start, -2), (Thing::End, -1)] {
                let offset = offset_at(client, &name, partition as i32, timestamp);
                self.0.insert((thing, format!("{name}/{partition}")), offset.to_string());
            }
        }
        let world = World { topic: name.clone(), ..nowhere() };
        let all = [(&["Resources", "ConfigurationKeys"][..], Value::Array(None))];
        let answer = ask(fixture, client, "DescribeConfigs", 4, &world, &all);
        let results = look_at_answer(fixture.api("DescribeConfigs"), &answer).items("Results");
        let configs = results.iter().flat_map(|result| result.items("Configs"));
        let set = configs.filter(|config| config.int("ConfigSource") == Some(SET_FOR_THE_TOPIC));
        let set: Vec<String> = set.map(|it| format!("{:?}={:?}", it.text("Name"), it.text("Value"))).collect();
        self.0.insert((Thing::Configs, name), set.join(", "));
    }

    fn offsets(&mut self, client: &mut Client, group: &str) {
        let mut answer = client.call(OFFSET_FETCH, 5, &body().string(group).i32(-1));
        answer.i32();
        for _ in 0..answer.i32() {
            let topic = answer.string().unwrap();
            for _ in 0..answer.i32() {
                let (partition, offset) = (answer.i32(), answer.i64());
                answer.i32();
                let metadata = answer.string();
                assert_eq!(answer.i16(), 0);
                let name = format!("{group}/{topic}/{partition}");
                self.0.insert((Thing::Offset, name), format!("{offset} {}", metadata.map_or(0, |it| it.len())));
            }
        }
        assert_eq!(answer.i16(), 0, "offsets of {group:?}");
        answer.end();
    }

    /// What must not be, whatever an answer said.
    pub fn impossible(&self) -> Vec<String> {
        let is_good = |(thing, name): &(Thing, String), value: &str| match thing {
            Thing::Topic => is_topic_name(name),
            Thing::Partitions => value.parse::<i64>().is_ok_and(|count| count > 0),
            Thing::Start | Thing::End => value.parse::<i64>().is_ok_and(|offset| offset >= 0),
            Thing::Group | Thing::Offset => !name.is_empty(),
            Thing::Configs => true,
        };
        let bad = self.0.iter().filter(|(key, value)| !is_good(key, value));
        bad.map(|(key, value)| format!("{key:?} is {value:?}, which must not be")).collect()
    }

    pub fn forget_groups(&mut self) {
        self.0.retain(|(thing, _), _| *thing != Thing::Group);
    }
}

/// As Kafka has it.
fn is_topic_name(name: &str) -> bool {
    let is_good = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    (1..=249).contains(&name.len()) && ![".", ".."].contains(&name) && name.chars().all(is_good)
}

fn offset_at(client: &mut Client, topic: &str, partition: i32, timestamp: i64) -> i64 {
    let request = body().i32(-1).i32(1).string(topic).i32(1).i32(partition).i64(timestamp);
    let mut answer = client.call(LIST_OFFSETS, 1, &request);
    assert_eq!((answer.i32(), answer.string().as_deref(), answer.i32()), (1, Some(topic), 1));
    assert_eq!((answer.i32(), answer.i16()), (partition, 0));
    answer.i64();
    let offset = answer.i64();
    answer.end();
    offset
}

/// A plausible request with some fields changed.
fn ask(
    fixture: &Fixture,
    client: &mut Client,
    api: &str,
    version: i16,
    world: &World,
    changes: &[(&[&str], Value)],
) -> Value {
    let api = fixture.api(api);
    let mut body = request(api, version, world, &[]);
    for (path, value) in changes {
        put_in_request(api, &mut body, path, value.clone());
    }
    client.send_raw(&write_request(api, version, 1, Some("state"), &body)).unwrap();
    read_answer(api, version, 1, &client.receive_raw().unwrap()).unwrap()
}
