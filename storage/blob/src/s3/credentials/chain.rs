//! The SDK's chain of sources: the environment, profiles, web identity, the container, the machine.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_async::time::TimeSource;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};
use object_store::aws::AwsCredential;
use parking_lot::Mutex;
use tidelog_host::Clock;

use super::Found;
use super::profile::{Profile, variable};
use super::source::Source;
use crate::BlobError;
use crate::s3::errors::whole_text;

/// What the SDK calls the metadata service of the machine in its errors.
const MACHINE: &str = "IMDS";

pub(super) struct Chain {
    profile: Profile,
    region: String,
    clock: Clock,
    /// It remembers tokens between two questions; and after some errors nothing but them, so then it is made anew.
    provider: Mutex<Option<SharedCredentialsProvider>>,
}

impl Chain {
    /// `region` is where AWS is asked to exchange credentials.
    pub(super) fn new(profile: Profile, region: String, clock: Clock) -> Chain {
        Chain { profile, region, clock, provider: Mutex::new(None) }
    }

    /// Asks the sources in turn until one has credentials. Not bounded in time.
    ///
    /// # Errors
    /// `Refused` when none has, or one is set up so that it cannot work; `Unavailable` when one fails.
    pub(super) async fn ask(&self) -> Result<Found, BlobError> {
        let kept = self.provider.lock().clone();
        let provider = match kept {
            Some(provider) => provider,
            None => self.provider().await?,
        };
        let answer = provider.provide_credentials().await;
        *self.provider.lock() = answer.is_ok().then_some(provider);
        let found = answer.map_err(|error| problem(&error))?;
        let credential = AwsCredential {
            key_id: found.access_key_id().to_owned(),
            secret_key: found.secret_access_key().to_owned(),
            token: found.session_token().map(str::to_owned),
        };
        let source = Source::of(&found, &self.profile.name);
        Ok(Found { credential: Arc::new(credential), expires_ms: found.expiry().map(milliseconds), source })
    }

    async fn provider(&self) -> Result<SharedCredentialsProvider, BlobError> {
        let proxy = proxy()?;
        let http = Builder::new().build_with_connector_fn(move |settings, components| {
            let mut connector = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring));
            connector.set_connector_settings(settings.cloned());
            connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
            connector.proxy_config(proxy.clone()).build()
        });
        let config = aws_config::defaults(BehaviorVersion::latest())
            .profile_name(&self.profile.name)
            .region(Region::new(self.region.clone()))
            .time_source(WallClock(self.clock.clone()))
            .http_client(http)
            .load()
            .await;
        Ok(config.credentials_provider().expect("a configuration that was not told otherwise has the default chain"))
    }
}

/// For what is asked of AWS. Machines and containers, which speak http, are never behind it.
fn proxy() -> Result<ProxyConfig, BlobError> {
    let either = |name, other| variable(name).or_else(|| variable(other));
    let Some(address) = either("HTTPS_PROXY", "https_proxy") else { return Ok(ProxyConfig::disabled()) };
    let proxy = ProxyConfig::https(address.as_str());
    let proxy = proxy.map_err(|error| BlobError::Refused(format!("HTTPS_PROXY: {}", whole_text(&error))))?;
    Ok(match either("NO_PROXY", "no_proxy") {
        Some(rules) => proxy.no_proxy(rules),
        None => proxy,
    })
}

fn problem(error: &CredentialsError) -> BlobError {
    let text = whole_text(error);
    let is_forbidden = variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    match error {
        CredentialsError::CredentialsNotLoaded(_) if is_forbidden => {
            BlobError::Refused(nothing_found("was not asked for a role, for AWS_EC2_METADATA_DISABLED is true"))
        }
        CredentialsError::CredentialsNotLoaded(_) => {
            BlobError::Refused(nothing_found("has no role, or its metadata service does not answer"))
        }
        CredentialsError::InvalidConfiguration(_) => BlobError::Refused(format!("AWS credentials: {text}")),
        // The machine is asked when nothing is set up, so that may be what is wrong.
        _ if text.contains(MACHINE) => {
            BlobError::Unavailable(nothing_found(&format!("was asked for a role, but: {text}")))
        }
        _ => BlobError::Unavailable(format!("AWS credentials: {text}")),
    }
}

fn nothing_found(machine: &str) -> String {
    format!(
        "no AWS credentials were found; AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY would work, or a profile in \
         ~/.aws/config or ~/.aws/credentials (AWS_PROFILE chooses one), or AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN; \
         the container has no role, and the machine {machine}"
    )
}

fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Our clock in the SDK's words.
#[derive(Debug)]
struct WallClock(Clock);

impl TimeSource for WallClock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(u64::try_from(self.0.wall().0).unwrap_or(0))
    }
}
