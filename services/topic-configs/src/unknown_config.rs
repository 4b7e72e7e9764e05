//! A setting that there is not, told with the one that was probably meant.

use crate::topic_config_table::TOPIC_CONFIGS;

/// Longer names than any of ours are not compared: what is sent has no such bound.
const NAME_BYTES_MAX: usize = 64;
/// More than these are no hint.
const NAMES_MAX: usize = 3;

/// What every door says of a setting that there is not: Kafka's words, and the name that was probably meant.
#[must_use]
pub fn unknown_config(name: &str) -> String {
    match &probably_meant(name)[..] {
        [] => format!("Unknown topic config name: {name}"),
        meant => format!("Unknown topic config name: {name}; did you mean {}?", meant.join(" or ")),
    }
}

/// The topic's setting that a broker's name stands for, or one that is written nearly the same, or the few that begin so.
fn probably_meant(name: &str) -> Vec<&'static str> {
    if name.len() > NAME_BYTES_MAX {
        return Vec::new();
    }
    let given = name.trim().to_ascii_lowercase().replace(['_', '-'], ".");
    let of_broker = TOPIC_CONFIGS.iter().find(|config| config.broker == Some(given.as_str()));
    let given = given.strip_prefix("log.").unwrap_or(&given);
    let close_enough = 1 + given.chars().count() / 5;
    let nearest = || {
        let compared = TOPIC_CONFIGS.iter().map(|config| (strsim::levenshtein(given, config.name), config));
        let nearest = compared.min_by_key(|(distance, _)| *distance);
        nearest.filter(|(distance, _)| *distance <= close_enough).map(|(_, config)| config)
    };
    if let Some(config) = of_broker.or_else(nearest) {
        return vec![config.name];
    }
    let goes_on = |name: &str| name.strip_prefix(given).is_some_and(|rest| rest.starts_with('.'));
    let beginning = TOPIC_CONFIGS.iter().map(|config| config.name).filter(|name| goes_on(name)).collect::<Vec<_>>();
    if beginning.len() > NAMES_MAX { Vec::new() } else { beginning }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_probably_meant_is_named() {
        let check = |name: &str, expected: &[&str]| assert_eq!(probably_meant(name), expected, "{name}");
        check("retenion.ms", &["retention.ms"]);
        check("RETENTION_MS", &["retention.ms"]);
        check("compresion-type", &["compression.type"]);
        check("segment.byte", &["segment.bytes"]);
        // The broker's names, which are what people remember.
        check("log.retention.ms", &["retention.ms"]);
        check("message.max.bytes", &["max.message.bytes"]);
        check("log.cleaner.min.cleanable.ratio", &["min.cleanable.dirty.ratio"]);
        // The beginning of a name, unless many begin so.
        check("retention", &["retention.bytes", "retention.ms"]);
        check("max.message", &["max.message.bytes"]);
        check("compression", &[]);
        check("reten", &[]);
        for nothing_like_it in ["colour", "no.such.setting", "no.such", "x", "", &"retention.ms".repeat(100)] {
            check(nothing_like_it, &[]);
        }
    }

    #[test]
    fn every_setting_is_the_nearest_to_itself() {
        for config in &TOPIC_CONFIGS {
            assert_eq!(probably_meant(config.name), [config.name]);
            assert_eq!(probably_meant(&config.name.replace('.', "_")), [config.name]);
        }
    }

    #[test]
    fn the_text_begins_with_kafkas_words() {
        assert_eq!(unknown_config("retenion.ms"), "Unknown topic config name: retenion.ms; did you mean retention.ms?");
        assert_eq!(unknown_config("colour"), "Unknown topic config name: colour");
        assert!(unknown_config("retention").ends_with("; did you mean retention.bytes or retention.ms?"));
    }
}
