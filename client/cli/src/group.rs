//! `tidelog group`.

use clap::{Args, Subcommand};
use tidelog::{Assignment, GroupInfo, OffsetChange, ResetOffsets, Start};

use crate::failure::Failure;
use crate::notes;
use crate::output::{Column, Output};
use crate::server::{JsonArgument, ServerArguments};

pub(crate) const EXAMPLES: &str = "\
Examples:
  tidelog group list                               state and number of members of each
  tidelog group describe readers                   who is in it, and what each one reads
  tidelog group offsets readers                    how far it is, and how far behind
  tidelog group reset readers --topic orders --to earliest --dry-run
  tidelog group delete readers

A group comes into being when something is noted in it: `tidelog consume orders --group readers`.
`tidelog group COMMAND --help` has examples of each.";

const LIST_EXAMPLES: &str = "\
Examples:
  tidelog group list
  tidelog group list --json | jq -r '.groups[] | select(.members == 0) | .group'";

const DESCRIBE_EXAMPLES: &str = "\
Examples:
  tidelog group describe readers
  tidelog group describe readers --json | jq '.members[].client_id'";

const OFFSETS_EXAMPLES: &str = "\
Examples:
  tidelog group offsets readers
  tidelog group offsets readers | awk '{ lag += $5 } END { print lag }'
  tidelog group offsets readers --json | jq '.offsets[] | select(.lag > 1000)'";

const RESET_EXAMPLES: &str = "\
Examples:
  tidelog group reset readers --topic orders --to earliest --dry-run
  tidelog group reset readers --topic orders --to -15m
  tidelog group reset readers --topic orders --partition 3 --to @2026-01-31T12:00:00Z

Its consumers must have been stopped: they know better where they are.";

const DELETE_EXAMPLES: &str = "\
Examples:
  tidelog group delete readers";

const HINT: &str = "`tidelog group list` shows what there is";

/// `tidelog group`.
#[derive(Debug, Subcommand)]
pub enum GroupAction {
    /// List all groups.
    #[command(after_help = LIST_EXAMPLES)]
    List {
        #[command(flatten)]
        json: JsonArgument,
        #[command(flatten)]
        server: ServerArguments,
    },
    /// Show a group's members and what they read.
    #[command(after_help = DESCRIBE_EXAMPLES)]
    Describe(Named),
    /// Show how far a group is, and how far behind.
    #[command(after_help = OFFSETS_EXAMPLES)]
    Offsets(Named),
    /// Set where a group goes on. Refused while it has members.
    #[command(after_help = RESET_EXAMPLES)]
    Reset(ResetArguments),
    /// Delete a group, with where it is. Refused while it has members.
    #[command(after_help = DELETE_EXAMPLES)]
    Delete {
        /// Its name.
        group: String,
        #[command(flatten)]
        server: ServerArguments,
    },
}

/// A group.
#[derive(Debug, Args)]
pub struct Named {
    /// Its name.
    group: String,
    #[command(flatten)]
    json: JsonArgument,
    #[command(flatten)]
    server: ServerArguments,
}

/// `tidelog group reset`.
#[derive(Debug, Args)]
pub struct ResetArguments {
    /// Its name.
    group: String,
    /// In this topic.
    #[arg(long, value_name = "TOPIC")]
    topic: String,
    /// In this partition only. May be said more than once.
    #[arg(long, short, value_name = "PARTITION")]
    partition: Vec<u32>,
    /// To where: earliest, latest, an offset, @ and a time (milliseconds, or 2026-01-31T12:00:00Z), or -15m for so long ago.
    #[arg(long, value_name = "PLACE", allow_hyphen_values = true)]
    to: Start,
    /// Only show what would be.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    json: JsonArgument,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) async fn run(action: GroupAction, output: &mut Output) -> Result<(), Failure> {
    match action {
        GroupAction::List { json, server } => list(json.json, &server, output).await,
        GroupAction::Describe(Named { group, json, server }) => {
            let info = server.client()?.group(&group).await.map_err(|error| of_group(&error, &group))?;
            if json.json { output.json(&info) } else { describe(&info, output) }
        }
        GroupAction::Offsets(named) => offsets(named, output).await,
        GroupAction::Reset(arguments) => reset(arguments, output).await,
        GroupAction::Delete { group, server } => {
            server.client()?.delete_group(&group).await.map_err(|error| of_group(&error, &group))?;
            notes::done(&format!("group {group} is deleted"));
            Ok(())
        }
    }
}

