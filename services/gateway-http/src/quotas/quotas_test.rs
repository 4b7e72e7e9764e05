//! Who uses too much waits, and is refused when that would take too long.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use http_body_util::BodyExt;
use tidelog_access::{ANONYMOUS, limit_of_client};
use tidelog_catalog_api::{QuotaKind, QuotaName};
use tidelog_host::Random;
use tokio::time::Instant;

use crate::testing::{Answer, Door, eventually, open_body};

const RECORDS: &str = "/v1/topics/t/records";
const PARTITION: &str = "/v1/topics/t/partitions/0/records";
/// Bytes in a second.
const RATE: f64 = 100_000.0;

/// A door where each client that is not named may use so much in a second, and ten times that at once.
async fn door_with(kind: QuotaKind, rate: f64) -> Door {
    let door = Door::start_with(|options| options.heartbeat = Duration::from_millis(50)).await;
    door.create(r#"{"name":"t"}"#).await;
    door.set_quota(QuotaName::Default, kind, rate).await;
    door
}

/// Uses so much as another door of the node would.
fn use_elsewhere(door: &Door, kind: QuotaKind, client: &str, amount: f64) {
    let shared = door.gateway.shared();
    let quotas = shared.parts.catalog.client_quotas(shared.options.tenant);
    let limit = limit_of_client(&quotas, kind, ANONYMOUS, client).unwrap();
    shared.parts.quotas.take(&limit, amount, shared.parts.clock.now().into_std());
}

async fn send(door: &Door, client: &str, bytes: usize) -> (Answer, Duration) {
    let begun = Instant::now();
    let request = Request::post(RECORDS)
        .header("content-type", "application/octet-stream")
        .header("content-length", bytes)
        .header("x-client-id", client)
        .body(Body::from(vec![b'x'; bytes]));
    let answer = door.send(request.unwrap()).await;
    (answer, begun.elapsed())
}

fn read(path: &str, accept: &str) -> Request<Body> {
    Request::get(path).header("accept", accept).header("x-client-id", "a").body(Body::empty()).unwrap()
}

/// No sooner than it may be, and not much later for a machine that has other things to do.
#[track_caller]
fn check_about(took: Duration, seconds: f64) {
    let took = took.as_secs_f64();
    assert!(took > seconds - 0.1 && took < seconds + 4.0, "{took} s instead of {seconds} s");
}

#[tokio::test]
async fn who_sends_too_much_waits_and_is_refused_when_that_would_take_too_long() {
    let kind = QuotaKind::ProducerByteRate;
    let door = door_with(kind, RATE).await;
    // What is used at another door is used here too.
    use_elsewhere(&door, kind, "a", 10.0 * RATE);
    let (answer, took) = send(&door, "a", 100_000).await;
    assert_eq!(answer.status.as_u16(), 200);
    check_about(took, 0.9);
    let (answer, took) = send(&door, "b", 100_000).await;
    assert_eq!(answer.status.as_u16(), 200);
    assert!(took < Duration::from_millis(900), "who has used less does not wait");
    use_elsewhere(&door, kind, "a", 40.0 * RATE);
    let (answer, took) = send(&door, "a", 1).await;
    let problem = answer.check_problem(429, "quota_exceeded");
    check_about(took, 0.0);
    assert!(problem["detail"].as_str().unwrap().contains("client \"a\""), "{problem}");
    assert_eq!((&problem["retry"], &problem["may_have_happened"]), (&true.into(), &false.into()));
    let after = answer.header("retry-after").parse::<u64>().unwrap();
    assert!((35..=40).contains(&after), "{after}");
    assert_eq!(door.tail("t", 0).await, 2, "what is refused is not stored");
    // Reading is another matter, and a quota that is gone is.
    assert_eq!(door.send(read(PARTITION, "application/json")).await.status.as_u16(), 200);
    door.set_quota(QuotaName::Named("a".to_owned()), kind, 1e12).await;
    assert_eq!(send(&door, "a", 1).await.0.status.as_u16(), 200);
    door.stop().await;
}

#[tokio::test]
async fn a_body_of_unknown_length_is_read_no_faster_than_its_client_may_send() {
    let kind = QuotaKind::ProducerByteRate;
    let door = door_with(kind, RATE).await;
    use_elsewhere(&door, kind, "", 10.0 * RATE);
    let line = format!("{{\"value\":\"{}\"}}\n", "x".repeat(9_988));
    let (parts, body) = open_body();
    for _ in 0..15 {
        parts.send(Ok(Bytes::from(line.clone()))).unwrap();
    }
    drop(parts);
    let begun = Instant::now();
    let answer = door.post(RECORDS, "application/x-ndjson", body).await;
    assert_eq!(answer.json()["records"], 15);
    check_about(begun.elapsed(), 1.4);
    door.stop().await;
}

/// A door with room for one body of unknown length.
async fn small_door() -> Door {
    let door = Door::start_with(|options| options.uploads_bytes_max = 2 << 20).await;
    door.create(r#"{"name":"t","configs":{"max.message.bytes":4000000}}"#).await;
    door.set_quota(QuotaName::Default, QuotaKind::ProducerByteRate, RATE).await;
    door
}

/// A body that comes in parts, of a client that has to wait for its quota after each.
async fn begin_paced(door: &Door, encoding: Option<&str>, parts: &[&[u8]]) -> Answer {
    use_elsewhere(door, QuotaKind::ProducerByteRate, "a", 10.0 * RATE);
    let (sender, body) = open_body();
    for part in parts {
        sender.send(Ok(Bytes::copy_from_slice(part))).unwrap();
    }
    drop(sender);
    let mut request =
        Request::post(RECORDS).header("content-type", "application/octet-stream").header("x-client-id", "a");
    if let Some(encoding) = encoding {
        request = request.header("content-encoding", encoding);
    }
    door.send(request.body(body).unwrap()).await
}

#[tokio::test]
async fn who_waits_for_its_quota_is_not_slow_while_others_wait_for_what_it_holds() {
    let random = Random::seeded(7);
    let value = (0..600_000).map(|_| random.next() as u8).collect::<Vec<_>>();
    let folded = zstd::encode_all(&value[..], 1).unwrap();
    for encoding in [None, Some("zstd")] {
        let sent = if encoding.is_some() { &folded } else { &value };
        let door = small_door().await;
        let memory = &door.gateway.shared().memory;
        let budget = if encoding.is_some() { &memory.decoders } else { &memory.uploads };
        let wanted = async {
            eventually("it has come so far", async || memory.uploads.is_half_taken()).await;
            // More than there is left.
            budget.take(usize::MAX >> 20).await
        };
        let (begun, parts) = (Instant::now(), [&sent[..400_000], &sent[400_000..]]);
        let (answer, _) = tokio::join!(begin_paced(&door, encoding, &parts), wanted);
        assert_eq!(answer.status.as_u16(), 200, "{encoding:?}: {answer:?}");
        check_about(begun.elapsed(), 6.0);
        door.stop().await;
    }
}

#[tokio::test]
async fn others_do_not_wait_for_a_quota_for_ever() {
    let value = vec![b'x'; 1_500_000];
    let door = small_door().await;
    let memory = &door.gateway.shared().memory;
    let wanted = async {
        eventually("it has come so far", async || memory.uploads.is_half_taken()).await;
        memory.uploads.take(usize::MAX >> 20).await
    };
    let (begun, parts) = (Instant::now(), [&value[..800_000], &value[800_000..1_400_000], &value[1_400_000..]]);
    let (answer, _) = tokio::join!(begin_paced(&door, None, &parts), wanted);
    answer.check_problem(429, "quota_exceeded");
    // As long as a request waits at most, and then as long as any body may stand still.
    check_about(begun.elapsed(), 12.0);
    assert_eq!(door.tail("t", 0).await, 0);
    door.stop().await;
}

#[tokio::test]
async fn who_reads_too_much_waits() {
    let kind = QuotaKind::ConsumerByteRate;
    let door = door_with(kind, RATE).await;
    door.append("t", &[&"x".repeat(100_000)]).await;
    use_elsewhere(&door, kind, "a", 9.99 * RATE);
    let begun = Instant::now();
    let page = door.send(read(PARTITION, "application/json")).await;
    assert_eq!(page.json()["next_offset"], 1);
    let first = begun.elapsed();
    assert_eq!(door.send(read(PARTITION, "application/json")).await.json()["next_offset"], 1);
    check_about(begun.elapsed(), 0.95);
    assert!(first < begun.elapsed() / 2, "an answer does not wait for itself");
    use_elsewhere(&door, kind, "a", 40.0 * RATE);
    door.send(read(PARTITION, "application/json")).await.check_problem(429, "quota_exceeded");
    door.stop().await;
}

#[tokio::test]
async fn a_stream_goes_on_at_its_pace_and_shows_that_it_lives() {
    let kind = QuotaKind::ConsumerByteRate;
    let values = vec!["x".repeat(936); 200];
    for accept in ["text/event-stream", "application/x-ndjson"] {
        let door = door_with(kind, RATE).await;
        door.append("t", &values.iter().map(String::as_str).collect::<Vec<_>>()).await;
        use_elsewhere(&door, kind, "a", 10.0 * RATE);
        let begun = Instant::now();
        let mut body = door.begin(read(&format!("{PARTITION}?limit=200"), accept)).await.into_body();
        let (mut records, mut beats, mut bytes) = (0, 0, 0);
        while let Some(frame) = body.frame().await {
            let came = frame.unwrap().into_data().unwrap();
            if came == ":\n\n" {
                beats += 1;
                continue;
            }
            check_about(begun.elapsed(), f64::from(bytes) / RATE);
            bytes += u32::try_from(came.len()).unwrap();
            records += came.windows(11).filter(|bytes| *bytes == b"\"partition\"").count();
        }
        assert_eq!(records, 200);
        assert!(bytes > 190_000);
        assert_eq!(beats > 5, accept == "text/event-stream", "{beats}");
        drop(body);
        door.stop().await;
    }
}

#[tokio::test]
async fn time_that_is_spent_is_charged() {
    // A hundred-thousandth of a processor, so ten seconds' worth are a tenth of a millisecond.
    let door = door_with(QuotaKind::RequestPercentage, 0.001).await;
    let begun = Instant::now();
    let mut is_refused = false;
    let is_charged = |is_refused: bool| is_refused || begun.elapsed() > Duration::from_millis(900);
    for _ in 0..1_000 {
        if is_charged(is_refused) {
            break;
        }
        let list = Request::get("/v1/topics").header("x-client-id", "a").body(Body::empty()).unwrap();
        match door.send(list).await {
            // On a busy machine more may be owed than is waited for.
            answer if answer.status.as_u16() == 429 => is_refused = true,
            answer => assert_eq!(answer.status.as_u16(), 200),
        }
    }
    assert!(is_charged(is_refused), "{:?}", begun.elapsed());
    door.stop().await;
}

#[tokio::test]
async fn what_is_created_and_deleted_has_a_rate() {
    // Eleven seconds' worth are there to begin with.
    let door = door_with(QuotaKind::ControllerMutationRate, 2.0).await;
    let create = |body: &str| door.post("/v1/topics", "application/json", body.to_owned());
    // What exists is refused for that, and costs nothing; nor does what changes nothing.
    create(r#"{"name":"t","partitions":1000}"#).await.check_problem(409, "topic_exists");
    let many = serde_json::json!({ "partitions": 500 });
    assert_eq!(door.put("PATCH", "/v1/topics/t?validate_only=true", &many).await.status.as_u16(), 200);
    assert_eq!(create(r#"{"name":"a","partitions":32}"#).await.status.as_u16(), 201);
    let refused = create(r#"{"name":"b"}"#).await;
    refused.check_problem(429, "quota_exceeded");
    assert!((1..=5).contains(&refused.header("retry-after").parse::<u64>().unwrap()), "{refused:?}");
    let more = serde_json::json!({ "partitions": 2, "configs": { "retention.ms": 1000 } });
    door.put("PATCH", "/v1/topics/t", &more).await.check_problem(429, "quota_exceeded");
    door.delete("/v1/topics/a").await.check_problem(429, "quota_exceeded");
    let first = "/v1/topics/new/records";
    door.post(first, "application/octet-stream", "x").await.check_problem(429, "quota_exceeded");
    door.get("/v1/topics/new", "application/json").await.check_problem(404, "unknown_topic");
    let topic = door.get("/v1/topics/t", "application/json").await.json();
    assert_eq!(topic["partition_count"], 1);
    let configs = topic["configs"].to_string();
    assert!(!configs.contains("\"1000\""), "nothing of it was done: {configs}");
    // Other clients, and what creates nothing, go on.
    let other = Request::delete("/v1/topics/a").header("x-client-id", "b").body(Body::empty()).unwrap();
    assert_eq!(door.send(other).await.status.as_u16(), 204);
    door.append("t", &["x"]).await;
    let settings = serde_json::json!({ "configs": { "retention.ms": 1000 } });
    assert_eq!(door.put("PATCH", "/v1/topics/t", &settings).await.status.as_u16(), 200);
    door.stop().await;
}

#[tokio::test]
async fn a_name_is_a_name() {
    let door = Door::start().await;
    let (longest, too_long) = ("x".repeat(249), "x".repeat(250));
    for (name, status) in [("me", 200), ("", 400), (longest.as_str(), 200), (too_long.as_str(), 400), ("a\u{e4}", 400)]
    {
        let request = Request::get("/v1/topics").header("x-client-id", name.as_bytes()).body(Body::empty()).unwrap();
        let answer = door.send(request).await;
        assert_eq!(answer.status.as_u16(), status, "{name}");
        if status == 400 {
            let problem = answer.check_problem(400, "invalid_parameter");
            assert_eq!(problem["at"]["parameter"], "x-client-id");
        }
    }
    let health = Request::get("/livez").header("x-client-id", "").body(Body::empty()).unwrap();
    assert_eq!(door.send(health).await.status.as_u16(), 200);
    door.stop().await;
}
