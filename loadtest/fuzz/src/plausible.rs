//! A plausible request of every API and version that is offered, as corpus: a new one is damaged from its first day on.

use anyhow::Context;
use tidelog_host::Random;
use tidelog_kafka_wire::ADVERTISED;
use tidelog_schemas::{Api, World, apis, mixed, request, write_request};

/// APIs that take away what they are asked about: they get what others make, and not what all are asked about.
const CONSUMING: [&str; 3] = ["DeleteTopics", "DeleteGroups", "OffsetDelete"];

/// What the frames are about: a topic and a group that are there as soon as they were sent, and names of those to come.
pub fn world(batch: Vec<u8>) -> World {
    World {
        topic: "fuzz".to_owned(),
        topic_id: [7; 16],
        group: "fuzz".to_owned(),
        member_group: "fresh".to_owned(),
        member: "member".to_owned(),
        generation: 1,
        fresh: "fresh".to_owned(),
        batch,
        node: 1,
    }
}

/// Requests of every API and version that is offered.
pub struct Requests {
    schemas: Vec<Api>,
    /// Places in the list of schemas, with a version each.
    offered: Vec<(usize, i16)>,
    world: World,
}

impl Requests {
    /// About what is in `world`.
    ///
    /// # Errors
    /// An API or version is offered whose schema is not known, or its plausible request is not understood.
    pub fn new(world: World) -> anyhow::Result<Requests> {
        let schemas = apis();
        let mut offered = Vec::new();
        for row in &ADVERTISED {
            let known = schemas.iter().position(|api| api.key == row.api.key());
            let index = known.filter(|index| schemas[*index].request.versions.max >= row.version_max);
            let index = index.with_context(|| {
                format!(
                    "{} v{} is not in the table of loadtest/schemas: its main.rs says how that is made",
                    row.api.name(),
                    row.version_max
                )
            })?;
            offered.extend((row.version_understood_min..=row.version_max).map(|version| (index, version)));
        }
        let requests = Requests { schemas, offered, world };
        for frame in requests.frames() {
            tidelog_kafka_wire::decode_request(frame.into()).context("a plausible request is not understood")?;
        }
        Ok(requests)
    }

    /// The plausible one of each, without its length.
    pub fn frames(&self) -> Vec<Vec<u8>> {
        let frame = |(index, version): &(usize, i16)| {
            let api = &self.schemas[*index];
            let body = request(api, *version, &self.world_of(api), &[]);
            write_request(api, *version, 1, Some("fuzz"), &body)[4..].to_vec()
        };
        self.offered.iter().map(frame).collect()
    }

    /// One of any, with some of its fields at their edges, without its length.
    pub fn mixed(&self, random: &Random) -> Vec<u8> {
        let choose = |below: usize| random.below(below as u64) as usize;
        let (index, version) = self.offered[choose(self.offered.len())];
        let api = &self.schemas[index];
        mixed(api, version, &self.world_of(api), choose)[4..].to_vec()
    }

    fn world_of(&self, api: &Api) -> World {
        let world = self.world.clone();
        match CONSUMING.contains(&&*api.name) {
            true => World { topic: world.fresh.clone(), group: world.fresh.clone(), ..world },
            false => world,
        }
    }
}

/// The API with this key.
pub fn schema(schemas: &[Api], key: i16) -> Option<&Api> {
    schemas.iter().find(|api| api.key == key)
}
