//! `tidelog topic`.

use std::io::{IsTerminal, Write};

use clap::{Args, Subcommand};
use tidelog::{NewTopic, TopicChanges, TopicInfo};

use crate::exit;
use crate::failure::Failure;
use crate::notes;
use crate::output::{Column, Output, bytes};
use crate::server::{JsonArgument, ServerArguments};

pub(crate) const EXAMPLES: &str = "\
Examples:
  tidelog topic create orders --partitions 6 --if-not-exists
  tidelog topic list                               name, partitions and id of each
  tidelog topic describe orders                    where its partitions begin and end, and its settings
  tidelog topic configure orders --set retention.ms=86400000 --partitions 12
  tidelog topic delete orders --yes                with all its records, and without asking

`tidelog topic COMMAND --help` has examples of each.";

const LIST_EXAMPLES: &str = "\
Examples:
  tidelog topic list
  tidelog topic list | cut -f1                     names alone: elsewhere than on a terminal fields have tabs between them
  tidelog topic list --json | jq -r '.topics[] | select(.partitions > 1) | .name'";

const CREATE_EXAMPLES: &str = "\
Examples:
  tidelog topic create greetings
  tidelog topic create orders --partitions 6 --config retention.ms=3600000 --config max.message.bytes=100000
  tidelog topic create orders --if-not-exists      in a script that may run again

docs/kafka-compatibility.md tells which settings have an effect.";

const DESCRIBE_EXAMPLES: &str = "\
Examples:
  tidelog topic describe orders
  tidelog topic describe orders --all              settings that have their defaults too
  tidelog topic describe orders | awk '{ records += $4 } END { print records }'
  tidelog topic describe orders --json | jq '.configs.\"retention.ms\".value'";

const CONFIGURE_EXAMPLES: &str = "\
Examples:
  tidelog topic configure orders --set retention.ms=86400000 --unset compression.type
  tidelog topic configure orders --partitions 12   12 in all; keys go elsewhere from then on

What is not named stays as it is.";

const DELETE_EXAMPLES: &str = "\
Examples:
  tidelog topic delete orders                      asks before, on a terminal
  tidelog topic delete orders --yes                in a script";

/// `tidelog topic`.
#[derive(Debug, Subcommand)]
pub enum TopicAction {
    /// List all topics.
    #[command(after_help = LIST_EXAMPLES)]
    List {
        #[command(flatten)]
        json: JsonArgument,
        #[command(flatten)]
        server: ServerArguments,
    },
    /// Create a topic.
    #[command(after_help = CREATE_EXAMPLES)]
    Create(CreateArguments),
    /// Show a topic's partitions and settings.
    #[command(after_help = DESCRIBE_EXAMPLES)]
    Describe {
        /// Its name.
        topic: String,
        /// Show settings that have their defaults too.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        json: JsonArgument,
        #[command(flatten)]
        server: ServerArguments,
    },
    /// Change a topic's settings, and give it more partitions.
    #[command(after_help = CONFIGURE_EXAMPLES)]
    Configure(ConfigureArguments),
    /// Delete a topic and all its records.
    #[command(after_help = DELETE_EXAMPLES)]
    Delete {
        /// Its name.
        topic: String,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
        #[command(flatten)]
        server: ServerArguments,
    },
}

/// `tidelog topic create`.
#[derive(Debug, Args)]
pub struct CreateArguments {
    /// Its name: 1 to 249 of a-z A-Z 0-9 . _ -
    topic: String,
    /// How many partitions [default: what the server says]
    #[arg(long, short, value_name = "COUNT")]
    partitions: Option<u32>,
    /// A setting, by Kafka's name. May be said more than once.
    #[arg(long, short, value_name = "NAME=VALUE")]
    config: Vec<String>,
    /// Having it already is a success.
    #[arg(long)]
    if_not_exists: bool,
    #[command(flatten)]
    json: JsonArgument,
    #[command(flatten)]
    server: ServerArguments,
}

