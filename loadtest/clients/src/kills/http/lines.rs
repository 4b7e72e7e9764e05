//! An appender of lines, each request a stream that goes on for a while: its lines are stored as they are written, and what
//! became of them is told at its end, if that comes.

use super::{NDJSON, PACE, RECORDS, WRONG, answers, content_type, json_of};
use crate::http::Upload;
use crate::kills::clients::Appender;
use crate::kills::world::World;

/// Bursts of lines in one request. A life of the server shall see some from beginning to end, and end in the midst of others.
const BURSTS_MAX: u64 = 8;
const BURST_LINES_MAX: u64 = 6;
/// One request of so many has a line in its midst that is wrong.
const WRONG_OF: u64 = 6;

pub(super) fn append(world: &World, mut appender: Appender) -> anyhow::Result<()> {
    while !world.pace(PACE) {
        let Ok(upload) = Upload::begin(&world.http_address, RECORDS, &[content_type(NDJSON)]) else { continue };
        stream(world, &mut appender, upload)?;
    }
    Ok(())
}

fn stream(world: &World, appender: &mut Appender, mut upload: Upload) -> anyhow::Result<()> {
    // Of each line its partition; none of one that is wrong.
    let (mut lines, mut operations) = (Vec::new(), Vec::new());
    let bursts = 1 + appender.chance.below(BURSTS_MAX);
    let wrong = (appender.chance.below(WRONG_OF) == 0).then(|| appender.chance.below(bursts));
    for burst in 0..bursts {
        let mut text = String::new();
        for _ in 0..1 + appender.chance.below(BURST_LINES_MAX) {
            let partition = appender.any_partition();
            let append = appender.begin(world, partition, false);
            operations.push(append.operation);
            lines.push(Some(partition));
            text.push_str(&format!("{}\n", json_of(partition, &append)));
        }
        if wrong == Some(burst) {
            lines.push(None);
            text.push_str(&format!("{WRONG}\n"));
        }
        // Whatever comes of it: some of it may have arrived.
        if upload.send(text.as_bytes()).is_err() || world.pace(PACE) {
            break;
        }
    }
    let outcomes = answers::of_lines(&upload.finish(), &lines)?;
    for (operation, outcome) in operations.into_iter().zip(outcomes) {
        world.append_ends(appender.client, operation, outcome);
    }
    Ok(())
}
