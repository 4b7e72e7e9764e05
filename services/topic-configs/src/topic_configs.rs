//! The settings of topics: checked as they come, shown as they are, read where they have an effect.

use std::collections::BTreeMap;

use tidelog_catalog_api::TopicView;
use tidelog_format::records::Encoding;
use tidelog_ingest::{AdmitRules, Timestamps};
use tidelog_model::Codec;
use tidelog_model::limits::{BATCH_BYTES_DEFAULT, BATCH_BYTES_MAX};

use crate::config_kinds::Kind;
use crate::topic_config_table::{TOPIC_CONFIGS, TopicConfig};
use crate::unknown_config;

/// Bytes of one setting's value.
const VALUE_BYTES_MAX: usize = 4 * 1024;
const MIN_LAG: &str = "min.compaction.lag.ms";
const MAX_LAG: &str = "max.compaction.lag.ms";
const COMPRESSION_TYPE: &str = "compression.type";
const TIMESTAMP_TYPE: &str = "message.timestamp.type";
const BEFORE_MAX: &str = "message.timestamp.before.max.ms";
const AFTER_MAX: &str = "message.timestamp.after.max.ms";

/// A setting by its name.
#[must_use]
pub fn find(name: &str) -> Option<&'static TopicConfig> {
    TOPIC_CONFIGS.iter().find(|config| config.name == name)
}

/// Checks a setting as a client gave it.
///
/// # Errors
/// A text for the client, with a value that would work.
pub fn check(name: &str, value: Option<&str>) -> Result<(), String> {
    let config = find(name).ok_or_else(|| unknown_config(name))?;
    let Some(value) = value else {
        return Err(format!("Null value not supported for topic configs: {name}"));
    };
    if value.len() > VALUE_BYTES_MAX {
        return Err(format!("Value of {name} is longer than {VALUE_BYTES_MAX} bytes"));
    }
    config.kind.normalise(value).map(|_| ()).map_err(|(what, why)| {
        let why = if matches!(config.kind, Kind::Replicas) { format!("{name} {why}") } else { why };
        let text = format!("Invalid value {what} for configuration {name}: {why}");
        // Those that list what is valid need no example.
        match config.kind {
            Kind::Int { .. } | Kind::IntOrDefault { .. } | Kind::Long { .. } | Kind::Fraction
                if !config.default.is_empty() =>
            {
                format!("{text}; {} would work", config.default)
            }
            _ => text,
        }
    })
}

/// Checks settings against each other; each was checked by itself.
///
/// # Errors
/// A text for the client.
pub fn check_together(configs: &BTreeMap<String, String>) -> Result<(), String> {
    let lag = |name| number(configs, name).unwrap_or_default();
    let (min, max) = (lag(MIN_LAG), lag(MAX_LAG));
    if min > max {
        return Err(format!("conflict topic config setting {MIN_LAG} ({min}) > {MAX_LAG} ({max})"));
    }
    Ok(())
}

fn number(configs: &BTreeMap<String, String>, name: &str) -> Option<i64> {
    let default = find(name)?.default;
    configs.get(name).and_then(|value| value.trim().parse().ok()).or_else(|| default.parse().ok())
}

/// A setting as it is shown.
pub struct Shown<'a> {
    /// Its name.
    pub name: &'a str,
    /// In the form in which it is shown.
    pub value: String,
    /// Set for the topic itself; else the default.
    pub is_set: bool,
    /// `None` for one that is kept from before and not known any more.
    pub config: Option<&'static TopicConfig>,
}

/// All settings of a topic, by name: those that are set and the defaults of the others.
#[must_use]
pub fn shown(configs: &BTreeMap<String, String>) -> Vec<Shown<'_>> {
    let known = TOPIC_CONFIGS.iter().filter_map(|config| {
        let set = configs.get(config.name);
        // Kafka's internal one is shown only where somebody has set it.
        let is_hidden = set.is_none() && config.default.is_empty() && !config.kind.is_list();
        let value = set.map_or(config.default, String::as_str);
        // What was kept before it was checked is shown as it is.
        let value = config.kind.normalise(value).unwrap_or_else(|_| value.to_owned());
        (!is_hidden).then_some(Shown { name: config.name, value, is_set: set.is_some(), config: Some(config) })
    });
    let unknown = configs.iter().filter(|(name, _)| find(name).is_none());
    let unknown = unknown.map(|(name, value)| Shown { name, value: value.clone(), is_set: true, config: None });
    known.chain(unknown).collect()
}

