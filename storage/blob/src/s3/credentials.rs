//! Where the rights to a bucket come from.
//!
//! The client's own way of taking everything that begins with `AWS_` from the environment is not used: it would also take
//! an endpoint, which then wins over ours, and switches that turn off signatures or conditional puts.

use std::fmt;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey as Key};

/// What of the environment is read. Whoever changes this changes docs/configuration.md.
const VARIABLES: &[(&str, Key)] = &[
    ("AWS_ACCESS_KEY_ID", Key::AccessKeyId),
    ("AWS_SECRET_ACCESS_KEY", Key::SecretAccessKey),
    ("AWS_SESSION_TOKEN", Key::Token),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", Key::WebIdentityTokenFile),
    ("AWS_ROLE_ARN", Key::RoleArn),
    ("AWS_ROLE_SESSION_NAME", Key::RoleSessionName),
    ("AWS_ENDPOINT_URL_STS", Key::StsEndpoint),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", Key::ContainerCredentialsRelativeUri),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", Key::ContainerCredentialsFullUri),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", Key::ContainerAuthorizationTokenFile),
    ("AWS_DEFAULT_REGION", Key::DefaultRegion),
    ("AWS_REGION", Key::Region),
];

/// The first of these that is there is used, and no other is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A key in the environment.
    Key,
    /// A token of Kubernetes, exchanged for a role.
    WebIdentity,
    /// The endpoint of ECS or EKS Pod Identity.
    Container,
    /// The instance metadata service.
    Machine,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::Key => "credentials are those of AWS_ACCESS_KEY_ID",
            Source::WebIdentity => "credentials are those of AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN",
            Source::Container => "credentials are those of the container's role",
            Source::Machine => {
                "credentials were asked of the machine's role, for the environment has none; AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY would be used"
            }
        })
    }
}

/// The environment's part of a client's settings. Empty variables count as unset.
pub(super) fn from_environment(variable: impl Fn(&str) -> Option<String>) -> (AmazonS3Builder, Source) {
    let value = |name| variable(name).filter(|value| !value.is_empty());
    let mut builder = AmazonS3Builder::new();
    for (name, key) in VARIABLES {
        if let Some(value) = value(name) {
            builder = builder.with_config(*key, value);
        }
    }
    let is_set = |name| value(name).is_some();
    let source = if is_set("AWS_ACCESS_KEY_ID") || is_set("AWS_SECRET_ACCESS_KEY") {
        Source::Key
    } else if is_set("AWS_WEB_IDENTITY_TOKEN_FILE") && is_set("AWS_ROLE_ARN") {
        Source::WebIdentity
    } else if is_set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        || (is_set("AWS_CONTAINER_CREDENTIALS_FULL_URI") && is_set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"))
    {
        Source::Container
    } else {
        Source::Machine
    };
    (builder, source)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> (AmazonS3Builder, Source) {
        from_environment(|name| set.iter().find(|(each, _)| *each == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_first_source_that_is_there_is_used() {
        let key = ("AWS_ACCESS_KEY_ID", "a");
        let token = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"), ("AWS_ROLE_ARN", "r")];
        let container = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/c");
        assert_eq!(read(&[container, token[0], token[1], key]).1, Source::Key);
        assert_eq!(read(&[container, token[0], token[1]]).1, Source::WebIdentity);
        assert_eq!(read(&[container, token[0]]).1, Source::Container);
        assert_eq!(read(&[("AWS_ACCESS_KEY_ID", "")]).1, Source::Machine);
    }

    #[test]
    fn the_page_of_settings_names_what_is_read() {
        let page = include_str!("../../../../docs/configuration.md");
        for (name, _) in VARIABLES {
            assert!(page.contains(&format!("`{name}`")), "docs/configuration.md says nothing of {name}");
        }
    }

    #[test]
    fn keys_and_region_get_to_the_client_and_nothing_else_does() {
        let (builder, _) = read(&[
            ("AWS_ACCESS_KEY_ID", "a"),
            ("AWS_REGION", "eu-north-1"),
            ("AWS_ENDPOINT_URL_S3", "http://elsewhere"),
            ("AWS_ENDPOINT_URL", "http://elsewhere"),
            ("AWS_SKIP_SIGNATURE", "true"),
            ("AWS_CONDITIONAL_PUT", "disabled"),
        ]);
        assert_eq!(builder.get_config_value(&Key::AccessKeyId).as_deref(), Some("a"));
        assert_eq!(builder.get_config_value(&Key::Region).as_deref(), Some("eu-north-1"));
        let plain = AmazonS3Builder::new();
        for key in [Key::Endpoint, Key::S3Endpoint, Key::SkipSignature, Key::ConditionalPut] {
            assert_eq!(builder.get_config_value(&key), plain.get_config_value(&key), "{key:?}");
        }
    }
}
