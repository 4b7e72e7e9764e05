//! curl: what docs/http.md shows to be copied, line for line, and that the server answers what the page says.

use tidelog_clients::tools::{bounded, run};

use crate::server;

const PAGE: &str = include_str!("../../../../docs/http.md");
/// What the page leaves out of an answer.
const LEFT_OUT: char = '…';

/// A command, and what is answered as the page has it.
type Shown = (String, String);

/// What a part of the page shows: commands, each with the comment lines behind it.
fn shown(heading: &str) -> Vec<Shown> {
    let (_, part) = PAGE.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no part {heading}"));
    let part = part.split("\n## ").next().unwrap_or_default();
    let (_, block) = part.split_once("```sh\n").unwrap_or_else(|| panic!("{heading} shows nothing"));
    let block = block.split("```").next().unwrap_or_default();
    let mut shown = Vec::<Shown>::new();
    for line in block.lines() {
        match (line.strip_prefix('#'), shown.last_mut()) {
            // An answer is one line; on the page it is broken where it is long.
            (Some(answer), Some((_, whole))) => whole.push_str(answer.trim_start()),
            (None, Some((command, answer))) if answer.is_empty() => command.push_str(&format!("\n{line}")),
            (None, _) => shown.push((line.to_owned(), String::new())),
            (Some(_), None) => panic!("{heading}: an answer without a command: {line}"),
        }
    }
    shown
}

/// Whether an answer is as it is shown, but for what is left out.
fn is_as_shown(answer: &str, shown: &str) -> bool {
    let Some((begin, more)) = shown.split_once(LEFT_OUT) else { return answer == shown };
    let Some(mut rest) = answer.strip_prefix(begin) else { return false };
    let (middle, end) = more.rsplit_once(LEFT_OUT).unwrap_or(("", more));
    for part in middle.split(LEFT_OUT) {
        let Some(place) = rest.find(part) else { return false };
        rest = &rest[place + part.len()..];
    }
    rest.ends_with(end)
}

fn check(heading: &str, at_least: usize) {
    let server = server();
    let shown = shown(heading);
    assert!(shown.len() >= at_least, "{heading} shows {} commands", shown.len());
    for (command, answer) in shown {
        assert!(command.starts_with("curl ") && !answer.is_empty(), "{heading}: {command}: no answer is shown");
        let here = command.replace("localhost:8080", server.http_address());
        assert_ne!(here, command, "{heading}: it asks no server of ours");
        let mut shell = bounded("bash", 30);
        shell.arg("-c").arg(here.replacen("curl ", "curl --silent --show-error ", 1));
        let told = run(shell, b"").unwrap();
        // The newline is what a terminal needs, and a page does not show.
        let told = told.strip_suffix('\n').unwrap_or(&told);
        assert!(is_as_shown(told, &answer), "{heading}: {command}\nis answered\n{told}\nand not\n{answer}");
    }
}

#[test]
fn topics_are_as_the_page_shows() {
    check("Topics", 6);
}

#[test]
fn groups_are_as_the_page_shows() {
    check("Groups", 8);
}

#[test]
fn what_is_not_as_shown_is_seen() {
    for shown in ["{\"a\":1}", "{…}", "{\"a\":…}", "…1…", "{\"a\"…"] {
        assert!(is_as_shown("{\"a\":1}", shown), "{shown}");
    }
    for shown in ["", "{\"a\":2}", "{\"a\":…2}", "{\"a\":1", "\"a\":1}", "{…}}"] {
        assert!(!is_as_shown("{\"a\":1}", shown), "{shown}");
    }
}
