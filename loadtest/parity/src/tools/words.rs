//! Commands as the tools are given them, and what they print as it is compared.

use anyhow::Context;

use super::lines::{How, Line};
use crate::tree::Tree;

/// The class behind each command, and how many words stand before `--bootstrap-server`.
const TOOLS: &[(&str, &str, usize)] = &[
    ("kafka-broker-api-versions", "org.apache.kafka.tools.BrokerApiVersionsCommand", 0),
    ("kafka-client-metrics", "org.apache.kafka.tools.ClientMetricsCommand", 0),
    ("kafka-cluster", "org.apache.kafka.tools.ClusterTool", 1),
    ("kafka-configs", "kafka.admin.ConfigCommand", 0),
    ("kafka-console-consumer", "org.apache.kafka.tools.consumer.ConsoleConsumer", 0),
    ("kafka-console-producer", "org.apache.kafka.tools.ConsoleProducer", 0),
    ("kafka-consumer-groups", "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", 0),
    ("kafka-delete-records", "org.apache.kafka.tools.DeleteRecordsCommand", 0),
    ("kafka-features", "org.apache.kafka.tools.FeatureCommand", 0),
    ("kafka-get-offsets", "org.apache.kafka.tools.GetOffsetShell", 0),
    ("kafka-groups", "org.apache.kafka.tools.GroupsCommand", 0),
    ("kafka-leader-election", "org.apache.kafka.tools.LeaderElectionCommand", 0),
    ("kafka-log-dirs", "org.apache.kafka.tools.LogDirsCommand", 0),
    ("kafka-metadata-quorum", "org.apache.kafka.tools.MetadataQuorumCommand", 0),
    ("kafka-reassign-partitions", "org.apache.kafka.tools.reassign.ReassignPartitionsCommand", 0),
    ("kafka-topics", "org.apache.kafka.tools.TopicCommand", 0),
    ("kafka-transactions", "org.apache.kafka.tools.TransactionsCommand", 0),
];

/// Letters of an id such as a topic's, which is 16 bytes in base 64.
const ID_LETTERS: usize = 22;
/// Digits of a time in milliseconds, for the next 250 years.
const TIME_DIGITS: usize = 13;
/// Letters of the random end of a member's id.
const MEMBER_LETTERS: usize = 36;

/// The line for `Tool.java`. `{file}` in a command stands for the file that it is given.
#[must_use]
pub fn request(line: &Line, address: &str, file: &str) -> String {
    if line.how == How::End {
        return "end".to_owned();
    }
    let command = line.words.split(" #").next().unwrap_or_default();
    let mut words = command.split(' ');
    let tool = words.next().unwrap_or_default();
    let (_, class, before) = TOOLS.iter().find(|(name, ..)| *name == tool).expect("checked by a test");
    let mut all: Vec<&str> = words.collect();
    all.splice(*before..*before, ["--bootstrap-server", address]);
    all.splice(0..0, [if line.how == How::Start { "start" } else { "run" }, class, line.input]);
    all.into_iter().map(|word| escaped(&word.replace("{file}", file))).collect::<Vec<_>>().join("\t")
}

/// Exit code and lines, without what cannot be the same.
///
/// # Errors
/// It is not in the form of `Tool.java`.
pub fn outcome(line: &Line, answer: &str, address: &str) -> anyhow::Result<Tree> {
    let mut parts = answer.trim_end_matches('\n').split('\t');
    let (code, out, err) = (parts.next(), parts.next(), parts.next());
    let lines = |text: Option<&str>| -> anyhow::Result<Tree> {
        let text = unescaped(text.context("a part is missing")?);
        let mut lines: Vec<String> = text
            .lines()
            .filter(|said| !of_a_stack(said) && said.contains(line.about))
            .map(|said| normal(said, address, line.without_numbers))
            .collect();
        if line.in_any_order {
            lines.sort();
        }
        Ok(Tree::Items(lines.into_iter().map(Tree::Leaf).collect()))
    };
    let exit = ("exit".to_owned(), Tree::leaf(code.unwrap_or_default()));
    Ok(Tree::Fields(vec![exit, ("out".to_owned(), lines(out)?), ("err".to_owned(), lines(err)?)]))
}

/// Where in a tool's code something happened.
fn of_a_stack(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("at ") && line.contains('(') || line.starts_with("... ")
}

