//! An appender of lists to several partitions at once, which sends none of them again.

use tidelog_history::Append;

use super::{JSON, PACE, RECORDS, WRONG, answers, content_type, json_of};
use crate::http::Http;
use crate::kills::clients::Appender;
use crate::kills::world::World;

const RECORDS_MAX: u64 = 8;
/// One list of so many has a record in it that is wrong.
const WRONG_OF: u64 = 12;

pub(super) fn append(world: &World, mut appender: Appender) -> anyhow::Result<()> {
    let mut http = Http::new(&world.http_address);
    while !world.pace(PACE) {
        let records = 1 + appender.chance.below(RECORDS_MAX);
        let (partitions, appends, body) = list(world, &mut appender, records, false);
        let is_wrong = appender.chance.below(WRONG_OF) == 0;
        let body = if is_wrong { body.replace("]}", &format!(",{WRONG}]}}")) } else { body };
        let answer = http.send("POST", RECORDS, &[content_type(JSON)], body.as_bytes());
        let outcomes = answers::of_list(&answer, &partitions, is_wrong)?;
        for (append, outcome) in appends.iter().zip(outcomes) {
            world.append_ends(appender.client, append.operation, outcome);
        }
    }
    Ok(())
}

/// A list of so many records for any partitions, which is about to be sent.
pub(super) fn list(
    world: &World,
    appender: &mut Appender,
    records: u64,
    is_pressed: bool,
) -> (Vec<u32>, Vec<Append>, String) {
    let begin = |_| {
        let partition = appender.any_partition();
        (partition, appender.begin(world, partition, is_pressed))
    };
    let (partitions, appends): (Vec<u32>, Vec<Append>) = (0..records).map(begin).unzip();
    let texts: Vec<String> = partitions.iter().zip(&appends).map(|(to, append)| json_of(*to, append)).collect();
    (partitions, appends, format!("{{\"records\":[{}]}}", texts.join(",")))
}
