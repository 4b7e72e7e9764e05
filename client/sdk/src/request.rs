//! Requests whose answers come as a whole: sent, understood, and tried again when that is safe.

use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::retry::Backoff;
use crate::{Client, Error, Problem, Retries};

/// An answer that is longer is none of ours: pages are of 8 MiB, which JSON makes six times as much at most.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// No server of ours asks to wait for longer.
const RETRY_AFTER_SECONDS_MAX: u64 = 3_600;

/// Whether a request may be sent again whose answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Safety {
    /// It changes nothing, or the same whenever it comes.
    Repeatable,
    /// It would happen twice.
    Once,
}

impl Client {
    /// Asks with GET.
    pub(crate) async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T, Error> {
        let asked = self.ask(Safety::Repeatable, || self.request(Method::GET, url.clone())).await;
        asked.and_then(|bytes| self.understood(&bytes)).map_err(Error::of_read)
    }

    /// Says `body` as JSON, and understands the answer.
    pub(crate) async fn say<T: DeserializeOwned>(
        &self,
        safety: Safety,
        method: Method,
        url: Url,
        body: &impl Serialize,
    ) -> Result<T, Error> {
        let body = serde_json::to_vec(body).expect("texts and numbers");
        let request = || self.request(method.clone(), url.clone()).header(CONTENT_TYPE, "application/json");
        let bytes = self.ask(safety, || request().body(body.clone())).await?;
        self.understood(&bytes)
    }

    /// Asks with DELETE, whose answer has nothing.
    pub(crate) async fn delete(&self, url: Url) -> Result<(), Error> {
        self.ask(Safety::Once, || self.request(Method::DELETE, url.clone())).await.map(drop)
    }

    /// An answer's body, after as many tries as are safe and allowed.
    async fn ask(&self, safety: Safety, request: impl Fn() -> RequestBuilder) -> Result<Vec<u8>, Error> {
        self.retrying(self.inner.retries, safety, || self.ask_once(request())).await
    }

    /// Tries as often as is safe and allowed. Of failures that may have happened the first is told.
    pub(crate) async fn retrying<T, F: Future<Output = Result<T, Error>>>(
        &self,
        retries: Retries,
        safety: Safety,
        attempt: impl FnMut() -> F,
    ) -> Result<T, Error> {
        self.retrying_until(std::future::pending(), |_, _| (), retries, safety, attempt).await
    }

    /// The same, but no longer than until `enough`; each pause before another try is told with its reason.
    pub(crate) async fn retrying_until<T, F: Future<Output = Result<T, Error>>>(
        &self,
        enough: impl Future<Output = ()>,
        told: impl Fn(&Error, Duration),
        retries: Retries,
        safety: Safety,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, Error> {
        let mut enough = std::pin::pin!(enough);
        let mut backoff = Backoff::new(retries);
        let mut uncertain = None;
        loop {
            let began = Instant::now();
            let tried = tokio::select! {
                tried = attempt() => tried,
                () = &mut enough => return Err(uncertain.unwrap_or_else(|| self.not_answered(began.elapsed()))),
            };
            let error = match tried {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let may_be_sent = safety == Safety::Repeatable || !error.may_have_happened();
            let pause = backoff.pause(&error).filter(|_| error.is_retriable() && may_be_sent);
            if error.may_have_happened() {
                uncertain = uncertain.or(Some(error.clone()));
            }
            let Some(pause) = pause else { return Err(uncertain.unwrap_or(error)) };
            told(&error, pause);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = &mut enough => return Err(uncertain.unwrap_or(error)),
            }
        }
    }

    fn not_answered(&self, waited: Duration) -> Error {
        Error::no_answer(&self.inner.server, waited)
    }

    /// One try.
    pub(crate) async fn ask_once(&self, request: RequestBuilder) -> Result<Vec<u8>, Error> {
        let response = self.begin(request).await?;
        self.whole(response, ANSWER_BYTES_MAX).await
    }

    /// Sends a request; the answer's body is still to come, and it is a success.
    pub(crate) async fn begin(&self, request: RequestBuilder) -> Result<Response, Error> {
        let response = request.send().await.map_err(|error| self.broken(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let retry_after = retry_after(&response);
        // A body that does not come changes nothing about the refusal.
        let body = self.whole(response, ANSWER_BYTES_MAX).await.unwrap_or_default();
        let mut problem = match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) if !problem.code.is_empty() => problem,
            Ok(_) | Err(_) => Problem::of_stranger(status.as_u16(), &String::from_utf8_lossy(&body)),
        };
        problem.retry_after = retry_after;
        problem.status = status.as_u16();
        if status == StatusCode::TOO_MANY_REQUESTS {
            // That is what the status means, whoever says it.
            problem.retry = true;
        }
        Err(Error::Refused(problem.into()))
    }

    /// The whole body, bounded.
    async fn whole(&self, mut response: Response, bytes_max: usize) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(&error))? {
            if body.len() + chunk.len() > bytes_max {
                return Err(Error::unintelligible(&self.inner.server, format!("it is longer than {bytes_max} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    pub(crate) fn understood<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, Error> {
        serde_json::from_slice(body).map_err(|error| Error::unintelligible(&self.inner.server, error.to_string()))
    }

    pub(crate) fn broken(&self, error: &reqwest::Error) -> Error {
        Error::of_transport(&self.inner.server, self.inner.request_timeout, error)
    }
}

/// What the answer asks to wait, in seconds; a date is not understood, and no Tidelog says one.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse::<u64>().ok()?;
    Some(Duration::from_secs(seconds.min(RETRY_AFTER_SECONDS_MAX)))
}
