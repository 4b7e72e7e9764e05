//! The profile in the files of AWS that is chosen, and the region that holds where no setting names one.

use crate::BlobError;
use crate::s3::errors::whole_text;

/// Used when nothing chooses one.
const PROFILE_DEFAULT: &str = "default";

/// What the files of AWS say of the profile that is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::s3) struct Profile {
    pub(super) name: String,
    region: Option<String>,
}

impl Profile {
    /// The profile of `AWS_PROFILE`, else `default`, which need not exist. Reads `~/.aws/config` and
    /// `~/.aws/credentials`, or the files that `AWS_CONFIG_FILE` and `AWS_SHARED_CREDENTIALS_FILE` name.
    ///
    /// # Errors
    /// `Refused` when `AWS_PROFILE` names a profile that is not there, or the files cannot be read.
    pub(in crate::s3) async fn chosen() -> Result<Profile, BlobError> {
        let chosen = variable("AWS_PROFILE");
        let name = chosen.clone().unwrap_or_else(|| PROFILE_DEFAULT.to_owned());
        // The defaults are the process's own environment and files.
        let files =
            aws_config::profile::load(&Default::default(), &Default::default(), &Default::default(), None).await;
        let files =
            files.map_err(|error| BlobError::Refused(format!("the profiles of AWS: {}", whole_text(&error))))?;
        let profile = files.get_profile(&name);
        if profile.is_none() && chosen.is_some() {
            let mut known: Vec<_> = files.profiles().collect();
            known.sort_unstable();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let text =
                format!("AWS_PROFILE is {name:?}, but no profile of the AWS files is called so; there are: {known}");
            return Err(BlobError::Refused(text));
        }
        let region = profile.and_then(|profile| profile.get("region")).map(str::to_owned);
        Ok(Profile { name, region })
    }

    /// The region of `AWS_REGION`, else `AWS_DEFAULT_REGION`, else the profile.
    pub(in crate::s3) fn region(&self) -> Option<String> {
        variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")).or_else(|| self.region.clone())
    }
}

/// A variable of the environment. An empty one counts as unset: so they are written where they cannot be left out.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
