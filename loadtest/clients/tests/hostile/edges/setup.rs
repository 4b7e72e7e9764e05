//! What is there before anything is asked.

use std::collections::BTreeMap;

use tidelog_schemas::{Api, World, apis, error_codes, look_at_answer, read_answer, request, write_request};

use super::Report;
use super::ledger::Ledger;
use crate::batch::Batch;
use crate::calls::{create_topic, produce};
use crate::wire::Client;

/// APIs that take away, or use up, what they are asked about: every case has its own.
const CONSUMING: [&str; 4] = ["DeleteTopics", "CreatePartitions", "DeleteGroups", "OffsetDelete"];
/// APIs that are asked by a member of a group.
const OF_MEMBERS: [&str; 3] = ["Heartbeat", "SyncGroup", "LeaveGroup"];
const NODE: i64 = 1;
const PARTITIONS: i32 = 3;

/// The server, what it offers, and the schemas.
pub struct Fixture {
    pub address: String,
    apis: BTreeMap<i16, Api>,
    offered: Vec<(i16, i16, i16)>,
}

impl Fixture {
    pub fn prepare(address: &str) -> Fixture {
        let apis: BTreeMap<i16, Api> = apis().into_iter().map(|api| (api.key, api)).collect();
        let mut fixture = Fixture { address: address.to_owned(), apis, offered: Vec::new() };
        let answer = fixture.call("ApiVersions", 0, &nowhere());
        let keys = look_at_answer(fixture.api("ApiVersions"), &answer).items("ApiKeys");
        let range = |name| move |row: &tidelog_schemas::Look| row.int(name).unwrap() as i16;
        fixture.offered =
            keys.iter().map(|row| (range("ApiKey")(row), range("MinVersion")(row), range("MaxVersion")(row))).collect();
        fixture
    }

    /// Every API with every version.
    pub fn items(&self, report: &mut Report) -> Vec<(&Api, i16)> {
        let mut items = Vec::new();
        for (key, min, max) in &self.offered {
            let known = self.apis.get(key).filter(|api| api.request.versions.max >= *max);
            match known {
                Some(api) => items.extend((*min..=*max).map(|version| (api, version))),
                None => report.fail(format!(
                    "API {key} is offered up to version {max}, which the table of schemas does not have: the header of \
                     loadtest/schemas/src/main.rs says how the table is made"
                )),
            }
        }
        items
    }

    pub fn api(&self, name: &str) -> &Api {
        self.apis.values().find(|api| api.name == name).expect("the table has it")
    }

    /// What each case of one API and version is asked in. What is made for it here is written into the ledger.
    pub fn worlds<'f>(&'f self, api: &Api, version: i16, ledger: &'f mut Ledger) -> impl FnMut() -> World + 'f {
        let name = format!("edges-{}-{version}", api.key);
        let consuming = CONSUMING.contains(&&*api.name);
        let mut number = 0;
        let mut world = self.world(&name, ledger);
        if OF_MEMBERS.contains(&&*api.name) {
            self.add_member(&mut world, ledger);
        }
        move || {
            number += 1;
            if consuming && number > 1 {
                world = self.world(&format!("{name}-{number}"), ledger);
            }
            World { fresh: format!("fresh-{name}-{number}"), ..world.clone() }
        }
    }

    /// A topic with a record, a group with an offset.
    fn world(&self, name: &str, ledger: &mut Ledger) -> World {
        let mut client = Client::connect(&self.address);
        create_topic(&mut client, name, PARTITIONS, &[]);
        let batch = Batch::of(&[b"edge"]).bytes();
        assert_eq!(produce(&mut client, name, 0, &batch), (0, 0));
        let mut world = World { topic: name.to_owned(), group: name.to_owned(), batch, ..nowhere() };
        let answer = self.call("Metadata", 12, &world);
        let topics = look_at_answer(self.api("Metadata"), &answer).items("Topics");
        world.topic_id = topics[0].id("TopicId").unwrap();
        self.call("OffsetCommit", 8, &world);
        ledger.made(&world, PARTITIONS);
        world
    }

    /// A group with a member.
    fn add_member(&self, world: &mut World, ledger: &mut Ledger) {
        world.member_group = format!("{}-members", world.topic);
        let answer = self.call("JoinGroup", 3, &World { fresh: world.member_group.clone(), ..world.clone() });
        let joined = look_at_answer(self.api("JoinGroup"), &answer);
        world.member = joined.text("MemberId").unwrap();
        world.generation = joined.int("GenerationId").unwrap();
        self.call("SyncGroup", 3, world);
        ledger.may_change_group(&world.member_group);
    }

    /// Asks as a client does, and nothing goes wrong.
    pub fn call(&self, api: &str, version: i16, world: &World) -> tidelog_schemas::Value {
        let api = self.api(api);
        let frame = write_request(api, version, 1, Some("setup"), &request(api, version, world, &[]));
        let mut client = Client::connect(&self.address);
        client.send_raw(&frame).unwrap();
        let answer = read_answer(api, version, 1, &client.receive_raw().unwrap()).unwrap();
        let codes = error_codes(api, version, &answer);
        assert!(codes.iter().all(|code| *code == 0), "{}: {codes:?} in {answer:?}", api.name);
        answer
    }
}

/// Nothing is there.
pub fn nowhere() -> World {
    World {
        topic: String::new(),
        topic_id: [0; 16],
        group: String::new(),
        member_group: String::new(),
        member: String::new(),
        generation: -1,
        fresh: String::new(),
        batch: Vec::new(),
        node: NODE,
    }
}
