//! Arrow IPC over HTTP: what goes in comes out, a slow writer is stored as it writes, a reader goes on where it was.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, BinaryArray, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::testing::{Answer, Door, eventually, open_body};

const ARROW: &str = "application/vnd.apache.arrow.stream";
const END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
const JSON: &str = "application/json";
const RECORDS: &str = "/v1/topics/t/records";
const PARTITION: &str = "/v1/topics/t/partitions/0/records";

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn values(from: usize, count: usize) -> RecordBatch {
    let values = (from..from + count).map(|number| format!("value {number}"));
    batch(vec![("value", Arc::new(StringArray::from_iter_values(values)))])
}

fn stream(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

/// Batches of a stream that ends as it should.
fn batches(answer: &Answer) -> Vec<RecordBatch> {
    assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), ARROW);
    assert!(answer.body.ends_with(&END), "it has its end mark");
    StreamReader::try_new(&answer.body[..], None).unwrap().map(Result::unwrap).collect()
}

fn values_of(batches: &[RecordBatch]) -> Vec<Option<Vec<u8>>> {
    let column = |batch: &RecordBatch| {
        let values = batch.column_by_name("value").unwrap().as_binary::<i32>();
        values.iter().map(|value| value.map(<[u8]>::to_vec)).collect::<Vec<_>>()
    };
    batches.iter().flat_map(column).collect()
}

#[tokio::test]
async fn records_come_out_as_columns() {
    let door = Door::start().await;
    let body = r#"{"records":[
        {"key":"k","value":"one","timestamp":1700000000000,"headers":[{"name":"a","value":"b"},{"name":"a"},{"name":"é","value_base64":"/w=="}]},
        {"value":null},
        {"key":"","value":"","headers":[{"name":"x","value":""}]}]}"#;
    assert_eq!(door.post(RECORDS, JSON, body).await.status.as_u16(), 200);
    let found = batches(&door.get(PARTITION, ARROW).await);
    assert_eq!(found.len(), 1);
    let names = found[0].schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    assert_eq!(names, ["partition", "offset", "timestamp", "key", "value", "headers"]);
    assert_eq!(found[0]["partition"].as_primitive::<Int32Type>().values(), &[0, 0, 0]);
    assert_eq!(found[0]["offset"].as_primitive::<Int64Type>().values(), &[0, 1, 2]);
    let times = found[0]["timestamp"].as_primitive::<TimestampMillisecondType>();
    assert_eq!(times.value(0), 1_700_000_000_000);
    let keys = found[0]["key"].as_binary::<i32>().iter().collect::<Vec<_>>();
    assert_eq!(keys, [Some(&b"k"[..]), None, Some(b"")]);
    assert_eq!(values_of(&found), [Some(b"one".to_vec()), None, Some(Vec::new())]);
    let headers = found[0]["headers"].as_list::<i32>();
    assert_eq!(headers.value_offsets(), [0, 3, 3, 4]);
    let items = headers.values().as_struct();
    let header_names = items.column(0).as_string::<i32>().iter().flatten().collect::<Vec<_>>();
    assert_eq!(header_names, ["a", "a", "é", "x"]);
    let header_values = items.column(1).as_binary::<i32>().iter().collect::<Vec<_>>();
    assert_eq!(header_values, [Some(&b"b"[..]), None, Some(b"\xff"), Some(b"")]);
    // Some of them, and none.
    let some = batches(&door.get(&format!("{PARTITION}?columns=value,offset&from=2"), ARROW).await);
    assert_eq!((some[0].num_columns(), some[0].num_rows()), (2, 1));
    assert!(batches(&door.get(&format!("{PARTITION}?from=latest"), ARROW).await).is_empty());
    for wrong in ["columns=", "columns=offset,values", "columns=cursor", "value_format=json"] {
        door.get(&format!("{PARTITION}?{wrong}"), ARROW).await.check_problem(400, "invalid_parameter");
    }
    door.get(&format!("{PARTITION}?columns=value"), JSON).await.check_problem(400, "invalid_parameter");
    door.stop().await;
}

