//! What is said about bodies that are JSON and not what is asked for: it is said in words of JSON and of the API.

use serde_json::{Map, Value, json};

use crate::testing::Door;

/// Words of Rust, and of the library that reads JSON.
const NOT_TO_BE_SAID: [&str; 14] = [
    "u8", "u32", "i32", "u64", "i64", "f64", "struct", "enum", "variant", "sequence", "a map", " map,", "floating",
    "tuple",
];

/// Each operation that takes JSON, with all that its body may have.
fn operations() -> Vec<(&'static str, &'static str, Value)> {
    let header = json!({"name": "n", "value": "v", "value_base64": "aa"});
    let record = json!({"key": "k", "key_base64": "aw==", "value": "v", "value_base64": "aw==", "headers": [header],
        "partition": 0, "timestamp": 1});
    let offset = json!({"topic": "t", "partition": 0, "offset": 1, "metadata": "m"});
    vec![
        ("POST", "/v1/topics", json!({"name": "a", "partitions": 1, "configs": {"retention.ms": "1"}})),
        ("PATCH", "/v1/topics/t", json!({"configs": {"retention.ms": "1"}, "partitions": 1})),
        ("POST", "/v1/topics/t/records", json!({ "records": [record] })),
        ("PUT", "/v1/topics/t/partitions/0/fence", json!({"token": 1})),
        ("PUT", "/v1/groups/g/offsets", json!({ "offsets": [offset] })),
        ("POST", "/v1/groups/g/offsets", json!({"topic": "t", "to": "earliest", "partitions": [0], "dry_run": true})),
    ]
}

/// The same with each part of it in turn replaced by something else, left out, or with a field more.
fn spoiled(good: &Value) -> Vec<Value> {
    let long = "long".repeat(10_000);
    let mut all =
        vec![json!(null), json!(true), json!(5), json!(-1), json!(1.5), json!(1e300), json!(u64::MAX), json!(long)];
    all.extend([json!([]), json!(["x"]), json!([[]]), json!({}), json!({"x": [1]}), json!({long: 1})]);
    match good {
        Value::Object(fields) => {
            for (name, value) in fields {
                let with = |value: Option<Value>| {
                    let others = fields.clone().into_iter().filter(|(other, _)| other != name);
                    Value::from(others.chain(value.map(|value| (name.clone(), value))).collect::<Map<_, _>>())
                };
                all.push(with(None));
                all.extend(spoiled(value).into_iter().map(|value| with(Some(value))));
            }
        }
        Value::Array(items) => all.extend(items.iter().flat_map(spoiled).map(|item| json!([item]))),
        _ => {}
    }
    all
}

#[tokio::test]
async fn what_is_wrong_with_a_body_is_said_in_words_of_json() {
    let door = Door::start().await;
    door.create(r#"{"name":"t"}"#).await;
    let mut problems = 0;
    for (method, path, good) in operations() {
        for body in spoiled(&good) {
            let told = door.put(method, path, &body).await;
            assert!(!told.status.is_server_error(), "{told:?}");
            if told.status.is_success() {
                continue;
            }
            problems += 1;
            let detail = told.json()["detail"].as_str().unwrap().to_owned();
            let said = NOT_TO_BE_SAID.iter().find(|word| detail.contains(*word));
            assert_eq!(said, None, "{method} {path}: {detail}");
            assert!(detail.len() < 2_000, "{method} {path} repeats {} bytes", detail.len());
        }
    }
    assert!(problems > 500, "{problems}");
    for line in ["null", "5", "[]", r#"{"partition":"x"}"#, r#"{"headers":{}}"#, r#"{"headers":[1]}"#] {
        let told = door.post("/v1/topics/t/records", "application/x-ndjson", line).await;
        let detail = told.check_problem(400, "invalid_record")["detail"].as_str().unwrap().to_owned();
        assert!(NOT_TO_BE_SAID.iter().all(|word| !detail.contains(word)), "{detail}");
    }
    door.stop().await;
}

#[tokio::test]
async fn what_would_have_been_right_is_said() {
    let door = Door::start().await;
    door.create(r#"{"name":"t"}"#).await;
    let check = async |method: &str, path: &str, body: Value, wanted: &str| {
        let told = door.put(method, path, &body).await.json();
        let detail = told["detail"].as_str().unwrap();
        assert!(detail.starts_with(wanted), "{detail}");
    };
    let partitions = json!({"name": "a", "partitions": 1.5});
    let wanted = "invalid type: number `1.5`, expected a whole number from 0 to 4294967295";
    check("POST", "/v1/topics", partitions, wanted).await;
    let records = "/v1/topics/t/records";
    check("POST", records, json!({"records": [[]]}), "invalid type: a list, expected an object").await;
    check("POST", records, json!({"records": {}}), "invalid type: an object, expected a list of records").await;
    let headers = json!({"records": [{"headers": {}}]});
    check("POST", records, headers, "invalid type: an object, expected a list").await;
    let wanted = "unknown field `x`, expected one of `name`, `partitions`, `configs` at line 1 column 4";
    check("POST", "/v1/topics", json!({"x": 1}), wanted).await;
    // What a client says is told back as it is.
    let text = json!({"name": "a", "partitions": "map, expected u32"});
    let wanted = "invalid type: string \"map, expected u32\", expected a whole number";
    check("POST", "/v1/topics", text, wanted).await;
    door.stop().await;
}
