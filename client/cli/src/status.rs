//! `tidelog status`.

use clap::Args;
use serde_json::Value;
use tidelog::Status;

use crate::failure::Failure;
use crate::output::{Column, Output, bytes, duration};
use crate::server::{JsonArgument, ServerArguments};

pub(crate) const EXAMPLES: &str = "\
Examples:
  tidelog status
  tidelog status --server http://tidelog.example.com:8080 --json | jq .raft";

/// `tidelog status`.
#[derive(Debug, Args)]
pub struct StatusArguments {
    #[command(flatten)]
    json: JsonArgument,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) async fn run(arguments: StatusArguments, output: &mut Output) -> Result<(), Failure> {
    let client = arguments.server.client()?;
    let status = client.status().await?;
    if arguments.json.json { output.json(&status) } else { show(client.server(), &status, output) }
}

fn show(server: &str, status: &Status, output: &mut Output) -> Result<(), Failure> {
    let mut fields = vec![
        ("server".to_owned(), server.to_owned()),
        ("version".to_owned(), status.version.clone()),
        ("cluster".to_owned(), status.cluster_id.clone()),
    ];
    if let Some(seconds) = status.uptime_s {
        fields.push(("up".to_owned(), duration(seconds)));
    }
    let counts = [("topics", status.topics), ("partitions", status.partitions), ("groups", status.groups)];
    let counts = counts.into_iter().filter_map(|(name, count)| Some((name.to_owned(), count?.to_string())));
    fields.extend(counts);
    let appends = match (&status.appends.accepted, &status.appends.why) {
        (true, _) => "taken".to_owned(),
        (false, Some(why)) => format!("REFUSED: {why}"),
        (false, None) => "REFUSED".to_owned(),
    };
    fields.push(("appends".to_owned(), appends));
    for (name, value) in &status.more {
        flatten(name, value, &mut fields);
    }
    output.fields(&fields)?;
    if !output.is_terminal() || status.nodes.is_empty() {
        return Ok(());
    }
    output.line("")?;
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let row = |it: &tidelog::NodeStatus| {
        let up = it.uptime_s.map_or_else(|| "-".to_owned(), duration);
        vec![it.node_id.to_string(), it.state.clone(), text(&it.zone), text(&it.kafka), text(&it.http), up]
    };
    let rows = status.nodes.iter().map(row).collect::<Vec<_>>();
    output.table(&["NODE", "STATE", "ZONE", "KAFKA", "HTTP", "UP"].map(Column::Left), &rows)
}

/// What the server tells, by dotted names; what is in bytes as people say it.
fn flatten(name: &str, value: &Value, fields: &mut Vec<(String, String)>) {
    match value {
        Value::Object(inner) => inner.iter().for_each(|(key, value)| flatten(&format!("{name}.{key}"), value, fields)),
        Value::Array(list) => {
            for (place, value) in list.iter().enumerate() {
                // A list of things that have a name is told by their names.
                let label = value.get("stage").or(value.get("name")).and_then(Value::as_str);
                let label = label.map_or_else(|| place.to_string(), str::to_owned);
                let name = format!("{name}.{label}");
                match value {
                    // Its name is said already.
                    Value::Object(inner) => {
                        let rest = inner.iter().filter(|(_, value)| value.as_str() != Some(&label));
                        rest.for_each(|(key, value)| flatten(&format!("{name}.{key}"), value, fields));
                    }
                    _ => flatten(&name, value, fields),
                }
            }
        }
        Value::Number(number) if name.ends_with("bytes") || name.ends_with("bytes_max") => {
            let text = number.as_u64().map_or_else(|| number.to_string(), bytes);
            fields.push((name.to_owned(), text));
        }
        Value::String(text) => fields.push((name.to_owned(), text.clone())),
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) => fields.push((name.to_owned(), value.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_server_tells_is_shown() {
        let mut fields = Vec::new();
        let told = serde_json::json!({
            "store": "file:///x",
            "stages": [{"stage": "inline", "bytes": 2048, "extents": 3}],
            "unknown": null,
        });
        flatten("storage", &told, &mut fields);
        let expected = [
            ("storage.stages.inline.bytes", "2.0 KiB"),
            ("storage.stages.inline.extents", "3"),
            ("storage.store", "file:///x"),
        ];
        fields.sort();
        assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