fn of_group(error: &tidelog::Error, group: &str) -> Failure {
    Failure::about(error, "group", group, HINT)
}

async fn list(json: bool, server: &ServerArguments, output: &mut Output) -> Result<(), Failure> {
    let groups = server.client()?.groups().await?;
    if json {
        return output.json(&serde_json::json!({ "groups": groups }));
    }
    if groups.is_empty() && output.is_terminal() {
        return Ok(output.line("There are no groups.").and(output.flush())?);
    }
    let row = |it: tidelog::GroupSummary| vec![it.group, it.state, it.members.to_string(), it.protocol_type];
    let rows = groups.into_iter().map(row).collect::<Vec<_>>();
    let columns = [Column::Left("GROUP"), Column::Left("STATE"), Column::Right("MEMBERS"), Column::Left("PROTOCOL")];
    output.table(&columns, &rows)
}

fn describe(info: &GroupInfo, output: &mut Output) -> Result<(), Failure> {
    if output.is_terminal() {
        let fields = [("group", &info.group), ("state", &info.state), ("protocol", &info.protocol)];
        output.fields(&fields.map(|(name, value)| (name.to_owned(), value.clone())))?;
        output.line("")?;
    }
    if info.members.is_empty() {
        let group = &info.group;
        return output
            .nothing(&format!("group {group} has no members; `tidelog group offsets {group}` shows how far it is"));
    }
    let row = |it: &tidelog::GroupMember| {
        let reads = it.assignment.iter().map(assigned).collect::<Vec<_>>().join(" ");
        vec![it.member_id.clone(), it.client_id.clone(), it.client_host.clone(), reads]
    };
    let rows = info.members.iter().map(row).collect::<Vec<_>>();
    output.table(&["MEMBER", "CLIENT", "HOST", "READS"].map(Column::Left), &rows)
}

fn assigned(assignment: &Assignment) -> String {
    let partitions = assignment.partitions.iter().map(u32::to_string).collect::<Vec<_>>();
    format!("{}:{}", assignment.topic, partitions.join(","))
}

async fn offsets(Named { group, json, server }: Named, output: &mut Output) -> Result<(), Failure> {
    let offsets = server.client()?.group_offsets(&group).await.map_err(|error| of_group(&error, &group))?;
    if json.json {
        return output.json(&serde_json::json!({ "offsets": offsets }));
    }
    if offsets.is_empty() {
        return output.nothing(&format!("group {group} has not noted how far it is in any topic"));
    }
    let row = |it: &tidelog::GroupOffset| {
        vec![it.topic.clone(), it.partition.to_string(), it.offset.to_string(), known(it.tail), known(it.lag)]
    };
    let rows = offsets.iter().map(row).collect::<Vec<_>>();
    let numbers = ["PARTITION", "OFFSET", "TAIL", "LAG"].map(Column::Right);
    output.table(&[&[Column::Left("TOPIC")], &numbers[..]].concat(), &rows)
}

