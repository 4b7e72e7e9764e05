//! An appender of lists, each with an Idempotency-Key and sent again until it is answered.

use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::Value;

use super::{AWAY, JSON, PACE, RECORDS, answers, content_type, lists};
use crate::http::Http;
use crate::kills::clients::Appender;
use crate::kills::world::World;

const RECORDS_MAX: u64 = 5;
/// Longer than any time between two lives: a request is given up only when something is wrong.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(60);

pub(super) fn append(world: &World, mut appender: Appender) -> anyhow::Result<()> {
    let mut http = Http::new(&world.http_address);
    for request in 0_u64.. {
        if world.pace(if appender.is_pressed(world) { Duration::ZERO } else { PACE }) {
            break;
        }
        let is_pressed = appender.is_pressed(world);
        let records = 1 + appender.chance.below(RECORDS_MAX);
        let (partitions, appends, body) = lists::list(world, &mut appender, records, is_pressed);
        let key = format!("{}/{request}", appender.client.process);
        let headers = [content_type(JSON), ("idempotency-key", key)];
        let told = until_stored(&mut http, RECORDS, &headers, body.as_bytes(), &[])?;
        let outcomes = answers::of_list(&Ok((200, told)), &partitions, false)?;
        for (append, outcome) in appends.iter().zip(outcomes) {
            world.append_ends(appender.client, append.operation, outcome);
        }
    }
    Ok(())
}

/// Sends a request until it is answered with success, which is what it tells then. It is sent again when there was no answer,
/// when the answer says so, or when its code is one of `codes`.
///
/// # Errors
/// It is refused for good, or there is no success in all this time.
pub(super) fn until_stored(
    http: &mut Http,
    path: &str,
    headers: &[(&str, String)],
    body: &[u8],
    codes: &[&str],
) -> anyhow::Result<Value> {
    let deadline = Instant::now() + ANSWER_WAIT_MAX;
    loop {
        let answer = http.send("POST", path, headers, body);
        match &answer {
            Ok((200, told)) => return Ok(told.clone()),
            Ok((_, problem)) if problem["retry"] == true => {}
            Ok((_, problem)) if codes.iter().any(|code| problem["code"] == *code) => {}
            Ok((status, problem)) => bail!("refused with {status}, not to be sent again: {problem}"),
            Err(_) => {}
        }
        if Instant::now() >= deadline {
            bail!("not stored after {ANSWER_WAIT_MAX:?}, in the end {answer:?}");
        }
        std::thread::sleep(AWAY);
    }
}
