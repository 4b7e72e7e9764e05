//! What the answer to an append says of each of its records, by docs/http.md and nothing else.

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tidelog_history::Outcome;

use crate::http::{Answer, NoAnswer};

/// What may be answered while the server comes and goes.
const UNAVAILABLE: [u16; 2] = [503, 504];

/// Of a list whose records were for `partitions`; of one with a wrong record in it nothing may be stored.
///
/// # Errors
/// No server may answer that.
pub(super) fn of_list(answer: &Answer, partitions: &[u32], is_wrong: bool) -> anyhow::Result<Vec<Outcome>> {
    let all = |outcome| Ok(vec![outcome; partitions.len()]);
    let (status, told) = match answer {
        Ok((status, told)) => (*status, told),
        Err(NoAnswer::NotSent) => return all(Outcome::Fail),
        Err(NoAnswer::Lost) => return all(Outcome::Unknown),
    };
    if is_wrong && status == 400 {
        ensure!(told["may_have_happened"] == false, "a wrong list may be stored: {told}");
        return all(Outcome::Fail);
    }
    ensure!(status == 200 && !is_wrong || UNAVAILABLE.contains(&status), "{status}: {told}");
    let Some(records) = told["records"].as_array() else {
        ensure!(status != 200, "a success without records: {told}");
        return all(not_told(told));
    };
    ensure!(records.len() == partitions.len() + usize::from(is_wrong), "so many records were not sent: {told}");
    let outcomes = partitions.iter().zip(records).map(|(partition, record)| {
        ensure!(record["partition"] == *partition, "it was sent to {partition}: {record}");
        match record["offset"].as_u64() {
            Some(offset) => Ok(Outcome::Ok(offset)),
            None if status == 200 => bail!("a success without an offset: {told}"),
            None => Ok(not_told(record)),
        }
    });
    outcomes.collect()
}

/// Of lines, each for a partition, or `None` for one that is wrong: from there on nothing may be stored.
///
/// # Errors
/// No server may answer that.
pub(super) fn of_lines(answer: &Answer, lines: &[Option<u32>]) -> anyhow::Result<Vec<Outcome>> {
    let (status, told) = match answer {
        Ok((status, told)) => (*status, told),
        Err(_) => return Ok(vec![Outcome::Unknown; lines.iter().flatten().count()]),
    };
    let wrong = lines.iter().position(Option::is_none);
    let is_as_wrong = status == 400 && wrong.is_some_and(|wrong| told["at"]["line"] == wrong + 1);
    let is_success = status == 200 && wrong.is_none();
    ensure!(is_success || is_as_wrong || UNAVAILABLE.contains(&status), "{status} with {wrong:?} wrong: {told}");
    let stored = if status == 200 { told } else { &told["stored"] };
    ensure!(stored.is_null() || stored["is_complete"] == true, "so few runs are all told: {told}");
    let mut offsets = vec![None; lines.len()];
    for run in stored["runs"].as_array().into_iter().flatten() {
        let number = |name: &str| run[name].as_u64().with_context(|| format!("{run} has a number of its {name}"));
        let (line, offset) = (number("line")?, number("offset")?);
        for place in 0..number("count")? {
            let index = usize::try_from(line + place)?.checked_sub(1).context("lines are counted from 1")?;
            let partition = lines.get(index).copied().flatten().with_context(|| format!("no such line: {run}"))?;
            ensure!(run["partition"] == partition, "line {} was sent to {partition}: {run}", index + 1);
            let before = offsets[index].replace(offset + place);
            ensure!(before.is_none(), "line {} is told twice: {told}", index + 1);
        }
    }
    let sent = lines.iter().zip(offsets).enumerate().filter(|(_, (line, _))| line.is_some());
    let outcomes = sent.map(|(index, (_, offset))| match offset {
        Some(offset) => {
            ensure!(wrong.is_none_or(|wrong| index < wrong), "a line behind a wrong one is stored: {told}");
            Ok(Outcome::Ok(offset))
        }
        None if status == 200 => bail!("a success without line {}: {told}", index + 1),
        None if is_as_wrong && wrong.is_some_and(|wrong| index < wrong) => {
            bail!("line {} before a wrong one is not stored: {told}", index + 1)
        }
        None => Ok(not_told(told)),
    });
    outcomes.collect()
}

