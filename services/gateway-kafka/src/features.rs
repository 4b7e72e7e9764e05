//! Features, in Kafka's words: what a cluster can do beyond its requests, each with a level, and an administrator raises the
//! level when all nodes can. ApiVersions tells of them, UpdateFeatures changes them.
//!
//! Clients go by the levels: at 1 of `group.version` they may use another group protocol, at 2 of `transaction.version`
//! another form of transactions. Each feature has one level here, so there is nothing to change.

use tidelog_kafka_wire::messages::api_versions_response::{FinalizedFeatureKey, SupportedFeatureKey};
use tidelog_kafka_wire::messages::update_features_request::FeatureUpdateKey;
use tidelog_kafka_wire::messages::update_features_response::UpdatableFeatureResult;
use tidelog_kafka_wire::messages::{ApiVersionsResponse, UpdateFeaturesRequest, UpdateFeaturesResponse};
use tidelog_kafka_wire::{Api, ErrorCode, RequestHeader, StrBytes, message};

use crate::gateway::Shared;

/// Kafka's features with their levels; at 0 a feature is not there. `metadata.version` is that of Kafka 4.3, whose requests are
/// answered here.
const FEATURES: [(&str, i16); 7] = [
    ("eligible.leader.replicas.version", 0),
    ("group.version", 0),
    ("kraft.version", 0),
    ("metadata.version", 30),
    ("share.version", 0),
    ("streams.version", 0),
    ("transaction.version", 0),
];
/// Counts the changes of the table: clients that stay connected take a newer one over an older one.
const FEATURES_EPOCH: i64 = 0;

/// Since which version of ApiVersions features are told, and since which those at level 0 are: older clients fail on them.
const FEATURES_FROM_VERSION: i16 = 3;
const LEVEL_0_FROM_VERSION: i16 = 4;
/// Since which version of UpdateFeatures the kind of a change is a number, and since which there is one answer for all.
const UPGRADE_TYPE_FROM_VERSION: i16 = 1;
const ONE_ANSWER_FROM_VERSION: i16 = 2;
/// Upgrade, safe downgrade, unsafe downgrade.
const UPGRADE_TYPES: std::ops::RangeInclusive<i8> = 1..=3;

/// Adds the features to an answer.
pub(crate) fn tell(version: i16, response: &mut ApiVersionsResponse) {
    if version < FEATURES_FROM_VERSION {
        return;
    }
    let told = FEATURES.iter().filter(|(_, level)| *level > 0 || version >= LEVEL_0_FROM_VERSION);
    let supported = |(name, level): &(&'static str, i16)| {
        message!(SupportedFeatureKey { name: (*name).into(), min_version: *level, max_version: *level })
    };
    let finalized = |(name, level): &(&'static str, i16)| {
        message!(FinalizedFeatureKey { name: (*name).into(), max_version_level: *level, min_version_level: *level })
    };
    response.supported_features = told.map(supported).collect();
    response.finalized_features = FEATURES.iter().filter(|(_, level)| *level > 0).map(finalized).collect();
    response.finalized_features_epoch = FEATURES_EPOCH;
}

/// Answers UpdateFeatures. What asks for the levels that there are is granted, and anything else refuses the whole request.
pub(crate) fn update(
    shared: &Shared,
    header: &RequestHeader,
    request: UpdateFeaturesRequest,
) -> UpdateFeaturesResponse {
    let refusal = request.feature_updates.iter().find_map(|update| check(header.version, update).err());
    if let Some(why) = refusal {
        shared.meters.error(Api::UpdateFeatures, ErrorCode::InvalidUpdateVersion);
        let text = format!("The update failed for all features since the following feature had an error: {why}");
        return message!(UpdateFeaturesResponse {
            error_code: ErrorCode::InvalidUpdateVersion.code(),
            error_message: Some(StrBytes::from(text)),
        });
    }
    if header.version >= ONE_ANSWER_FROM_VERSION {
        return UpdateFeaturesResponse::default();
    }
    let result = |update: FeatureUpdateKey| message!(UpdatableFeatureResult { feature: update.feature });
    message!(UpdateFeaturesResponse { results: request.feature_updates.into_iter().map(result).collect() })
}

fn check(version: i16, update: &FeatureUpdateKey) -> Result<(), String> {
    let (name, level) = (update.feature.as_str(), update.max_version_level);
    let why = if version >= UPGRADE_TYPE_FROM_VERSION && !UPGRADE_TYPES.contains(&update.upgrade_type) {
        "The controller does not support the given upgrade type.".to_owned()
    } else if level < 0 {
        "A feature version cannot be less than 0.".to_owned()
    } else {
        match FEATURES.iter().find(|(feature, _)| *feature == name) {
            Some((_, only)) if *only == level => return Ok(()),
            Some((_, only)) => format!("This cluster only supports versions {only}-{only}."),
            None if level == 0 => format!("Feature {name} not found."),
            None => "This cluster does not support this feature.".to_owned(),
        }
    };
    Err(format!("Invalid update version {level} for feature {name}. {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(name: &str, level: i16, upgrade_type: i8) -> FeatureUpdateKey {
        message!(FeatureUpdateKey { feature: name.into(), max_version_level: level, upgrade_type: upgrade_type })
    }

    #[test]
    fn only_what_is_there_can_be_asked_for() {
        let check = |name: &str, level: i16, kind: i8, expected: Result<(), &str>| {
            let found = super::check(2, &update(name, level, kind));
            let why = found.as_ref().map_err(|text| text.split_once(". ").unwrap().1);
            assert_eq!(why.copied(), expected, "{name} at {level}");
        };
        check("metadata.version", 30, 1, Ok(()));
        check("metadata.version", 30, 3, Ok(()));
        check("group.version", 0, 2, Ok(()));
        check("metadata.version", 31, 1, Err("This cluster only supports versions 30-30."));
        check("metadata.version", 29, 2, Err("This cluster only supports versions 30-30."));
        check("group.version", 1, 1, Err("This cluster only supports versions 0-0."));
        check("group.version", -1, 1, Err("A feature version cannot be less than 0."));
        check("no.such", 1, 1, Err("This cluster does not support this feature."));
        check("no.such", 0, 1, Err("Feature no.such not found."));
        check("metadata.version", 30, 0, Err("The controller does not support the given upgrade type."));
        assert_eq!(super::check(0, &update("metadata.version", 30, 0)), Ok(()), "version 0 has no types");
    }

    /// Clients before 3.9 end a connection that tells of level 0 in version 3.
    #[test]
    fn each_version_is_told_what_its_clients_understand() {
        let told = |version| {
            let mut response = ApiVersionsResponse::default();
            tell(version, &mut response);
            let finalized = response.finalized_features.iter().map(|it| (it.name.to_string(), it.max_version_level));
            (response.supported_features.len(), finalized.collect::<Vec<_>>(), response.finalized_features_epoch)
        };
        assert_eq!(told(2), (0, vec![], -1));
        let finalized = vec![("metadata.version".to_owned(), 30)];
        assert_eq!(told(3), (1, finalized.clone(), FEATURES_EPOCH));
        assert_eq!(told(4), (7, finalized, FEATURES_EPOCH));
        assert!(FEATURES.is_sorted());
    }
}
