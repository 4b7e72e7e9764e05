//! The pages over HTTP.

use axum::body::Body;
use axum::http::Request;

use crate::testing::Door;

#[tokio::test]
async fn every_file_comes_with_its_type_and_its_policy() {
    let door = Door::start().await;
    for asset in tidelog_console::ASSETS {
        let answer = door.get(asset.path, "*/*").await;
        assert_eq!(answer.status.as_u16(), 200, "{}", asset.path);
        assert_eq!(answer.body, asset.bytes);
        assert_eq!(answer.headers["content-type"], asset.media_type);
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'self'") && !policy.contains("unsafe"), "{policy}");
    }
    door.get("/console/", "*/*").await.check_problem(404, "not_found");
    door.get("/console/../Cargo.toml", "*/*").await.check_problem(404, "not_found");
    door.post("/", "text/plain", "x").await.check_problem(405, "method_not_allowed");
    door.stop().await;
}

#[tokio::test]
async fn a_browser_that_has_a_file_is_told_so() {
    let door = Door::start().await;
    let first = door.get("/", "text/html").await;
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    let again = async |known: &str| {
        door.send(Request::get("/").header("if-none-match", known).body(Body::empty()).unwrap()).await
    };
    for known in [&*tag, "*", &format!("\"other\", {tag}"), tag.trim_start_matches("W/")] {
        let answer = again(known).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (304, 0), "{known}");
        assert_eq!(answer.headers["etag"], tag.as_str());
    }
    assert_eq!(again("\"other\"").await.status.as_u16(), 200);
    assert_ne!(door.get("/docs", "text/html").await.headers["etag"], tag.as_str());
    door.stop().await;
}
