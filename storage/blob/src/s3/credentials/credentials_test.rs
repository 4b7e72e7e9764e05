//! When credentials are asked for anew, and what happens when that does not work.

use std::sync::atomic::{AtomicU32, Ordering};

use tidelog_model::TimestampMs;

use super::*;

const MINUTE_MS: i64 = 60 * 1000;

/// What a source answers; the last answer stays.
#[derive(Clone)]
enum Answer {
    /// A key that lives so many minutes from now on.
    Key(i64),
    Nothing,
    /// No answer at all.
    Silence,
}

struct Source {
    credentials: Arc<Credentials>,
    clock: Clock,
    asked: Arc<AtomicU32>,
}

fn source(answers: &[Answer]) -> Source {
    let clock = Clock::manual(TimestampMs(1_000_000));
    let asked = Arc::new(AtomicU32::new(0));
    let (count, wall, answers) = (asked.clone(), clock.clone(), answers.to_vec());
    let ask = move || {
        let n = count.fetch_add(1, Ordering::SeqCst) + 1;
        let answer = answers.get(n as usize - 1).or(answers.last()).cloned();
        let wall = wall.clone();
        async move {
            // Others get to ask meanwhile.
            tokio::time::sleep(Duration::from_millis(10)).await;
            match answer.expect("there is one") {
                Answer::Key(minutes) => Ok(Found {
                    credential: Arc::new(AwsCredential {
                        key_id: format!("key {n}"),
                        secret_key: "secret".to_owned(),
                        token: None,
                    }),
                    expires_ms: Some(wall.wall().0 + minutes * MINUTE_MS),
                    source: super::Source::Container,
                }),
                Answer::Nothing => Err(BlobError::Unavailable("nothing".to_owned())),
                Answer::Silence => std::future::pending().await,
            }
        }
        .boxed()
    };
    Source { credentials: Arc::new(Credentials::new(ask, clock.clone())), clock, asked }
}

impl Source {
    async fn key(&self) -> Result<String, BlobError> {
        self.credentials.get().await.map(|credential| credential.key_id.clone())
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

#[tokio::test(start_paused = true)]
async fn what_lives_is_used_and_what_expires_soon_is_renewed() {
    let source = source(&[Answer::Key(60)]);
    assert_eq!(source.key().await.unwrap(), "key 1");
    source.clock.jump_wall(54 * MINUTE_MS);
    assert_eq!(source.key().await.unwrap(), "key 1");
    source.clock.jump_wall(2 * MINUTE_MS);
    assert_eq!(source.key().await.unwrap(), "key 2");
    assert_eq!((source.key().await.unwrap().as_str(), source.asked()), ("key 2", 2));
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_share_one_question() {
    let source = source(&[Answer::Key(60)]);
    let keys = futures::future::join_all((0..100).map(|_| source.key())).await;
    assert!(keys.into_iter().all(|key| key.unwrap() == "key 1"));
    assert_eq!(source.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_renews_and_the_others_do_not_wait() {
    let source = source(&[Answer::Key(60), Answer::Silence]);
    source.key().await.unwrap();
    source.clock.jump_wall(56 * MINUTE_MS);
    let mut renewing = std::pin::pin!(source.key());
    assert!(futures::poll!(&mut renewing).is_pending());
    let other = source.key().now_or_never().expect("it does not wait");
    assert_eq!(other.unwrap(), "key 1");
    // Who was so kind to ask gets the old key in the end.
    assert_eq!(renewing.await.unwrap(), "key 1");
}

#[tokio::test(start_paused = true)]
async fn the_old_are_used_until_they_expire_and_not_all_the_time_is_asked() {
    let source = source(&[Answer::Key(60), Answer::Nothing]);
    source.key().await.unwrap();
    source.clock.jump_wall(56 * MINUTE_MS);
    for _ in 0..10 {
        assert_eq!(source.key().await.unwrap(), "key 1");
    }
    assert_eq!(source.asked(), 2);
    source.clock.jump_wall(MINUTE_MS);
    assert_eq!((source.key().await.unwrap().as_str(), source.asked()), ("key 1", 3));
    source.clock.jump_wall(4 * MINUTE_MS);
    assert!(matches!(source.key().await, Err(BlobError::Unavailable(_))));
}

#[tokio::test(start_paused = true)]
async fn what_lives_less_than_the_margin_is_not_asked_for_by_every_call() {
    let source = source(&[Answer::Key(2)]);
    for _ in 0..10 {
        source.key().await.unwrap();
    }
    assert_eq!(source.asked(), 1);
    source.clock.jump_wall(MINUTE_MS);
    assert_eq!(source.key().await.unwrap(), "key 2");
}

#[tokio::test(start_paused = true)]
async fn a_silent_source_is_given_up_and_one_that_is_slow_answers_the_next_caller() {
    let source = source(&[Answer::Silence, Answer::Key(60)]);
    let start = source.clock.now();
    let error = source.key().await.unwrap_err();
    assert!(matches!(error, BlobError::Unavailable(_)), "{error}");
    assert_eq!(source.clock.now() - start, ASKING_TIME_MAX);
    // This one has less patience than the source needs.
    assert!(tokio::time::timeout(Duration::from_millis(5), source.key()).await.is_err());
    assert_eq!((source.key().await.unwrap().as_str(), source.asked()), ("key 2", 2));
}
