//! A plausible request of every API and version that is offered, as corpus: a new one is damaged from its first day on.

use anyhow::Context;
use tidelog_kafka_wire::ADVERTISED;
use tidelog_schemas::{Api, Versions, World, apis, request, write_request};

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

/// All frames, without their lengths.
///
/// # Errors
/// One is offered whose schema is not known.
pub fn frames(world: &World) -> anyhow::Result<Vec<Vec<u8>>> {
    let schemas = apis();
    let mut frames = Vec::new();
    for row in &ADVERTISED {
        let api = schema(&schemas, row.api.key()).with_context(|| {
            format!("{} is not in the table of loadtest/schemas: its main.rs says how that is made", row.api.name())
        })?;
        let Versions { min, max } = api.request.versions;
        anyhow::ensure!(row.version_max <= max, "the schemas are older than {} v{}", api.name, row.version_max);
        for version in row.version_understood_min.max(min)..=row.version_max {
            let taken = World { topic: world.fresh.clone(), group: world.fresh.clone(), ..world.clone() };
            let world = if CONSUMING.contains(&&*api.name) { &taken } else { world };
            let frame = write_request(api, version, 1, Some("fuzz"), &request(api, version, world, &[]));
            anyhow::ensure!(
                tidelog_kafka_wire::decode_request(frame[4..].to_vec().into()).is_ok(),
                "a plausible {} v{version} is understood",
                api.name
            );
            frames.push(frame[4..].to_vec());
        }
    }
    Ok(frames)
}

/// The API with this key.
pub fn schema(schemas: &[Api], key: i16) -> Option<&Api> {
    schemas.iter().find(|api| api.key == key)
}
