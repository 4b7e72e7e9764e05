//! Appends a thousand records with keys, and reads them back: each key's records in the order in which they were sent.
//!
//! `produce_and_consume [URL]`

use std::collections::HashMap;

use futures::TryStreamExt;
use tidelog::{Client, Error, NewRecord, NewTopic};

#[tokio::main(flavor = "current_thread")]
#[allow(dead_code, reason = "a test includes this file and calls what it is about")]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());
    println!("{} records are in order", run(&url).await?);
    Ok(())
}

/// Does it with the server at `url`; answers how many records were read.
pub async fn run(url: &str) -> Result<u64, Error> {
    let client = Client::new(url)?;
    match client.create_topic(&NewTopic::new("example-orders").partitions(3)).await {
        Err(error) if error.code() == Some("topic_exists") => {}
        created => drop(created?),
    }

    let producer = client.producer("example-orders").build();
    for number in 0..1_000_u64 {
        let customer = format!("customer-{}", number % 10);
        // Waits when 32 MiB are on their way. The answer is the record's own delivery, which flush waits for too.
        producer.send(NewRecord::new(number.to_string()).key(customer)).await?;
    }
    producer.close().await?;

    let mut consumer = client.consumer("example-orders").follow(false).start().await?;
    let (mut last, mut count) = (HashMap::new(), 0);
    while let Some(record) = consumer.try_next().await? {
        let number: u64 = record.text().and_then(|text| text.parse().ok()).unwrap_or_default();
        let before = last.insert(record.key.clone(), number);
        // This example may have run before, so a key begins anew now and then.
        assert!(before.is_none_or(|before| before < number || number < 10), "{before:?} is before {number}");
        count += 1;
    }
    Ok(count)
}
