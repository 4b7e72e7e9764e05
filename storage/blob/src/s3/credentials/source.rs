//! Whose the credentials are, in words for people.

use std::fmt;

use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature as Feature;

/// The source that had credentials. No other is tried after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::s3) enum Source {
    /// A key in the environment.
    Key,
    /// A profile of this name in the files of AWS.
    Profile(String),
    /// A token of Kubernetes, exchanged for a role.
    WebIdentity,
    /// The endpoint of ECS or EKS Pod Identity.
    Container,
    /// The instance metadata service.
    Machine,
    /// The SDK does not say.
    Unknown,
}

impl Source {
    /// Of what the chain found, while `profile` is the one that is chosen.
    pub(super) fn of(credentials: &Credentials, profile: &str) -> Source {
        let features = credentials.get_property::<Vec<Feature>>().map_or(&[][..], Vec::as_slice);
        // A profile may point to every other source, so it is looked for first.
        let sources = [
            (Feature::CredentialsProfile, Source::Profile(profile.to_owned())),
            (Feature::CredentialsEnvVarsStsWebIdToken, Source::WebIdentity),
            // So the SDK calls the ones of the environment too.
            (Feature::CredentialsProfileStsWebIdToken, Source::WebIdentity),
            (Feature::CredentialsEnvVars, Source::Key),
            (Feature::CredentialsHttp, Source::Container),
            (Feature::CredentialsImds, Source::Machine),
        ];
        let found = sources.into_iter().find(|(feature, _)| features.contains(feature));
        found.map_or(Source::Unknown, |(_, source)| source)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Key => f.write_str("credentials are those of AWS_ACCESS_KEY_ID"),
            Source::Profile(name) => write!(f, "credentials are those of the AWS profile {name:?}"),
            Source::WebIdentity => f.write_str("credentials are those of AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN"),
            Source::Container => f.write_str("credentials are those of the container's role"),
            // The other sources are somebody's choice; this one is also what is left when somebody forgot to choose.
            Source::Machine => f.write_str(
                "credentials are those of the machine's role, for nothing else is set; AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY, or a profile (AWS_PROFILE), would be used",
            ),
            Source::Unknown => f.write_str("credentials are those that the AWS SDK found"),
        }
    }
}
