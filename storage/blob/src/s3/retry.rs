//! Trying again: with a limit on each attempt, jitter between them, and a deadline over all. A store that is away is told of
//! once, soon, and that it is back.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tidelog_host::{Clock, Random};

use crate::BlobError;

/// An attempt is given this at least.
const ATTEMPT_TIME_MIN: Duration = Duration::from_secs(5);
/// And longer by its bytes at this rate: slower is as good as hung.
const SLOWEST_BYTES_PER_S: u64 = 4 * 1024 * 1024;
/// Attempts in one call.
const ATTEMPTS_MAX: u32 = 8;
/// The first wait between attempts is up to this; it doubles.
const WAIT_FIRST_MAX: Duration = Duration::from_millis(100);
/// No wait is longer.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// No attempt begins later than this after the call.
const CALL_TIME_MAX: Duration = Duration::from_secs(30);

/// A call that has failed for so long, or the first ones that got no answer for so long, are told of before it is given up.
const QUIET_MAX: Duration = Duration::from_secs(1);

/// How long an attempt that moves so many bytes may take.
pub(super) fn attempt_time(bytes: u64) -> Duration {
    ATTEMPT_TIME_MIN + Duration::from_millis(bytes.saturating_mul(1000) / SLOWEST_BYTES_PER_S)
}

pub(super) struct Retry {
    clock: Clock,
    random: Random,
    hint: Option<String>,
    /// Which store it is and where, for people.
    store: String,
    has_answered: AtomicBool,
    /// It was told that the store does not work.
    is_away: AtomicBool,
}

impl Retry {
    /// Calls to `store`, as people are told of it.
    pub(super) fn new(clock: Clock, random: Random, store: String) -> Retry {
        let (has_answered, is_away) = (AtomicBool::new(false), AtomicBool::new(false));
        Retry { clock, random, hint: None, store, has_answered, is_away }
    }

    /// Adds `hint`, which says whose the credentials are, to refusals.
    pub(super) fn with_hint(self, hint: String) -> Retry {
        Retry { hint: Some(hint), ..self }
    }

    /// Calls until it works, fails for good, or time is up. The error is that of the last attempt, but never says less
    /// may have happened than any attempt did. A cancelled caller cancels the attempt.
    pub(super) async fn run<T, F: Future<Output = Result<T, BlobError>>>(
        &self,
        attempt_time: Duration,
        call: impl Fn() -> F,
    ) -> Result<T, BlobError> {
        let failed = Mutex::new(None);
        let trying = self.try_until_done(attempt_time, call, &failed);
        tokio::pin!(trying);
        let soon = tokio::select! {
            biased;
            result = &mut trying => Some(result),
            () = self.clock.sleep(QUIET_MAX) => None,
        };
        let result = match soon {
            Some(result) => result,
            None => {
                let error = failed.lock().clone();
                self.tell_away(error, attempt_time);
                trying.await
            }
        };
        if !matches!(result, Err(BlobError::Unavailable(_))) {
            self.has_answered.store(true, Ordering::Relaxed);
            if self.is_away.swap(false, Ordering::Relaxed) {
                tracing::info!(store = self.store, "the store answers");
            }
        }
        result.map_err(|error| match (error, &self.hint) {
            (BlobError::Refused(text), Some(hint)) => BlobError::Refused(format!("{text}; {hint}")),
            (error, _) => error,
        })
    }

    /// Says once that the store does not work, while it is tried on. That a call takes its time is no news once the store has
    /// answered: there may be much to send.
    fn tell_away(&self, error: Option<String>, attempt_time: Duration) {
        let is_slow = error.is_none() && self.has_answered.load(Ordering::Relaxed);
        if is_slow || self.is_away.swap(true, Ordering::Relaxed) {
            return;
        }
        let error = error.unwrap_or_else(|| "no answer yet".to_owned());
        let gives_up_within_s = (CALL_TIME_MAX + attempt_time).as_secs();
        tracing::warn!(store = self.store, error, gives_up_within_s, "the store does not work, trying on");
    }

