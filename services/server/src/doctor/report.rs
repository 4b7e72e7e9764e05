//! What was found, for people and for programs.

use std::fmt::Write;
use std::io::IsTerminal;

use serde_json::json;

use crate::logging::colours_suit;

/// How well something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing to do.
    Well,
    /// It works, and could be better.
    Warning,
    /// It does not work.
    Wrong,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            State::Well => "ok",
            State::Warning => "warning",
            State::Wrong => "WRONG",
        }
    }

    fn colour(self) -> &'static str {
        match self {
            State::Well => "\x1b[32m",
            State::Warning => "\x1b[33m",
            State::Wrong => "\x1b[1;31m",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug)]
struct Finding {
    check: &'static str,
    state: State,
    what: String,
    advice: Option<String>,
}

/// All that was looked at.
#[derive(Debug, Default)]
pub struct Report(Vec<Finding>);

impl Report {
    /// Something is as it should be.
    pub fn well(&mut self, check: &'static str, what: impl Into<String>) {
        self.0.push(Finding { check, state: State::Well, what: what.into(), advice: None });
    }

    /// Something works, and could be better.
    pub fn warn(&mut self, check: &'static str, what: impl Into<String>, advice: impl Into<String>) {
        self.0.push(Finding { check, state: State::Warning, what: what.into(), advice: Some(advice.into()) });
    }

    /// Something does not work.
    pub fn wrong(&mut self, check: &'static str, what: impl Into<String>, advice: impl Into<String>) {
        self.0.push(Finding { check, state: State::Wrong, what: what.into(), advice: Some(advice.into()) });
    }

    /// Whether a node would start and work.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.0.iter().all(|finding| finding.state != State::Wrong)
    }

    /// A line each, and what to do below it.
    pub fn as_text(&self, stream: &impl IsTerminal) -> String {
        let paint = |state: State, text: &str| {
            if colours_suit(stream) { format!("{}{text}\x1b[0m", state.colour()) } else { text.to_owned() }
        };
        let width = self.0.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
        let mut text = String::new();
        let written = "a string takes everything";
        for Finding { check, state, what, advice } in &self.0 {
            let word = paint(*state, &format!("{:<7}", state.word()));
            writeln!(text, "{word}  {check:<width$}  {what}").expect(written);
            if let Some(advice) = advice {
                writeln!(text, "{:<7}  {:<width$}  do: {advice}", "", "").expect(written);
            }
        }
        let count = |state| self.0.iter().filter(|finding| finding.state == state).count();
        let end = match (count(State::Wrong), count(State::Warning)) {
            (0, 0) => "All is well.".to_owned(),
            (0, warnings) => format!("It will work; to be looked at: {warnings}."),
            (wrong, _) => format!("It will not work as it is; wrong: {wrong}."),
        };
        writeln!(text, "\n{end}").expect(written);
        text
    }

    /// One object: `ok`, and `checks` with `check`, `state` (ok, warning, wrong), `what` and, where there is something to do,
    /// `do`.
    pub fn as_json(&self) -> String {
        let checks = self.0.iter().map(|Finding { check, state, what, advice }| {
            let mut told = json!({ "check": check, "state": state.word().to_lowercase(), "what": what });
            if let Some(advice) = advice {
                told["do"] = json!(advice);
            }
            told
        });
        format!("{:#}\n", json!({ "ok": self.is_well(), "checks": checks.collect::<Vec<_>>() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_told_to_people_and_programs() {
        let mut report = Report::default();
        report.well("memory", "enough");
        report.warn("disk", "slow", "take another");
        assert!(report.is_well());
        report.wrong("kafka port", "taken", "free it");
        assert!(!report.is_well());
        let text = report.as_text(&std::fs::File::open("/dev/null").unwrap());
        assert!(text.contains("WRONG    kafka port  taken\n                     do: free it\n"), "{text}");
        assert!(text.ends_with("wrong: 1.\n"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&report.as_json()).unwrap();
        assert_eq!(json["ok"], false);
        assert_eq!(
            json["checks"][1],
            json!({"check": "disk", "state": "warning", "what": "slow", "do": "take another"})
        );
    }
}