fn known(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

async fn reset(arguments: ResetArguments, output: &mut Output) -> Result<(), Failure> {
    let ResetArguments { group, topic, partition, to, dry_run, json, server } = arguments;
    let asked = if let Start::Offset(offset) = to { Some(offset) } else { None };
    let mut reset = ResetOffsets::new(topic.clone(), to).dry_run(dry_run);
    if !partition.is_empty() {
        reset = reset.partitions(partition);
    }
    let client = server.client()?;
    let is_new = match client.group(&group).await {
        Ok(_) => false,
        Err(error) if error.code() == Some("unknown_group") => true,
        Err(error) => return Err(of_group(&error, &group)),
    };
    let changes = client.reset_offsets(&group, &reset).await.map_err(|error| match error.code() {
        Some("unknown_topic") => Failure::of_topic(&topic)(error),
        _ => of_group(&error, &group),
    })?;
    if json.json {
        return output.json(&reset_as_json(&changes, is_new, asked));
    }
    if is_new {
        let what = if dry_run { "this would create it" } else { "this has created it" };
        notes::told(&format!("there was no group {group}; {what}"));
    }
    if let Some(said) = clamped(&changes, &topic, asked, dry_run) {
        notes::told(&said);
    }
    let row = |it: &OffsetChange| {
        let topic = it.topic.clone().unwrap_or_default();
        vec![topic, it.partition.to_string(), known(it.before), known(it.after)]
    };
    let rows = changes.iter().map(row).collect::<Vec<_>>();
    let after = if dry_run { "WOULD BE" } else { "NOW" };
    let columns = [Column::Left("TOPIC"), Column::Right("PARTITION"), Column::Right("BEFORE"), Column::Right(after)];
    output.table(&columns, &rows)
}

/// The changes; of one that is not what was asked for, what that was.
fn reset_as_json(changes: &[OffsetChange], is_new: bool, asked: Option<u64>) -> serde_json::Value {
    let offsets = changes.iter().map(|change| {
        let mut told = serde_json::json!(change);
        if let Some(asked) = asked.filter(|asked| is_clamped(change, *asked)) {
            told["asked"] = asked.into();
        }
        told
    });
    serde_json::json!({ "is_new": is_new, "offsets": offsets.collect::<Vec<_>>() })
}

/// Which partitions do not have the offset that was asked for.
fn clamped(changes: &[OffsetChange], topic: &str, asked: Option<u64>, dry_run: bool) -> Option<String> {
    let asked = asked?;
    let clamped = changes.iter().filter(|change| is_clamped(change, asked)).collect::<Vec<_>>();
    let set = if dry_run { "would be set" } else { "is set" };
    match clamped[..] {
        [] => None,
        [one] => {
            let (partition, after) = (one.partition, known(one.after));
            Some(format!(
                "partition {partition} of {topic} has no offset {asked}; the group {set} to {after}, the nearest"
            ))
        }
        _ => {
            let count = clamped.len();
            Some(format!(
                "{count} partitions of {topic} have no offset {asked}; the group {set} to the nearest of each"
            ))
        }
    }
}

/// Whether the partition has no such offset.
fn is_clamped(change: &OffsetChange, asked: u64) -> bool {
    change.after.is_some_and(|after| after != asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(after: &[u64]) -> Vec<OffsetChange> {
        let change = |(partition, after): (usize, &u64)| {
            serde_json::from_value(serde_json::json!({ "topic": "t", "partition": partition, "after": after })).unwrap()
        };
        after.iter().enumerate().map(change).collect()
    }

    #[test]
    fn offsets_that_are_not_there_are_told() {
        let check = |after: &[u64], asked, expected: Option<&str>| {
            assert_eq!(clamped(&changes(after), "t", asked, false).as_deref(), expected);
        };
        check(&[5, 5], Some(5), None);
        check(&[5, 7], None, None);
        check(&[5, 3], Some(5), Some("partition 1 of t has no offset 5; the group is set to 3, the nearest"));
        check(&[2, 3], Some(5), Some("2 partitions of t have no offset 5; the group is set to the nearest of each"));
        assert!(clamped(&changes(&[1]), "t", Some(5), true).unwrap().contains("would be set"));
        let json = reset_as_json(&changes(&[5, 3]), true, Some(5));
        assert_eq!((&json["is_new"], &json["offsets"][0]["asked"]), (&true.into(), &serde_json::Value::Null));
        assert_eq!((&json["offsets"][1]["asked"], &json["offsets"][1]["after"]), (&5.into(), &3.into()));
    }
}
