//! Where the rights to a bucket come from: the AWS SDK's chain, asked anew before what it gave expires.
//!
//! Only credentials and the region come from outside of our own settings. The client's own way of taking everything that begins with
//! `AWS_` is not: it would also take an endpoint, which then wins over ours, and switches that turn off signatures or
//! conditional puts.

mod chain;
mod profile;
mod source;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use parking_lot::Mutex;
use tidelog_host::Clock;
use tokio::sync::Semaphore;

use self::chain::Chain;
pub(super) use self::profile::Profile;
pub(super) use self::source::Source;
use crate::BlobError;

/// Credentials are asked for anew when they have less than this to live.
const LIFE_MS_MIN: i64 = 5 * 60 * 1000;
/// But not again within this: some live for less, and where the last try failed, the next one may too.
const ASKING_INTERVAL_MS: i64 = 30 * 1000;
/// An answer that takes longer is given up. The slowest that is sound is a machine's role behind a role to assume, or
/// a `credential_process` that goes over the network.
const ASKING_TIME_MAX: Duration = Duration::from_secs(20);

/// Credentials, whose they are, and until when on the wall clock they are good.
#[derive(Clone)]
struct Found {
    credential: Arc<AwsCredential>,
    expires_ms: Option<i64>,
    source: Source,
}

/// Credentials that are always good, if their source is.
pub(super) struct Credentials {
    source: Box<Ask>,
    clock: Clock,
    known: Mutex<Option<Known>>,
    /// One question for all who wait. It is kept when they stop waiting, so that an answer which takes longer than their
    /// patience gets here too.
    asking: Mutex<Option<Asking>>,
    /// Whose turn it is to ask while what is known still works: the others need not wait.
    turn: Semaphore,
}

type Ask = dyn Fn() -> BoxFuture<'static, Result<Found, BlobError>> + Send + Sync;
type Asking = Shared<BoxFuture<'static, Result<Found, BlobError>>>;

#[derive(Clone)]
struct Known {
    credential: Arc<AwsCredential>,
    /// Wall clock. Not used from here on.
    expires_ms: i64,
    /// Wall clock. Asked anew from here on.
    ask_ms: i64,
}

impl Credentials {
    /// Those that the AWS SDK finds. Nothing is asked yet. `region` is where AWS is asked to exchange credentials.
    pub(super) fn of_aws(profile: Profile, region: String, clock: Clock) -> Credentials {
        let chain = Arc::new(Chain::new(profile, region, clock.clone()));
        let ask = move || {
            let chain = chain.clone();
            async move { chain.ask().await }.boxed()
        };
        Credentials::new(ask, clock)
    }

    fn new(
        source: impl Fn() -> BoxFuture<'static, Result<Found, BlobError>> + Send + Sync + 'static,
        clock: Clock,
    ) -> Credentials {
        Credentials {
            source: Box::new(source),
            clock,
            known: Mutex::new(None),
            asking: Mutex::new(None),
            turn: Semaphore::new(1),
        }
    }

    /// Asks for the first time and says whose they are.
    ///
    /// # Errors
    /// `Refused` when there are none or what is set up cannot work, with what would; `Unavailable` when who should know
    /// does not answer.
    pub(super) async fn first(&self) -> Result<Source, BlobError> {
        Ok(self.ask().await?.source)
    }

    async fn get(&self) -> Result<Arc<AwsCredential>, BlobError> {
        let now_ms = self.clock.wall().0;
        let known = self.known.lock().clone();
        let Some(known) = known.filter(|known| now_ms < known.expires_ms) else {
            return Ok(self.ask().await?.credential);
        };
        if now_ms < known.ask_ms {
            return Ok(known.credential);
        }
        let Ok(_turn) = self.turn.try_acquire() else { return Ok(known.credential) };
        match self.ask().await {
            Ok(found) => Ok(found.credential),
            Err(error) => {
                let left_ms = known.expires_ms - now_ms;
                tracing::warn!(%error, left_ms, "credentials were not renewed, the old ones are used on");
                if let Some(known) = self.known.lock().as_mut() {
                    known.ask_ms = now_ms.saturating_add(ASKING_INTERVAL_MS);
                }
                Ok(known.credential)
            }
        }
    }

    /// Asks, or joins those who do. A cancelled caller leaves the question to the next one.
    async fn ask(&self) -> Result<Found, BlobError> {
        let asking = self.asking.lock().get_or_insert_with(|| self.question()).clone();
        let answer = asking.clone().await;
        let mut current = self.asking.lock();
        if current.as_ref().is_some_and(|current| current.ptr_eq(&asking)) {
            *current = None;
            if let Ok(found) = &answer {
                *self.known.lock() = Some(self.known(found));
            }
        }
        answer
    }

    fn question(&self) -> Asking {
        let answer = (self.source)();
        async move {
            let answer = tokio::time::timeout(ASKING_TIME_MAX, answer).await;
            answer.unwrap_or_else(|_| {
                Err(BlobError::Unavailable(format!("AWS credentials: no answer in {ASKING_TIME_MAX:?}")))
            })
        }
        .boxed()
        .shared()
    }

    fn known(&self, found: &Found) -> Known {
        let expires_ms = found.expires_ms.unwrap_or(i64::MAX);
        let next_ms = self.clock.wall().0.saturating_add(ASKING_INTERVAL_MS);
        let ask_ms = expires_ms.saturating_sub(LIFE_MS_MIN).max(next_ms);
        Known { credential: found.credential.clone(), expires_ms, ask_ms }
    }
}

#[async_trait]
impl CredentialProvider for Credentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let wrapped = |error| object_store::Error::Generic { store: "S3", source: Box::new(error) };
        self.get().await.map_err(wrapped)
    }
}

/// Without the secrets.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "credentials/credentials_test.rs"]
mod tests;