/// A line without this run's ids, times and ports. Columns are as wide as what is in them, so white space is one space.
fn normal(line: &str, address: &str, without_numbers: bool) -> String {
    let port = address.rsplit(':').next().unwrap_or_default();
    let word = |word: &str| {
        if without_numbers && word.bytes().all(|byte| byte.is_ascii_digit()) {
            return "<number>".to_owned();
        }
        let word = word.replace(address, "<address>");
        if word == port { "<port>".to_owned() } else { named(&folders_named(&word)) }
    };
    line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

/// A word in which every text in quotes that begins with a slash is replaced: a server's folders are its own affair.
fn folders_named(word: &str) -> String {
    let mut parts = word.split("\"/");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text += "\"<folder>";
        text += part.find('"').map_or("", |end| &part[end..]);
    }
    text
}

/// A word with what looks like an id or a time replaced.
fn named(word: &str) -> String {
    let of_id = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    let mut text = String::new();
    let mut rest = word;
    while !rest.is_empty() {
        let (run, after) = rest.split_at(rest.find(|letter| !of_id(letter)).unwrap_or(rest.len()));
        let digits = run.bytes().all(|byte| byte.is_ascii_digit());
        match run.len() {
            ID_LETTERS if run.bytes().any(|byte| byte.is_ascii_uppercase()) => text += "<id>",
            TIME_DIGITS if digits && run.starts_with('1') => text += "<time>",
            length if length > MEMBER_LETTERS && is_random(&run[length - MEMBER_LETTERS..]) => {
                text += &run[..length - MEMBER_LETTERS];
                text += "<random>";
            }
            _ => text += run,
        }
        let other = after.chars().next().map_or(0, char::len_utf8);
        text += &after[..other];
        rest = &after[other..];
    }
    text
}

/// Groups of hexadecimal digits, as in a UUID.
fn is_random(text: &str) -> bool {
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n")
}

fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, if letter == '\\' { letters.next() } else { None }) {
            (_, Some('t')) => plain.push('\t'),
            (_, Some('n')) => plain.push('\n'),
            (_, Some(other)) => plain.push(other),
            (other, None) => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::lines::LINES;
    use super::*;

    #[test]
    fn each_line_has_a_tool_and_stands_once() {
        let mut seen = BTreeSet::new();
        for line in LINES {
            let known = TOOLS.iter().any(|(name, ..)| line.words.split(' ').next() == Some(name));
            assert!(known || line.how == How::End, "{}", line.words);
            assert!(seen.insert(line.words), "{} twice", line.words);
        }
        let used = |name: &str| LINES.iter().any(|line| line.words.split(' ').next() == Some(name));
        assert!(TOOLS.iter().all(|(name, ..)| used(name)), "a tool is not run");
    }

    #[test]
    fn what_cannot_be_the_same_is_replaced() {
        for (line, expected) in [
            ("Topic: a\tTopicId: 9NMFVhp9QXamfU0tapOMGQ\tConfigs: ", "Topic: a TopicId: <id> Configs:"),
            ("g  127.0.0.1:9  (1)  9", "g <address> (1) <port>"),
            ("1  1795844909369  17958449093690", "1 <time> 17958449093690"),
            (r#"{"log_dirs":["/a/b"],"c":1}"#, r#"{"log_dirs":["<folder>"],"c":1}"#),
            (
                "console-consumer-1d1e8f0a-1b1c-4d4e-8f8a-0123456789ab /127.0.0.1",
                "console-consumer-<random> /127.0.0.1",
            ),
        ] {
            assert_eq!(normal(line, "127.0.0.1:9", false), expected);
        }
        assert_eq!(normal("HighWatermark:  64 a7", "127.0.0.1:9", true), "HighWatermark: <number> a7");
    }

    #[test]
    fn an_answer_is_read() {
        let tree = outcome(&LINES[0], "1\ta\\tb\\n\\tat x(y)\\nc\\\\\\n\t\n", "127.0.0.1:9").unwrap();
        let Tree::Items(lines) = tree.field("out").unwrap() else { panic!("{tree:?}") };
        assert_eq!(lines, &[Tree::leaf("a b"), Tree::leaf("c\\")]);
        assert_eq!(tree.field("exit"), Some(&Tree::leaf("1")));
        assert!(outcome(&LINES[0], "1\tx", "127.0.0.1:9").is_err());
    }
}