/// `tidelog topic configure`.
#[derive(Debug, Args)]
pub struct ConfigureArguments {
    /// Its name.
    topic: String,
    /// Set a setting. May be said more than once.
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Set a setting back to its default. May be said more than once.
    #[arg(long, value_name = "NAME")]
    unset: Vec<String>,
    /// What `topic create` takes, to be told what is meant here.
    #[arg(long, short, value_name = "NAME=VALUE", hide = true)]
    config: Vec<String>,
    /// Give it more partitions: as many as it is to have.
    #[arg(long, short, value_name = "COUNT")]
    partitions: Option<u32>,
    #[command(flatten)]
    json: JsonArgument,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) async fn run(action: TopicAction, output: &mut Output) -> Result<(), Failure> {
    match action {
        TopicAction::List { json, server } => list(json.json, &server, output).await,
        TopicAction::Create(arguments) => create(arguments, output).await,
        TopicAction::Describe { topic, all, json, server } => {
            let info = server.client()?.topic(&topic).await.map_err(Failure::of_topic(&topic))?;
            if json.json { output.json(&info) } else { show(&info, all, output) }
        }
        TopicAction::Configure(arguments) => configure(arguments, output).await,
        TopicAction::Delete { topic, yes, server } => delete(&topic, yes, &server).await,
    }
}

async fn list(json: bool, server: &ServerArguments, output: &mut Output) -> Result<(), Failure> {
    let topics = server.client()?.topics().await?;
    if json {
        return output.json(&serde_json::json!({ "topics": topics }));
    }
    if topics.is_empty() && output.is_terminal() {
        return Ok(output.line("There are no topics. `tidelog topic create NAME` creates one.").and(output.flush())?);
    }
    let row = |topic: tidelog::TopicSummary| vec![topic.name, topic.partitions.to_string(), topic.id];
    let rows = topics.into_iter().map(row).collect::<Vec<_>>();
    output.table(&[Column::Left("TOPIC"), Column::Right("PARTITIONS"), Column::Left("ID")], &rows)
}

async fn create(arguments: CreateArguments, output: &mut Output) -> Result<(), Failure> {
    let mut topic = NewTopic::new(&arguments.topic);
    if let Some(count) = arguments.partitions {
        topic = topic.partitions(count);
    }
    for config in &arguments.config {
        let (name, value) = setting(config)?;
        topic = topic.config(name, value);
    }
    let client = arguments.server.client()?;
    match client.create_topic(&topic).await {
        Ok(created) if arguments.json.json => output.json(&created),
        Ok(created) => {
            notes::done(&format!("topic {} is created, with {}", created.name, partitions(created.partitions)));
            Ok(())
        }
        Err(error) if error.code() == Some("topic_exists") && arguments.if_not_exists => {
            if !arguments.json.json {
                notes::done(&format!("topic {} is there already, and stays as it is", arguments.topic));
                return Ok(());
            }
            let info = client.topic(&arguments.topic).await?;
            let (name, id, partitions) = (info.name, info.id, info.partition_count);
            output.json(&serde_json::json!({ "name": name, "id": id, "partitions": partitions }))
        }
        Err(error) if error.code() == Some("topic_exists") => {
            Err(Failure::from(error).and("--if-not-exists takes that for a success"))
        }
        Err(error) => Err(error.into()),
    }
}

async fn configure(arguments: ConfigureArguments, output: &mut Output) -> Result<(), Failure> {
    if let Some(config) = arguments.config.first() {
        let said = format!("--config is of `topic create`; here --set {config} sets it, and --unset NAME sets it back");
        return Err(Failure::usage(said));
    }
    let mut changes = TopicChanges::default();
    for config in &arguments.set {
        let (name, value) = setting(config)?;
        changes = changes.set(name, value);
    }
    for name in &arguments.unset {
        changes = changes.unset(name);
    }
    if let Some(count) = arguments.partitions {
        changes = changes.partitions(count);
    }
    if changes == TopicChanges::default() {
        return Err(Failure::usage("nothing is to be changed; --set, --unset and --partitions say what"));
    }
    let client = arguments.server.client()?;
    let info = client.configure_topic(&arguments.topic, &changes).await.map_err(Failure::of_topic(&arguments.topic))?;
    if arguments.json.json {
        return output.json(&info);
    }
    notes::done(&changed(&arguments, &info));
    Ok(())
}