/// What a topic asks of its records.
#[must_use]
pub fn admit_rules(topic: &TopicView) -> AdmitRules {
    let configs = &topic.configs;
    let is_stamped = configs.get(TIMESTAMP_TYPE).is_some_and(|value| value.trim() == "LogAppendTime");
    let bound = |name| number(configs, name).unwrap_or(i64::MAX);
    let timestamps = if is_stamped {
        Timestamps::LogAppendTime
    } else {
        Timestamps::CreateTime { before_ms_max: bound(BEFORE_MAX), after_ms_max: bound(AFTER_MAX) }
    };
    AdmitRules {
        batch_bytes_max: batch_bytes_max(topic),
        encoding: encoding(configs),
        timestamps,
        needs_keys: has_policy(configs, "compact"),
    }
}

fn has_policy(configs: &BTreeMap<String, String>, wanted: &str) -> bool {
    let policy = configs.get("cleanup.policy").map_or("delete", String::as_str);
    policy.split(',').any(|part| part.trim() == wanted)
}

/// What batches are stored in, if not as they are sent.
fn encoding(configs: &BTreeMap<String, String>) -> Option<Encoding> {
    let level = |name| number(configs, name).and_then(|level| i32::try_from(level).ok());
    let (codec, level) = match configs.get(COMPRESSION_TYPE)?.trim() {
        "uncompressed" => (Codec::None, None),
        // Minus one is the default.
        "gzip" => (Codec::Gzip, level("compression.gzip.level").filter(|level| *level > 0)),
        "snappy" => (Codec::Snappy, None),
        "lz4" => (Codec::Lz4, None),
        "zstd" => (Codec::Zstd, level("compression.zstd.level")),
        _ => return None,
    };
    Some(Encoding { codec, level })
}

fn batch_bytes_max(topic: &TopicView) -> usize {
    let set = topic.configs.get("max.message.bytes").and_then(|value| value.trim().parse::<usize>().ok());
    set.unwrap_or(BATCH_BYTES_DEFAULT).min(BATCH_BYTES_MAX)
}

