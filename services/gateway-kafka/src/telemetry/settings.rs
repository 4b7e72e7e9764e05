//! The settings of a metrics subscription: Kafka's names, rules and words.

use std::collections::BTreeMap;

use regex_lite::{Regex, RegexBuilder};
use tidelog_kafka_wire::ErrorCode;

pub(crate) const METRICS: &str = "metrics";
pub(crate) const INTERVAL_MS: &str = "interval.ms";
pub(crate) const MATCH: &str = "match";

/// How often a client pushes when nothing else is said.
pub(crate) const INTERVAL_MS_DEFAULT: u32 = 300_000;
const INTERVAL_MS_RANGE: std::ops::RangeInclusive<i32> = 100..=3_600_000;
/// Memory of one compiled pattern, to which the time that it takes is in proportion. A subscription has as many as there are
/// selectors, a tenant 256 subscriptions.
const PATTERN_BYTES_MAX: usize = 16 * 1024;

/// One of them.
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) default: &'static str,
    pub(crate) is_list: bool,
    pub(crate) purpose: &'static str,
}

/// All of them, by name.
pub(crate) const SETTINGS: [Setting; 3] = [
    Setting {
        name: INTERVAL_MS,
        default: "300000",
        is_list: false,
        purpose: "Milliseconds between two pushes of a client.",
    },
    Setting {
        name: MATCH,
        default: "",
        is_list: true,
        purpose: "Which clients are asked: selector=pattern, each of them has to match. All clients without any.",
    },
    Setting {
        name: METRICS,
        default: "",
        is_list: true,
        purpose: "What the names of the metrics begin with; * stands for all of them.",
    },
];

/// What a pattern is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Selector {
    ClientId,
    ClientInstanceId,
    SoftwareName,
    SoftwareVersion,
    SourceAddress,
    SourcePort,
}

impl Selector {
    fn of(name: &str) -> Option<Selector> {
        Some(match name {
            "client_id" => Selector::ClientId,
            "client_instance_id" => Selector::ClientInstanceId,
            "client_software_name" => Selector::SoftwareName,
            "client_software_version" => Selector::SoftwareVersion,
            "client_source_address" => Selector::SourceAddress,
            "client_source_port" => Selector::SourcePort,
            _ => return None,
        })
    }
}

/// Settings that mean something.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) metrics: Vec<String>,
    pub(crate) interval_ms: u32,
    pub(crate) patterns: BTreeMap<Selector, Regex>,
}

/// Reads settings, in Kafka's order of complaints.
///
/// # Errors
/// Kafka's code, and a text for the client.
pub(crate) fn parse(settings: &BTreeMap<String, String>) -> Result<Parsed, (ErrorCode, String)> {
    let known = |name: &str| SETTINGS.iter().any(|setting| setting.name == name);
    if let Some(name) = settings.keys().find(|name| !known(name)) {
        return Err((ErrorCode::InvalidRequest, format!("Unknown client metrics configuration: {name}")));
    }
    let invalid = |text: String| (ErrorCode::InvalidConfig, text);
    let metrics = parts(settings.get(METRICS).map_or("", String::as_str));
    if metrics.iter().any(|metric| metric.is_empty()) {
        return Err(invalid(format!("Configuration '{METRICS}' values must not be empty.")));
    }
    let interval_ms = match settings.get(INTERVAL_MS) {
        Some(value) => interval_ms(value)?,
        None => INTERVAL_MS_DEFAULT,
    };
    let mut patterns = BTreeMap::new();
    for part in parts(settings.get(MATCH).map_or("", String::as_str)) {
        let (selector, pattern) = pattern(part).map_err(invalid)?;
        patterns.insert(selector, pattern);
    }
    Ok(Parsed { metrics: metrics.into_iter().map(str::to_owned).collect(), interval_ms, patterns })
}

/// A value in the form in which it is shown.
pub(crate) fn shown(setting: &Setting, value: &str) -> String {
    if setting.is_list { parts(value).join(",") } else { value.trim().to_owned() }
}

fn parts(value: &str) -> Vec<&str> {
    let value = value.trim();
    if value.is_empty() { Vec::new() } else { value.split(',').map(str::trim).collect() }
}

