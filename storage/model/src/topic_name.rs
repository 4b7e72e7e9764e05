//! Topic name rules, as Apache Kafka's `org.apache.kafka.common.internals.Topic` has them.

use crate::limits::TOPIC_NAME_BYTES_MAX;

/// Why a name cannot name a topic. The text is fit to be shown to a client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicNameError {
    /// No name at all.
    #[error("the empty string is not allowed")]
    Empty,
    /// These two mean folders.
    #[error("'{0}' is not allowed")]
    Dots(String),
    /// Over [`TOPIC_NAME_BYTES_MAX`] bytes.
    #[error("the length of {0} bytes is over the maximum of {TOPIC_NAME_BYTES_MAX}")]
    TooLong(usize),
    /// A character outside `[a-zA-Z0-9._-]`.
    #[error("'{0}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")]
    Characters(String),
}

/// Checks a name against Kafka's rules: 1 to 249 of `[a-zA-Z0-9._-]`, not `.` or `..`.
///
/// # Errors
/// Says which rule is broken.
pub fn check_topic_name(name: &str) -> Result<(), TopicNameError> {
    if name.is_empty() {
        return Err(TopicNameError::Empty);
    }
    if name == "." || name == ".." {
        return Err(TopicNameError::Dots(name.to_owned()));
    }
    if name.len() > TOPIC_NAME_BYTES_MAX {
        return Err(TopicNameError::TooLong(name.len()));
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
        return Err(TopicNameError::Characters(name.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafka_s_rules() {
        assert_eq!(check_topic_name("a.b_c-9"), Ok(()));
        assert_eq!(check_topic_name(&"x".repeat(249)), Ok(()));
        assert_eq!(check_topic_name(""), Err(TopicNameError::Empty));
        assert_eq!(check_topic_name(".."), Err(TopicNameError::Dots("..".to_owned())));
        assert_eq!(check_topic_name(&"x".repeat(250)), Err(TopicNameError::TooLong(250)));
        assert!(matches!(check_topic_name("a b"), Err(TopicNameError::Characters(_))));
        assert!(matches!(check_topic_name("é"), Err(TopicNameError::Characters(_))));
    }
}