    async fn try_until_done<T, F: Future<Output = Result<T, BlobError>>>(
        &self,
        attempt_time: Duration,
        call: impl Fn() -> F,
        failed: &Mutex<Option<String>>,
    ) -> Result<T, BlobError> {
        let start = self.clock.now();
        let mut may_have_happened = false;
        let mut wait_max = WAIT_FIRST_MAX;
        for attempt in 1.. {
            let answer = tokio::time::timeout(attempt_time, call()).await;
            let answer =
                answer.unwrap_or_else(|_| Err(BlobError::Unavailable(format!("no answer in {attempt_time:?}"))));
            let error = match answer {
                Err(error) if error.kind().retry_is_sensible() => error,
                // Rights may have gone between two tries.
                Err(BlobError::Refused(text)) if may_have_happened => return Err(BlobError::Unavailable(text)),
                answer => return answer,
            };
            *failed.lock() = Some(error.to_string());
            may_have_happened |= matches!(error, BlobError::Unavailable(_));
            let wait = Duration::from_micros(self.random.below(wait_max.as_micros() as u64) + 1);
            if attempt >= ATTEMPTS_MAX || self.clock.now() - start + wait > CALL_TIME_MAX {
                return Err(match error {
                    BlobError::Unavailable(_) => error,
                    error if may_have_happened => BlobError::Unavailable(error.to_string()),
                    error => error,
                });
            }
            tracing::debug!(attempt, wait_ms = wait.as_millis(), %error, "store call failed, trying again");
            self.clock.sleep(wait).await;
            wait_max = (wait_max * 2).min(WAIT_MAX);
        }
        unreachable!("the loop ends by returning");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Answers each in turn, the last for ever; returns what came of it and how often it was asked.
    async fn run(answers: &[Result<(), BlobError>]) -> (Result<(), BlobError>, u32) {
        let asked = AtomicU32::new(0);
        let retry = Retry::new(Clock::real(), Random::seeded(1), "a test's".to_owned());
        let result = retry.run(Duration::from_secs(1), || {
            let n = asked.fetch_add(1, Ordering::SeqCst) as usize;
            let answer = answers.get(n).or(answers.last()).cloned();
            async move { answer.expect("there is one") }
        });
        (result.await, asked.load(Ordering::SeqCst))
    }

    fn unavailable() -> Result<(), BlobError> {
        Err(BlobError::Unavailable("500".to_owned()))
    }

    fn throttled() -> Result<(), BlobError> {
        Err(BlobError::Throttled("503".to_owned()))
    }

    #[tokio::test(start_paused = true)]
    async fn passing_trouble_is_waited_out() {
        let (result, asked) = run(&[unavailable(), throttled(), Ok(())]).await;
        assert!(result.is_ok() && asked == 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_will_not_change_is_not_asked_again() {
        let (result, asked) = run(&[Err(BlobError::Refused("403".to_owned())), Ok(())]).await;
        assert!(matches!(result, Err(BlobError::Refused(_))) && asked == 1);
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_end_and_an_early_doubt_is_kept() {
        let (result, asked) = run(&[throttled()]).await;
        assert!(matches!(result, Err(BlobError::Throttled(_))) && asked == ATTEMPTS_MAX);
        let (result, _) = run(&[unavailable(), throttled()]).await;
        assert!(matches!(result, Err(BlobError::Unavailable(_))), "the first try may have landed");
        let (result, asked) = run(&[unavailable(), Err(BlobError::Refused("403".to_owned()))]).await;
        assert!(matches!(result, Err(BlobError::Unavailable(_))) && asked == 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_people_read_says_it_once_and_with_the_hint() {
        let retry =
            Retry::new(Clock::real(), Random::seeded(1), "a test's".to_owned()).with_hint("try this".to_owned());
        let call = |answer: BlobError| {
            let retry = &retry;
            async move { retry.run(ATTEMPT_TIME_MIN, || async { Err::<(), _>(answer.clone()) }).await.unwrap_err() }
        };
        let text = call(BlobError::Unavailable("500".to_owned())).await.to_string();
        assert_eq!(text, "the store is unavailable: 500");
        let text = call(BlobError::Refused("403".to_owned())).await.to_string();
        assert_eq!(text, "the store refuses: 403; try this");
    }

    #[tokio::test(start_paused = true)]
    async fn a_hung_store_is_given_up_at_the_deadline() {
        let retry = Retry::new(Clock::real(), Random::seeded(1), "a test's".to_owned());
        let start = tokio::time::Instant::now();
        let result: Result<(), _> = retry.run(ATTEMPT_TIME_MIN, std::future::pending).await;
        assert!(matches!(result, Err(BlobError::Unavailable(_))));
        assert!(start.elapsed() <= CALL_TIME_MAX + ATTEMPT_TIME_MIN, "{:?}", start.elapsed());
    }
}