/// What a topic's changes have come to.
fn changed(arguments: &ConfigureArguments, info: &TopicInfo) -> String {
    let names = arguments.set.iter().map(|text| text.split('=').next().unwrap_or_default());
    let names = names.chain(arguments.unset.iter().map(String::as_str));
    let values = names.map(|name| match info.configs.get(name) {
        Some(config) if config.is_set => format!("{name} is {}", config.value),
        Some(config) => format!("{name} is {}, the default", config.value),
        None => format!("{name} is not set"),
    });
    let count = arguments.partitions.map(|_| format!("it has {}", partitions(info.partition_count)));
    let said = values.chain(count).collect::<Vec<_>>().join("; ");
    format!("topic {} is changed: {said}", info.name)
}

fn partitions(count: u32) -> String {
    if count == 1 { "1 partition".to_owned() } else { format!("{count} partitions") }
}

async fn delete(topic: &str, yes: bool, server: &ServerArguments) -> Result<(), Failure> {
    let client = server.client()?;
    if !yes {
        if !std::io::stdin().is_terminal() {
            return Err(Failure::usage(format!(
                "deleting {topic} deletes its records too; --yes says that this is meant"
            )));
        }
        let info = client.topic(topic).await.map_err(Failure::of_topic(topic))?;
        let records = info.partitions.iter().map(|it| it.high_watermark - it.log_start).sum::<u64>();
        let count = partitions(info.partition_count);
        let question = format!("Delete topic {topic} with its {count} and {records} records?");
        if !confirmed(&question).await {
            return Err(Failure::new(exit::FAILED, "nothing was deleted"));
        }
    }
    client.delete_topic(topic).await.map_err(Failure::of_topic(topic))?;
    notes::done(&format!("topic {topic} is deleted, with its records"));
    Ok(())
}

/// Asks whoever sits there. The question is on a thread of its own, so that Ctrl-C is an answer too.
async fn confirmed(question: &str) -> bool {
    let question = format!("{question} [y/N] ");
    let asked = tokio::task::spawn_blocking(move || {
        let mut answer = String::new();
        let mut out = std::io::stderr();
        let _ = out.write_all(question.as_bytes()).and_then(|()| out.flush());
        std::io::stdin().read_line(&mut answer).is_ok_and(|_| matches!(answer.trim(), "y" | "Y" | "yes"))
    });
    asked.await.unwrap_or(false)
}

fn setting(text: &str) -> Result<(&str, &str), Failure> {
    text.split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| Failure::usage(format!("{text:?} is no setting; NAME=VALUE works, like retention.ms=3600000")))
}

fn show(info: &TopicInfo, all: bool, output: &mut Output) -> Result<(), Failure> {
    let stored = info.partitions.iter().map(|it| it.bytes).sum::<u64>();
    if output.is_terminal() {
        let fields = [("topic", &info.name), ("id", &info.id), ("bytes", &bytes(stored))];
        output.fields(&fields.map(|(name, value)| (name.to_owned(), value.clone())))?;
        output.line("")?;
    }
    let row = |it: &tidelog::PartitionInfo| {
        let records = it.high_watermark - it.log_start;
        let size = if output.is_terminal() { bytes(it.bytes) } else { it.bytes.to_string() };
        let numbers = [u64::from(it.partition), it.log_start, it.high_watermark, records];
        numbers.iter().map(u64::to_string).chain([size]).collect::<Vec<_>>()
    };
    let rows = info.partitions.iter().map(row).collect::<Vec<_>>();
    let columns = ["PARTITION", "FROM", "TAIL", "RECORDS", "BYTES"].map(Column::Right);
    output.table(&columns, &rows)?;
    let configs = info.configs.iter().filter(|(_, config)| all || config.is_set).collect::<Vec<_>>();
    if !configs.is_empty() && output.is_terminal() {
        output.line("")?;
        let default = |is_set: bool| if is_set { "" } else { "default" };
        let row = |(name, config): &(&String, &tidelog::ConfigView)| {
            vec![name.to_string(), config.value.clone(), default(config.is_set).to_owned()]
        };
        let rows = configs.iter().map(row).collect::<Vec<_>>();
        output.table(&[Column::Left("SETTING"), Column::Left("VALUE"), Column::Left("")], &rows)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_a_name_and_a_value() {
        assert_eq!(setting("a.b=c=d").unwrap(), ("a.b", "c=d"));
        assert_eq!(setting("a=").unwrap(), ("a", ""));
        for wrong in ["a", "=b", ""] {
            assert_eq!(setting(wrong).unwrap_err().code(), exit::USAGE, "{wrong}");
        }
    }
}