/// The end of the body ends the stream, as the format has it; but not the end of its connection.
#[tokio::test]
async fn the_end_mark_may_be_left_out_where_the_body_is_whole() {
    let door = Door::start().await;
    door.create(r#"{"name":"t"}"#).await;
    let body = stream(&[values(0, 3), values(3, 2)]);
    let body = body.strip_suffix(&END).expect("a writer sends it");
    let told = door.post(RECORDS, ARROW, body.to_vec()).await.json();
    assert_eq!(told["records"], 5);
    let address = door.listen().await;
    let send = async |framing: &str, parts: &[&[u8]]| {
        let head = format!(
            "POST {RECORDS} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {ARROW}\r\n{framing}\r\n\r\n"
        );
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        stream.write_all(&[&[head.as_bytes()], parts].concat().concat()).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        said
    };
    let (length, chunk) = (format!("content-length: {}", body.len()), format!("{:x}\r\n", body.len()));
    for said in [
        send(&length, &[body]).await,
        send("transfer-encoding: chunked", &[chunk.as_bytes(), body, b"\r\n0\r\n\r\n"]).await,
    ] {
        assert!(said.starts_with("HTTP/1.1 200 ") && said.contains("\"records\":5"), "{said}");
    }
    let (parts, open) = open_body();
    parts.send(Ok(Bytes::from(body.to_vec()))).unwrap();
    parts.send(Err(std::io::ErrorKind::UnexpectedEof.into())).unwrap();
    let problem = door.post(RECORDS, ARROW, open).await.check_problem(400, "body_cut_off");
    assert_eq!(problem["stored"]["records"], 5);
    door.stop().await;
}

#[tokio::test]
async fn what_is_wanted_is_bounded() {
    let door = Door::start().await;
    door.append("t", &["a", "b", "c", "d", "e"]).await;
    door.append("t", &["f", "g"]).await;
    let check = async |query: &str, wanted: &[i64]| {
        let found = batches(&door.get(&format!("{PARTITION}{query}"), ARROW).await);
        let offsets = found.iter().flat_map(|batch| batch["offset"].as_primitive::<Int64Type>().values().to_vec());
        assert_eq!(offsets.collect::<Vec<_>>(), wanted, "{query}");
    };
    check("", &[0, 1, 2, 3, 4, 5, 6]).await;
    check("?limit=2", &[0, 1]).await;
    check("?from=3&limit=3", &[3, 4, 5]).await;
    check("?from=7", &[]).await;
    check("?max_bytes=1", &[0]).await;
    check("?from=1&max_bytes=100", &[1, 2]).await;
    door.get(&format!("{PARTITION}?from=8"), ARROW).await.check_problem(416, "offset_out_of_range");
    door.stop().await;
}

#[tokio::test]
async fn large_and_small_records_of_compressed_batches_come_whole() {
    let door = Door::start().await;
    door.create(r#"{"name":"t","configs":{"max.message.bytes":4000000,"compression.type":"gzip"}}"#).await;
    // Several messages per batch, and one record that is larger than a message.
    let lengths = [300_000, 10, 400_000, 5, 700_000, 64_000, 1];
    let written = lengths.map(|length| "\u{1}é".repeat(length / 3 + 1));
    let records = written.iter().map(|value| json!({ "value": value })).collect::<Vec<_>>();
    let answer = door.post(RECORDS, JSON, json!({ "records": records }).to_string()).await;
    assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
    for from in [0, 1, 3, 6] {
        let found = batches(&door.get(&format!("{PARTITION}?from={from}"), ARROW).await);
        let wanted = written[from..].iter().map(|value| Some(value.clone().into_bytes()));
        assert!(values_of(&found).into_iter().eq(wanted), "{from}");
    }
    // What was held for it is given back.
    let memory = &door.gateway.shared().memory;
    let all = |budget: &crate::memory::Budget| budget.try_take(64 << 20).is_some();
    assert!(all(&memory.reads) && all(&memory.pieces) && all(&memory.pages) && all(&memory.uploads));
    door.stop().await;
}

#[tokio::test]
async fn many_small_records_go_in_and_come_out_in_order() {
    let door = Door::start().await;
    door.create(r#"{"name":"t","partitions":4}"#).await;
    let written = (0..60_000).map(|number| format!("{number}")).collect::<Vec<_>>();
    let keys: ArrayRef = Arc::new(StringArray::from_iter_values(&written));
    let all = batch(vec![("key", keys.clone()), ("value", keys)]);
    let body = stream(&(0..6).map(|part| all.slice(part * 10_000, 10_000)).collect::<Vec<_>>());
    let told = door.post(RECORDS, ARROW, body).await.json();
    assert_eq!(told["records"], 60_000);
    // Gone on with by the cursor of the last row of a batch, wherever one stops.
    let (mut seen, mut nexts, mut path) = (Vec::new(), [0; 4], format!("{RECORDS}?limit=9000"));
    loop {
        let found = batches(&door.get(&path, ARROW).await);
        let Some(last) = found.iter().take(2).next_back() else { break };
        for batch in found.iter().take(2) {
            let cursors = batch["cursor"].as_string::<i32>();
            assert_eq!(cursors.null_count(), batch.num_rows() - 1);
            let partitions = batch["partition"].as_primitive::<Int32Type>().values();
            for (partition, offset) in
                partitions.iter().zip(batch["offset"].as_primitive::<Int64Type>().values().iter())
            {
                assert_eq!(nexts[*partition as usize], *offset, "in order, nothing left out or twice");
                nexts[*partition as usize] += 1;
            }
        }
        seen.extend(values_of(&found[..found.len().min(2)]).into_iter().flatten());
        let cursor = last["cursor"].as_string::<i32>().value(last.num_rows() - 1).to_owned();
        path = format!("{RECORDS}?limit=9000&cursor={cursor}&columns=partition,offset,value");
    }
    seen.sort();
    let mut wanted = written.into_iter().map(String::into_bytes).collect::<Vec<_>>();
    wanted.sort();
    assert!(seen == wanted);
    // Lines understand the same cursor.
    let lines = door.get(&path.replace("&columns=partition,offset,value", ""), "application/x-ndjson").await;
    assert!(lines.lines().is_empty());
    door.stop().await;
}

#[tokio::test]
async fn rows_are_stored_as_they_come_and_a_torn_stream_tells_which() {
    let door = Door::start().await;
    door.create(r#"{"name":"t"}"#).await;
    let body = stream(&[values(0, 3), values(3, 2), values(5, 4)]);
    let (sender, open) = open_body();
    let sending = async {
        let third = stream(&[values(0, 3), values(3, 2)]).len() + 20;
        for piece in body[..third].chunks(100) {
            sender.send(Ok(Bytes::copy_from_slice(piece))).unwrap();
        }
        // While the request goes on.
        eventually("two batches are stored", async || door.tail("t", 0).await == 5).await;
        drop(sender);
    };
    let (answer, ()) = tokio::join!(door.post(RECORDS, ARROW, open), sending);
    let problem = answer.check_problem(400, "body_cut_off");
    assert_eq!(problem["stored"]["runs"], json!([{"line": 1, "count": 5, "partition": 0, "offset": 0}]));
    assert_eq!(problem["retry"], false);
    assert_eq!(door.tail("t", 0).await, 5);
    door.stop().await;
}

#[tokio::test]
async fn rows_end_when_the_node_stops_with_what_is_stored() {
    let door = Door::start().await;
    door.create(r#"{"name":"t"}"#).await;
    let body = stream(&[values(0, 3), values(3, 2)]);
    let (sender, open) = open_body();
    let posting = tokio::time::timeout(Duration::from_secs(20), door.post(RECORDS, ARROW, open));
    let stopping = async {
        let second = stream(&[values(0, 3)]).len() + 20;
        sender.send(Ok(Bytes::copy_from_slice(&body[..second]))).unwrap();
        eventually("a batch is stored", async || door.tail("t", 0).await == 3).await;
        door.doors.stop().await;
        sender
    };
    let (answer, _sender) = tokio::join!(posting, stopping);
    let problem = answer.expect("it is answered soon").check_problem(503, "stopping");
    assert_eq!(problem["stored"]["runs"], json!([{"line": 1, "count": 3, "partition": 0, "offset": 0}]));
    assert_eq!(problem["retry"], false);
    door.stop().await;
}

#[tokio::test]
async fn a_row_that_is_wrong_is_told_by_its_number() {
    let door = Door::start().await;
    door.create(r#"{"name":"t","configs":{"max.message.bytes":2000}}"#).await;
    let long = "x".repeat(3_000);
    let wrong = batch(vec![("value", Arc::new(StringArray::from(vec!["a", "b", &long, "c"])))]);
    let problem = door.post(RECORDS, ARROW, stream(&[values(0, 3), wrong])).await;
    let problem = problem.check_problem(413, "record_too_large");
    assert_eq!((&problem["at"]["line"], &problem["stored"]["records"]), (&json!(6), &json!(5)));
    let times = TimestampMillisecondArray::from(vec![Some(-1)]);
    let early = batch(vec![("value", Arc::new(BinaryArray::from_vec(vec![b"v"]))), ("timestamp", Arc::new(times))]);
    let problem = door.post(RECORDS, ARROW, stream(&[early])).await.check_problem(400, "invalid_timestamp");
    assert_eq!(problem["at"], json!({"line": 1, "field": "timestamp"}));
    let other = batch(vec![("values", Arc::new(BinaryArray::from_vec(vec![b"v"])))]);
    let problem = door.post(RECORDS, ARROW, stream(&[other])).await.check_problem(400, "invalid_column");
    assert_eq!(problem["at"], json!({"field": "values"}));
    door.post(RECORDS, ARROW, "not arrow").await.check_problem(400, "invalid_arrow");
    assert_eq!(door.tail("t", 0).await, 5);
    door.stop().await;
}

#[tokio::test]
async fn a_stream_waits_and_breaks_off_when_it_cannot_go_on() {
    let door = Door::start().await;
    door.append("t", &["a"]).await;
    let waiting = door.get("/v1/topics/t/partitions/0/records?wait_ms=20000&limit=2", ARROW);
    let appending = async {
        tokio::task::yield_now().await;
        door.append("t", &["b"]).await;
    };
    let (answer, ()) = tokio::join!(waiting, appending);
    assert_eq!(values_of(&batches(&answer)), [Some(b"a".to_vec()), Some(b"b".to_vec())]);
    let request = Request::get("/v1/topics/t/partitions/0/records?wait_ms=20000").header("accept", ARROW);
    let mut body = door.begin(request.body(Body::empty()).unwrap()).await.into_body();
    let mut came = Vec::new();
    let rows_of = |came: &[u8]| {
        let batches = StreamReader::try_new(came, None).into_iter().flatten();
        batches.map_while(Result::ok).map(|batch| batch.num_rows()).sum::<usize>()
    };
    while rows_of(&came) < 2 {
        came.extend_from_slice(&body.frame().await.unwrap().unwrap().into_data().unwrap());
    }
    door.send(Request::delete("/v1/topics/t").body(Body::empty()).unwrap()).await;
    let end = tokio::time::timeout(Duration::from_secs(30), body.frame()).await.unwrap().unwrap();
    assert!(end.is_err(), "neither an end mark nor an end of the body: {end:?}");
    door.stop().await;
}

async fn send(door: &Door, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    let request = Request::post(path).header("content-type", ARROW);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    door.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn what_a_request_asks_for_holds_for_rows_too() {
    let door = Door::start().await;
    door.create(r#"{"name":"t","partitions":2}"#).await;
    let to_first = format!("{RECORDS}?partition=0");
    let three = stream(&[values(0, 2), values(2, 1)]);
    let run = |offset: u64| json!([{"line": 1, "count": 3, "partition": 0, "offset": offset}]);
    let expecting = |offset: &'static str| [("expected-offset", offset)];
    let landed = send(&door, &to_first, &expecting("0"), three.clone()).await.json();
    assert_eq!(landed["runs"], run(0));
    let problem = send(&door, &to_first, &expecting("0"), three.clone()).await.check_problem(409, "unexpected_offset");
    assert_eq!((&problem["tail"], &problem["stored"]["records"]), (&json!(3), &json!(0)));
    let fence = Request::put("/v1/topics/t/partitions/0/fence").header("content-type", JSON);
    let fenced = door.send(fence.body(Body::from(r#"{"token":7}"#)).unwrap()).await;
    assert!(fenced.status.is_success(), "{fenced:?}");
    send(&door, &to_first, &[("fencing-token", "6")], three.clone()).await.check_problem(412, "fenced");
    assert_eq!(send(&door, &to_first, &[("fencing-token", "7")], three.clone()).await.json()["runs"], run(3));
    assert_eq!(door.post("/v1/producers", JSON, "").await.status.as_u16(), 201);
    let from = |sequence| [("producer-id", "0"), ("producer-epoch", "0"), ("producer-sequence", sequence)];
    for _ in 0..2 {
        assert_eq!(send(&door, &to_first, &from("0"), three.clone()).await.json()["runs"], run(6));
    }
    send(&door, &to_first, &from("9"), three.clone()).await.check_problem(409, "out_of_order");
    assert_eq!(send(&door, &to_first, &from("3"), three).await.json()["runs"], run(9));
    assert_eq!((door.tail("t", 0).await, door.tail("t", 1).await), (12, 0));
    let elsewhere = batch(vec![
        ("value", Arc::new(StringArray::from(vec!["a", "b"]))),
        ("partition", Arc::new(arrow_array::UInt8Array::from(vec![1, 0]))),
    ]);
    let problem = send(&door, RECORDS, &expecting("0"), stream(&[elsewhere])).await;
    let problem = problem.check_problem(400, "invalid_record");
    assert_eq!(problem["at"], json!({"line": 2, "field": "partition"}));
    door.stop().await;
}

#[tokio::test]
async fn rows_with_a_key_are_stored_once_or_not_at_all() {
    let door = Door::start().await;
    door.create(r#"{"name":"t"}"#).await;
    let key = [("idempotency-key", "k")];
    let many = stream(&(0..30).map(|part| values(part * 1_000, 1_000)).collect::<Vec<_>>());
    let told = send(&door, RECORDS, &key, many.clone()).await.json();
    assert_eq!(told["runs"], json!([{"line": 1, "count": 30_000, "partition": 0, "offset": 0}]));
    assert_eq!(send(&door, RECORDS, &key, many.clone()).await.json(), told, "a second try is told of the first");
    assert_eq!(door.tail("t", 0).await, 30_000);
    // The key is for this body of this type.
    send(&door, RECORDS, &key, stream(&[values(0, 1)])).await.check_problem(422, "idempotency_key_reused");
    let lines = Request::post(RECORDS).header("content-type", "application/x-ndjson").header("idempotency-key", "k");
    door.send(lines.body(Body::from(many.clone())).unwrap()).await.check_problem(422, "idempotency_key_reused");
    // What is wrong at its end leaves nothing of it stored.
    let torn = many[..many.len() - 100].to_vec();
    let problem = send(&door, RECORDS, &[("idempotency-key", "torn")], torn).await.check_problem(400, "body_cut_off");
    assert_eq!(problem["stored"]["records"], 0);
    // A little that unfolds to a lot is refused, and its room is given back.
    let mut shared = arrow_array::builder::BinaryViewBuilder::new();
    let block = shared.append_block(vec![7_u8; 500_000].into());
    (0..14).for_each(|_| shared.try_append_view(block, 0, 500_000).unwrap());
    let large = batch(vec![("value", Arc::new(shared.finish()))]);
    let small = stream(&[large.clone(), large.clone()]);
    assert_eq!(send(&door, RECORDS, &[("idempotency-key", "fits")], small).await.json()["records"], 28);
    let large = stream(&[large.clone(), large.clone(), large]);
    assert!(large.len() < 2 << 20, "{}", large.len());
    let problem = send(&door, RECORDS, &[("idempotency-key", "large")], large).await;
    let problem = problem.check_problem(413, "body_too_large");
    assert!(problem["at"]["line"].as_u64() > Some(28), "{problem}");
    assert_eq!(problem["stored"]["records"], 0);
    assert_eq!(door.tail("t", 0).await, 30_028);
    assert!(door.gateway.shared().memory.uploads.try_take(64 << 20).is_some());
    door.stop().await;
}