fn interval_ms(value: &str) -> Result<u32, (ErrorCode, String)> {
    let number = value.trim().parse::<i32>().map_err(|_| {
        let text = format!("Invalid value {value} for configuration {INTERVAL_MS}: Not a number of type INT");
        (ErrorCode::InvalidConfig, text)
    })?;
    let in_range = INTERVAL_MS_RANGE.contains(&number).then(|| u32::try_from(number).ok()).flatten();
    in_range.ok_or_else(|| {
        let (min, max) = (INTERVAL_MS_RANGE.start(), INTERVAL_MS_RANGE.end());
        let text =
            format!("Invalid value {number} for {INTERVAL_MS}, interval must be between {min} and {max} (1 hour)");
        (ErrorCode::InvalidRequest, text)
    })
}

fn pattern(part: &str) -> Result<(Selector, Regex), String> {
    let refused = |why: &str| format!("Illegal client matching pattern: {part}{why}");
    let halves = part.split('=').collect::<Vec<_>>();
    let [name, pattern] = halves[..] else { return Err(refused("")) };
    let (selector, pattern) = (Selector::of(name.trim()).ok_or_else(|| refused(""))?, pattern.trim());
    if pattern.is_empty() {
        return Err(refused(""));
    }
    // Alone first: what closes a bracket that it has not opened would be something else between ours.
    let why = |error: regex_lite::Error| refused(&format!(": {error}"));
    compile(pattern).map_err(why)?;
    Ok((selector, compile(&format!(r"\A(?:{pattern})\z")).map_err(why)?))
}

/// Classes such as `\w` are of ASCII, as in Java.
fn compile(pattern: &str) -> Result<Regex, regex_lite::Error> {
    RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(all: &[(&str, &str)]) -> BTreeMap<String, String> {
        all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn refusal(name: &str, value: &str) -> Option<(ErrorCode, String)> {
        parse(&settings(&[(name, value)])).err()
    }

    #[test]
    fn settings_are_read() {
        let parsed = parse(&settings(&[
            ("metrics", " a.b , c"),
            ("interval.ms", " 100 "),
            ("match", "client_id = app-[0-9]+ , client_software_name=x|y, client_id=b"),
        ]));
        let parsed = parsed.unwrap();
        assert_eq!((parsed.metrics, parsed.interval_ms), (vec!["a.b".to_owned(), "c".to_owned()], 100));
        let matches = |selector, text: &str| parsed.patterns[&selector].is_match(text);
        assert!(matches(Selector::ClientId, "b") && !matches(Selector::ClientId, "app-1"), "the last one counts");
        assert!(matches(Selector::SoftwareName, "x") && matches(Selector::SoftwareName, "y"));
        assert!(!matches(Selector::SoftwareName, "xy") && !matches(Selector::SoftwareName, "ax"), "as a whole");
        let nothing = parse(&BTreeMap::new()).unwrap();
        assert_eq!((nothing.metrics.len(), nothing.interval_ms, nothing.patterns.len()), (0, INTERVAL_MS_DEFAULT, 0));
    }

    #[test]
    fn settings_are_refused_in_kafka_s_words() {
        use ErrorCode::{InvalidConfig, InvalidRequest};
        for (name, value, code, words) in [
            ("nope", "1", InvalidRequest, "Unknown client metrics configuration: nope"),
            ("interval.ms", "99", InvalidRequest, "interval must be between 100 and 3600000 (1 hour)"),
            ("interval.ms", "3600001", InvalidRequest, "Invalid value 3600001 for interval.ms"),
            ("interval.ms", "soon", InvalidConfig, "Not a number of type INT"),
            ("metrics", "a,,b", InvalidConfig, "values must not be empty"),
            ("match", "client_id", InvalidConfig, "Illegal client matching pattern: client_id"),
            ("match", "foo=bar", InvalidConfig, "Illegal client matching pattern: foo=bar"),
            ("match", "client_id=a=b", InvalidConfig, "Illegal client matching pattern: client_id=a=b"),
            ("match", "client_id=", InvalidConfig, "Illegal client matching pattern: client_id="),
            ("match", "client_id=[", InvalidConfig, "Illegal client matching pattern: client_id=["),
            ("match", "client_id=a)|(b", InvalidConfig, "Illegal client matching pattern"),
            ("match", "client_id=(?!a).*", InvalidConfig, "look-around"),
            ("match", "client_id=(a{200}){200}", InvalidConfig, "size"),
        ] {
            let (found, text) = refusal(name, value).unwrap();
            assert!(found == code && text.contains(words), "{name}={value}: {found:?} {text}");
        }
        for (name, value) in [("metrics", ""), ("metrics", "*,a"), ("match", ""), ("interval.ms", "3600000")] {
            assert_eq!(refusal(name, value), None, "{name}={value}");
        }
    }
}