/// Whether a topic's records may be compacted and never deleted.
#[must_use]
pub fn is_compacted_only(topic: &TopicView) -> bool {
    has_policy(&topic.configs, "compact") && !has_policy(&topic.configs, "delete")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../docs/kafka-compatibility.md");

    fn topic(configs: &[(&str, &str)]) -> TopicView {
        let configs = configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        TopicView {
            id: tidelog_model::TopicId::ZERO,
            tenant: tidelog_model::TenantId(1),
            name: "t".into(),
            partitions: 1,
            replication_factor: 1,
            configs: std::sync::Arc::new(configs.collect()),
        }
    }

    #[test]
    fn the_table_is_in_order_and_every_default_is_valid() {
        assert!(TOPIC_CONFIGS.windows(2).all(|pair| pair[0].name < pair[1].name));
        for config in TOPIC_CONFIGS.iter().filter(|config| config.name != "internal.segment.bytes") {
            assert_eq!(config.kind.normalise(config.default).as_deref(), Ok(config.default), "{}", config.name);
            assert!(!config.purpose.is_empty(), "{}", config.name);
        }
        assert_eq!(find("max.message.bytes").unwrap().default, BATCH_BYTES_DEFAULT.to_string());
        assert_eq!(batch_bytes_max(&topic(&[])), BATCH_BYTES_DEFAULT);
        assert_eq!(batch_bytes_max(&topic(&[("max.message.bytes", "2147483647")])), BATCH_BYTES_MAX);
    }

    #[test]
    fn settings_become_rules() {
        let encoding = |configs| admit_rules(&topic(configs)).encoding;
        let stored = |codec, level| Some(Encoding { codec, level });
        assert_eq!((encoding(&[]), encoding(&[(COMPRESSION_TYPE, "producer")])), (None, None));
        assert_eq!(encoding(&[(COMPRESSION_TYPE, "uncompressed")]), stored(Codec::None, None));
        assert_eq!(encoding(&[(COMPRESSION_TYPE, "gzip")]), stored(Codec::Gzip, None));
        assert_eq!(
            encoding(&[(COMPRESSION_TYPE, "gzip"), ("compression.gzip.level", "9")]),
            stored(Codec::Gzip, Some(9))
        );
        assert_eq!(encoding(&[(COMPRESSION_TYPE, "snappy")]), stored(Codec::Snappy, None));
        assert_eq!(encoding(&[(COMPRESSION_TYPE, "lz4")]), stored(Codec::Lz4, None));
        assert_eq!(encoding(&[(COMPRESSION_TYPE, "zstd")]), stored(Codec::Zstd, Some(3)));
        assert_eq!(
            encoding(&[(COMPRESSION_TYPE, "zstd"), ("compression.zstd.level", "-7")]),
            stored(Codec::Zstd, Some(-7))
        );
        let timestamps = |configs| admit_rules(&topic(configs)).timestamps;
        let defaults = Timestamps::CreateTime { before_ms_max: i64::MAX, after_ms_max: 3_600_000 };
        assert_eq!(timestamps(&[]), defaults);
        assert_eq!(timestamps(&[(TIMESTAMP_TYPE, "CreateTime")]), defaults);
        let bounded = Timestamps::CreateTime { before_ms_max: 5, after_ms_max: 6 };
        assert_eq!(timestamps(&[(BEFORE_MAX, " 5 "), (AFTER_MAX, "6")]), bounded);
        assert_eq!(timestamps(&[(TIMESTAMP_TYPE, "LogAppendTime"), (AFTER_MAX, "6")]), Timestamps::LogAppendTime);
    }

    #[test]
    fn the_page_says_which_have_an_effect() {
        let written = PAGE.lines().filter(|line| line.starts_with("- `")).collect::<Vec<_>>();
        let effects = TOPIC_CONFIGS.iter().filter_map(|config| Some((config.name, config.effect?)));
        let expected = effects.map(|(name, effect)| format!("- `{name}`: {effect}")).collect::<Vec<_>>();
        assert_eq!(written, expected);
    }

    #[test]
    fn texts_name_the_key_and_a_value_that_would_work() {
        let text = check("retention.ms", Some("x")).unwrap_err();
        assert_eq!(
            text,
            "Invalid value x for configuration retention.ms: Not a number of type LONG; 604800000 would work"
        );
        let text = check("cleanup.policy", Some("delete,x")).unwrap_err();
        assert_eq!(text, "Invalid value x for configuration cleanup.policy: String must be one of: compact, delete");
        assert_eq!(check("colour", Some("red")).unwrap_err(), "Unknown topic config name: colour");
        assert!(check("retention_ms", Some("5")).unwrap_err().ends_with("did you mean retention.ms?"));
        assert!(check("retention.ms", Some(&"1".repeat(VALUE_BYTES_MAX + 1))).is_err());
        assert!(check("remote.storage.enable", Some("true")).is_err());
        let lags = topic(&[(MIN_LAG, "5"), (MAX_LAG, "4")]);
        assert_eq!(
            check_together(&lags.configs).unwrap_err(),
            "conflict topic config setting min.compaction.lag.ms (5) > max.compaction.lag.ms (4)"
        );
        assert_eq!(check_together(&topic(&[(MIN_LAG, "5")]).configs), Ok(()));
    }

    #[test]
    fn what_is_set_and_what_is_default_is_shown_and_so_is_what_is_no_longer_known() {
        let view = topic(&[("retention.ms", " 5 "), ("message.format.version", "3.0"), ("preallocate", "odd")]);
        let shown = shown(&view.configs);
        let of = |name: &str| shown.iter().find(|it| it.name == name).map(|it| (it.value.as_str(), it.is_set));
        assert_eq!(of("retention.ms"), Some(("5", true)));
        assert_eq!(of("segment.ms"), Some(("604800000", false)));
        assert_eq!(of("message.format.version"), Some(("3.0", true)));
        assert_eq!(of("preallocate"), Some(("odd", true)), "kept from before it was checked");
        assert_eq!(of("internal.segment.bytes"), None);
        assert_eq!(shown.len(), 34);
    }

    #[test]
    fn compaction_alone() {
        assert!(!is_compacted_only(&topic(&[])));
        assert!(is_compacted_only(&topic(&[("cleanup.policy", "compact")])));
        assert!(!is_compacted_only(&topic(&[("cleanup.policy", "delete, compact")])));
    }

    #[test]
    fn what_is_compacted_needs_keys() {
        let needs = |configs| admit_rules(&topic(configs)).needs_keys;
        assert!(!needs(&[]) && !needs(&[("cleanup.policy", "delete")]));
        assert!(needs(&[("cleanup.policy", "compact")]) && needs(&[("cleanup.policy", "delete, compact")]));
    }
}