/// What is not told as stored is not, unless it may be.
fn not_told(told: &Value) -> Outcome {
    if told["may_have_happened"] == true { Outcome::Unknown } else { Outcome::Fail }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use Outcome::{Fail, Ok as Stored, Unknown};

    #[test]
    fn of_a_list_each_record_has_its_own_outcome() {
        let check = |answer: Answer, expected: [Outcome; 2]| {
            assert_eq!(of_list(&answer, &[0, 3], false).unwrap(), expected, "{answer:?}");
        };
        check(Err(NoAnswer::NotSent), [Fail, Fail]);
        check(Err(NoAnswer::Lost), [Unknown, Unknown]);
        let places = json!([{"partition": 0, "offset": 7}, {"partition": 3, "offset": 9}]);
        check(Ok((200, json!({"records": places}))), [Stored(7), Stored(9)]);
        check(Ok((503, json!({"may_have_happened": false}))), [Fail, Fail]);
        check(Ok((504, json!({"may_have_happened": true}))), [Unknown, Unknown]);
        let some = json!([{"partition": 0, "offset": 7}, {"partition": 3, "code": "unavailable"}]);
        check(Ok((503, json!({"may_have_happened": false, "records": some}))), [Stored(7), Fail]);
        let some = json!([{"partition": 0, "code": "unavailable"}, {"partition": 3, "may_have_happened": true}]);
        check(Ok((504, json!({"may_have_happened": true, "records": some}))), [Fail, Unknown]);
    }

    #[test]
    fn a_list_that_is_wrong_must_be_refused() {
        let refused = Ok((400, json!({"may_have_happened": false})));
        assert_eq!(of_list(&refused, &[0], true).unwrap(), [Fail]);
        assert!(of_list(&refused, &[0], false).is_err(), "it was not wrong");
        let taken = Ok((200, json!({"records": [{"partition": 0, "offset": 0}]})));
        assert!(of_list(&taken, &[0], true).is_err());
        assert!(of_list(&taken, &[1], false).is_err(), "another partition");
        assert!(of_list(&taken, &[0, 0], false).is_err(), "one is missing");
    }

    #[test]
    fn of_lines_what_is_told_is_stored_and_the_rest_is_not_or_may_be() {
        let check = |answer: Answer, lines: &[Option<u32>], expected: &[Outcome]| {
            assert_eq!(of_lines(&answer, lines).unwrap(), expected, "{answer:?}");
        };
        let run = json!({"line": 1, "count": 2, "partition": 1, "offset": 5});
        let stored = json!({"is_complete": true, "runs": [run]});
        check(Ok((200, stored.clone())), &[Some(1), Some(1)], &[Stored(5), Stored(6)]);
        check(Err(NoAnswer::Lost), &[Some(1), Some(0)], &[Unknown, Unknown]);
        for (may_have_happened, rest) in [(true, Unknown), (false, Fail)] {
            let problem = json!({"may_have_happened": may_have_happened, "stored": stored});
            check(Ok((503, problem)), &[Some(1), Some(1), Some(0)], &[Stored(5), Stored(6), rest]);
        }
        let problem = json!({"may_have_happened": false, "stored": stored, "at": {"line": 3}});
        let wrong = [Some(1), Some(1), None, Some(2)];
        check(Ok((400, problem.clone())), &wrong, &[Stored(5), Stored(6), Fail]);
        assert!(of_lines(&Ok((400, problem.clone())), &[Some(1), Some(1), Some(0)]).is_err(), "none was wrong");
        assert!(of_lines(&Ok((400, problem)), &[Some(1), Some(1), Some(0), None]).is_err(), "another was wrong");
    }

    #[test]
    fn lines_that_are_told_otherwise_than_they_were_sent_are_noticed() {
        let check = |runs: Value, lines: &[Option<u32>]| {
            let told = json!({"is_complete": true, "runs": runs});
            assert!(of_lines(&Ok((200, told)), lines).is_err());
        };
        let run = |line: u64, count: u64| json!({"line": line, "count": count, "partition": 0, "offset": 0});
        check(json!([run(1, 1)]), &[Some(0), Some(0)]);
        check(json!([run(1, 3)]), &[Some(0), Some(0)]);
        check(json!([run(1, 2), run(2, 1)]), &[Some(0), Some(0)]);
        check(json!([run(1, 1)]), &[Some(1)]);
        check(json!([run(0, 1)]), &[Some(0)]);
        check(json!([run(1, 2)]), &[Some(0), None]);
    }
}
