//! The SDK's examples do what they say.

use crate::{client, server};

#[path = "../../../../client/sdk/examples/ledger.rs"]
mod ledger;
#[path = "../../../../client/sdk/examples/produce_and_consume.rs"]
mod produce_and_consume;
#[path = "../../../../client/sdk/examples/tail.rs"]
mod tail;

fn url(server: &tidelog_clients::Server) -> String {
    format!("http://{}", server.http_address())
}

#[tokio::test]
async fn what_is_produced_is_consumed() {
    let server = server();
    assert_eq!(produce_and_consume::run(&url(&server)).await.unwrap(), 1_000);
    assert_eq!(produce_and_consume::run(&url(&server)).await.unwrap(), 2_000);
}

#[tokio::test]
async fn no_booking_is_lost() {
    let server = server();
    assert_eq!(ledger::run(&url(&server)).await.unwrap(), 40);
}

#[tokio::test]
async fn a_tail_goes_on_where_it_was() {
    let server = server();
    let client = client(&server);
    let mut read = Vec::new();
    for turn in 0..2 {
        client.append("t").send((0..250).map(|index| format!("{turn}/{index}"))).await.unwrap();
        let mut consumer = client.consumer("t").group("g").follow(false).start().await.unwrap();
        tail::work(&mut consumer, |record| read.push(record.text().unwrap().to_owned())).await.unwrap();
    }
    let expected = (0..2).flat_map(|turn| (0..250).map(move |index| format!("{turn}/{index}")));
    assert_eq!(read, expected.collect::<Vec<_>>());
}
