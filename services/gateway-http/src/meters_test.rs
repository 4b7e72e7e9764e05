//! What is counted of requests, and that clients cannot make it much.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};

use crate::testing::Door;

#[tokio::test]
async fn metrics_are_served_as_text() {
    let door = Door::start().await;
    let answer = door.get("/metrics", "*/*").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(&answer.body[..], b"# nothing is counted\n");
    door.stop().await;
}

#[tokio::test]
async fn requests_are_told_apart_by_the_templates_of_routes_whatever_clients_ask_for() {
    let door = Door::start().await;
    door.create(r#"{"name":"t"}"#).await;
    for number in 0..50 {
        let method = Method::from_bytes(format!("MADEUP{number}").as_bytes()).unwrap();
        for path in [format!("/nowhere/{number}"), format!("/v1/topics/t{number}")] {
            let request = Request::builder().method(method.clone()).uri(path).body(Body::empty()).unwrap();
            assert!(door.send(request).await.status.is_client_error());
        }
        door.get(&format!("/v1/topics/t{number}"), "*/*").await;
        door.get(&format!("/v1/topics/t/partitions/{number}/records"), "*/*").await;
    }
    let shared = door.gateway.shared();
    let mut routes = shared.meters.asked(&shared.routes);
    routes.sort_unstable();
    let expected = ["/v1/topics", "/v1/topics/{topic}", "/v1/topics/{topic}/partitions/{partition}/records", "none"];
    assert_eq!(routes, expected);
    door.stop().await;
}
