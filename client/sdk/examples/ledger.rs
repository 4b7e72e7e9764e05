//! Two writers and one ledger: each reads to the end, decides, and appends only if nobody has appended meanwhile. No booking is
//! lost, and none is made twice.
//!
//! `ledger [URL]`

use futures::TryStreamExt;
use tidelog::{Client, Error};

const LEDGER: &str = "example-ledger";

#[tokio::main(flavor = "current_thread")]
#[allow(dead_code, reason = "a test includes this file and calls what it is about")]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());
    println!("the balance is {}", run(&url).await?);
    Ok(())
}

/// Books 20 times by each of two writers; answers the balance.
pub async fn run(url: &str) -> Result<i64, Error> {
    let client = Client::new(url)?;
    // The first append creates the topic.
    client.append(LEDGER).partition(0).send(["0"]).await?;
    tokio::try_join!(book(&client, 20), book(&client, 20))?;
    Ok(balance(&client).await?.0)
}

/// Adds one to the balance, `times` times.
async fn book(client: &Client, times: u32) -> Result<(), Error> {
    let mut booked = 0;
    while booked < times {
        let (balance, tail) = balance(client).await?;
        let append = client.append(LEDGER).partition(0).expected_offset(tail);
        match append.send([(balance + 1).to_string()]).await {
            Ok(_) => booked += 1,
            // Somebody else was first: look again.
            Err(error) if error.code() == Some("unexpected_offset") => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What the last record says, and the offset behind it.
async fn balance(client: &Client) -> Result<(i64, u64), Error> {
    let mut records = client.consumer(LEDGER).partition(0).follow(false).start().await?;
    let mut last = (0, 0);
    while let Some(record) = records.try_next().await? {
        last = (record.text().and_then(|text| text.parse().ok()).unwrap_or_default(), record.offset + 1);
    }
    Ok(last)
}
