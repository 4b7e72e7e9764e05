//! Works on what comes, and goes on where it was when it is started again: the group keeps the place.
//!
//! `tail [URL [TOPIC [GROUP]]]`, until Ctrl-C.

use tidelog::{Client, Consumer, Error, Record};

/// How many records are worked on between two commits: what is repeated at most after a crash.
const COMMIT_EVERY: u64 = 100;

#[tokio::main(flavor = "current_thread")]
#[allow(dead_code, reason = "a test includes this file and calls what it is about")]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |default: &str| arguments.next().unwrap_or_else(|| default.to_owned());
    let (url, topic, group) = (next("http://127.0.0.1:8080"), next("greetings"), next("example-tail"));
    let mut consumer = Client::new(&url)?.consumer(&topic).group(&group).start().await?;
    let print = |record: &Record| println!("{}/{}: {}", record.partition, record.offset, record.text().unwrap_or("?"));
    tokio::select! {
        worked = work(&mut consumer, print) => worked,
        _ = tokio::signal::ctrl_c() => consumer.commit().await,
    }
}

/// Works on each record, and commits now and then, when it is done with what it commits.
pub async fn work(consumer: &mut Consumer, mut each: impl FnMut(&Record)) -> Result<(), Error> {
    let mut count = 0_u64;
    while let Some(record) = consumer.next().await {
        each(&record?);
        count += 1;
        if count.is_multiple_of(COMMIT_EVERY) {
            consumer.commit().await?;
        }
    }
    consumer.commit().await
}
