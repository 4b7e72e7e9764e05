//! Groups over HTTP, beside members that come by the other door.

use bytes::Bytes;
use serde_json::{Value, json};
use tidelog_groups::messages::{Claim, GroupKey, JoinRequest, Leaving, Protocol, SyncRequest};

use crate::testing::{Door, TENANT};

const JSON: &str = "application/json";
/// Partition 0 and 2 of `t`.
const ASSIGNMENT: &[u8] = &[0, 0, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff];

fn key(group: &str) -> GroupKey {
    GroupKey { tenant: TENANT, group: group.into() }
}

/// A member of a group of its own, with a share.
async fn join(door: &Door, group: &str, protocol_type: &str) -> Claim {
    let joined = door.groups.join(JoinRequest {
        key: key(group),
        member_id: String::new(),
        instance_id: None,
        client_id: "me".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 30_000,
        protocol_type: protocol_type.to_owned(),
        protocols: vec![Protocol { name: "range".to_owned(), metadata: Bytes::from_static(&[0; 6]) }],
        member_id_required: false,
        can_skip_assignment: false,
    });
    let joined = joined.await.unwrap();
    let claim = Claim { member_id: joined.member_id.clone(), instance_id: None, generation: joined.generation };
    let sync = SyncRequest {
        key: key(group),
        claim: claim.clone(),
        protocol_type: None,
        protocol: None,
        assignments: vec![(joined.member_id, Bytes::from_static(ASSIGNMENT))],
    };
    door.groups.sync(sync).await.unwrap();
    claim
}

async fn leave(door: &Door, group: &str, claim: Claim) {
    let leaving = Leaving { member_id: claim.member_id, instance_id: None };
    assert_eq!(door.groups.leave(&key(group), &[leaving]).unwrap(), [Ok(())]);
}

async fn commit(door: &Door, group: &str, offsets: Value) -> Value {
    let answer = door.put("PUT", &format!("/v1/groups/{group}/offsets"), &json!({ "offsets": offsets })).await;
    assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
    answer.json()["offsets"].clone()
}

async fn reset(door: &Door, group: &str, input: Value) -> Value {
    let answer = door.put("POST", &format!("/v1/groups/{group}/offsets"), &input).await;
    assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
    answer.json()["offsets"].clone()
}

async fn offsets(door: &Door, path: &str) -> Value {
    door.get(path, JSON).await.json()
}

#[tokio::test]
async fn a_group_is_listed_described_and_deleted() {
    let door = Door::start().await;
    door.create(r#"{"name":"t","partitions":3}"#).await;
    door.get("/v1/groups/readers", JSON).await.check_problem(404, "unknown_group");
    let claim = join(&door, "readers", "consumer").await;
    let others = join(&door, "workers", "connect").await;
    let listed = door.get("/v1/groups", JSON).await.json();
    let group = |name: &str, kind: &str| json!({"group": name, "state": "Stable", "protocol_type": kind, "members": 1});
    assert_eq!(listed, json!({"groups": [group("readers", "consumer"), group("workers", "connect")]}));

    let described = door.get("/v1/groups/readers", JSON).await.json();
    let mut member = json!({
        "member_id": claim.member_id, "client_id": "me", "client_host": "/127.0.0.1",
        "assignment": [{"topic": "t", "partitions": [0, 2]}],
    });
    let expected = json!({
        "group": "readers", "state": "Stable", "protocol_type": "consumer", "protocol": "range", "members": [member],
    });
    assert_eq!(described, expected);
    // What others say among themselves is not understood here.
    member.as_object_mut().unwrap().remove("assignment");
    member["member_id"] = json!(others.member_id);
    assert_eq!(door.get("/v1/groups/workers", JSON).await.json()["members"], json!([member]));

    door.delete("/v1/groups/readers").await.check_problem(409, "group_not_empty");
    leave(&door, "readers", claim).await;
    let described = door.get("/v1/groups/readers", JSON).await.json();
    assert_eq!((&described["state"], &described["members"]), (&json!("Empty"), &json!([])));
    assert_eq!(door.delete("/v1/groups/readers").await.status.as_u16(), 204);
    door.delete("/v1/groups/readers").await.check_problem(404, "unknown_group");
    door.get("/v1/groups/readers", JSON).await.check_problem(404, "unknown_group");
    let long = format!("/v1/groups/{}", "g".repeat(32_768));
    door.get(&long, JSON).await.check_problem(400, "invalid_group");
    door.stop().await;
}

#[tokio::test]
async fn groups_are_listed_in_pages_whatever_their_names() {
    let door = Door::start().await;
    door.create(r#"{"name":"t"}"#).await;
    let long = "x".repeat(20_000);
    for name in ["b", "a/b c", long.as_str(), "é"] {
        let name = name.replace('/', "%2F").replace(' ', "%20").replace('é', "%C3%A9");
        commit(&door, &name, json!([{"topic": "t", "partition": 0, "offset": 1}])).await;
    }
    let page = async |query: &str| {
        let page = door.get(&format!("/v1/groups{query}"), JSON).await.json();
        let groups = page["groups"].as_array().unwrap().clone();
        let names = groups.iter().map(|it| it["group"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        (names, page["next"].as_str().map(str::to_owned))
    };
    let all = ["a/b c", "b", long.as_str(), "é"].map(str::to_owned);
    assert_eq!(page("").await, (all.to_vec(), None));
    assert_eq!(page("?limit=2").await, (all[..2].to_vec(), Some("b".to_owned())));
    // One that is longer than a page's room comes alone.
    assert_eq!(page("?limit=3&after=b").await, (all[2..3].to_vec(), Some(long.clone())));
    assert_eq!(page("?after=x").await, (all[2..].to_vec(), None));
    assert_eq!(page("?after=%C3%A9").await, (vec![], None));
    assert_eq!(door.get("/v1/groups/a%2Fb%20c", JSON).await.json()["group"], "a/b c");
    door.get("/v1/groups?limit=0", JSON).await.check_problem(400, "invalid_parameter");
    door.get("/v1/groups?state=Empty", JSON).await.check_problem(400, "unknown_parameter");
    door.stop().await;
}

#[tokio::test]
async fn offsets_are_committed_each_by_itself_and_told_with_their_lag() {
    let door = Door::start().await;
    door.create(r#"{"name":"t","partitions":3}"#).await;
    door.create(r#"{"name":"u"}"#).await;
    door.append("t", &["a", "b", "c"]).await;
    let input = json!([
        {"topic": "t", "partition": 0, "offset": 1, "metadata": "mine"},
        {"topic": "t", "partition": 2, "offset": "9223372036854775807"},
        {"topic": "t", "partition": 3, "offset": 0},
        {"topic": "none", "partition": 0, "offset": 0},
        {"topic": "u", "partition": 0, "offset": 0, "metadata": "x".repeat(4_097)},
    ]);
    let told = commit(&door, "g", input).await;
    let codes = told.as_array().unwrap().iter().map(|it| it["code"].as_str()).collect::<Vec<_>>();
    let refused = [Some("unknown_partition"), Some("unknown_topic"), Some("metadata_too_large")];
    assert_eq!(codes, [&[None, None][..], &refused].concat());
    assert_eq!(told[1], json!({"topic": "t", "partition": 2}));

    let first = json!({"topic": "t", "partition": 0, "offset": 1, "metadata": "mine", "tail": 3, "lag": 2});
    let last = json!({
        "topic": "t", "partition": 2, "offset": "9223372036854775807", "metadata": "", "tail": 0, "lag": 0,
    });
    assert_eq!(offsets(&door, "/v1/groups/g/offsets").await, json!({"offsets": [first, last]}));
    let one = offsets(&door, "/v1/groups/g/offsets?limit=1").await;
    assert_eq!(one["offsets"], json!([first]));
    let next = format!("/v1/groups/g/offsets?limit=1&after={}", one["next"].as_str().unwrap());
    assert_eq!(offsets(&door, &next).await, json!({"offsets": [last]}));
    assert_eq!(offsets(&door, "/v1/groups/g/offsets?topic=u").await, json!({"offsets": []}));
    assert_eq!(offsets(&door, "/v1/groups/g/offsets?topic=t").await["offsets"].as_array().unwrap().len(), 2);
    door.get("/v1/groups/g/offsets?topic=none", JSON).await.check_problem(404, "unknown_topic");
    let (no_number, no_digit) = (format!("{}.x", "0".repeat(32)), format!("%2B{}.0", "0".repeat(31)));
    for after in ["x", "1.2", "0.", no_number.as_str(), no_digit.as_str()] {
        door.get(&format!("/v1/groups/g/offsets?after={after}"), JSON).await.check_problem(400, "invalid_cursor");
    }
    door.get("/v1/groups/none/offsets", JSON).await.check_problem(404, "unknown_group");

    let refused = async |offsets: Value, says: &str| {
        let answer = door.put("PUT", "/v1/groups/g/offsets", &json!({ "offsets": offsets })).await;
        let problem = answer.check_problem(400, "invalid_body");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
    };
    refused(json!([]), "1 to 10000").await;
    let one = json!({"topic": "t", "partition": 0, "offset": 0});
    refused(json!([one, one]), "twice").await;
    refused(json!([{"topic": "t", "partition": 0, "offset": "9223372036854775808"}]), "9223372036854775807").await;
    refused(json!([{"topic": "t", "partition": 2_147_483_648_u32, "offset": 0}]), "2147483647").await;
    // Digits beyond 2^53-1, and digits alone: what a number or a sign may mean is not guessed.
    refused(json!([{"topic": "t", "partition": 0, "offset": 9_007_199_254_740_992_u64}]), "a string of its digits")
        .await;
    refused(json!([["t", 0, 1, ""]]), "expected an object").await;
    refused(json!([{"topic": "t", "partition": 0, "offset": "+1"}]), "a string of its digits").await;
    refused(json!([{"topic": "t", "partition": 0, "offset": -1}]), "offset").await;
    refused(json!([{"topic": "t", "partition": -1, "offset": 0}]), "a whole number").await;
    refused(json!([{"topic": "t", "partition": 0, "offset": 0, "epoch": 1}]), "epoch").await;
    door.put("PUT", "/v1/groups/g/offsets?x=1", &json!({})).await.check_problem(400, "unknown_parameter");
    door.stop().await;
}

#[tokio::test]
async fn long_metadata_makes_short_pages_that_miss_nothing() {
    let door = Door::start().await;
    door.create(r#"{"name":"t","partitions":600}"#).await;
    let metadata = "m".repeat(1_000);
    let entry = |index: u64| json!({"topic": "t", "partition": index, "offset": index, "metadata": metadata});
    commit(&door, "g", (0..600).map(entry).collect()).await;
    let mut seen = Vec::new();
    let mut path = "/v1/groups/g/offsets?limit=400".to_owned();
    loop {
        let page = offsets(&door, &path).await;
        let offsets = page["offsets"].as_array().unwrap();
        assert!((1..=103).contains(&offsets.len()), "{}", offsets.len());
        seen.extend(offsets.iter().map(|it| it["partition"].as_u64().unwrap()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/groups/g/offsets?limit=400&after={next}");
    }
    assert_eq!(seen, Vec::from_iter(0..600));
    door.stop().await;
}

#[tokio::test]
async fn a_group_begins_anew_where_it_is_told() {
    let door = Door::start().await;
    door.create(r#"{"name":"t","partitions":2}"#).await;
    for (value, timestamp) in [("a", 1_000), ("b", 2_000), ("c", 3_000)] {
        let record = json!({"records": [{"value": value, "partition": 0, "timestamp": timestamp}]});
        assert_eq!(door.put("POST", "/v1/topics/t/records", &record).await.status.as_u16(), 200);
    }
    let check = async |input: Value, expected: &[(u64, Option<u64>, u64)]| {
        let told = reset(&door, "g", input).await;
        let place = |(partition, before, after): &(u64, Option<u64>, u64)| {
            let mut it = json!({"topic": "t", "partition": partition, "after": after});
            if let Some(before) = before {
                it["before"] = json!(before);
            }
            it
        };
        assert_eq!(told, expected.iter().map(place).collect::<Value>());
    };
    check(json!({"topic": "t", "to": "latest", "dry_run": true}), &[(0, None, 3), (1, None, 0)]).await;
    door.get("/v1/groups/g", JSON).await.check_problem(404, "unknown_group");
    check(json!({"topic": "t", "to": "latest"}), &[(0, None, 3), (1, None, 0)]).await;
    check(json!({"topic": "t", "to": "earliest"}), &[(0, Some(3), 0), (1, Some(0), 0)]).await;
    check(json!({"topic": "t", "to": "2"}), &[(0, Some(0), 2), (1, Some(0), 0)]).await;
    check(json!({"topic": "t", "to": "@2000", "partitions": [0, 0]}), &[(0, Some(2), 1)]).await;
    check(json!({"topic": "t", "to": "@1970-01-01T00:00:02.5Z", "partitions": [0]}), &[(0, Some(1), 2)]).await;
    check(json!({"topic": "t", "to": "@9000", "partitions": [0]}), &[(0, Some(2), 3)]).await;
    check(json!({"topic": "t", "to": "9223372036854775807", "partitions": [0]}), &[(0, Some(3), 3)]).await;
    let lag = offsets(&door, "/v1/groups/g/offsets").await["offsets"][0]["lag"].clone();
    assert_eq!(lag, 0);

    let refused = async |input: Value, status: u16, code: &str| {
        door.put("POST", "/v1/groups/g/offsets", &input).await.check_problem(status, code)
    };
    let problem = refused(json!({"topic": "t", "to": "yesterday"}), 400, "invalid_body").await;
    assert_eq!(problem["at"]["field"], "to");
    refused(json!({"topic": "t", "to": "-1"}), 400, "invalid_body").await;
    refused(json!({"topic": "t", "to": 1}), 400, "invalid_body").await;
    refused(json!({"topic": "t"}), 400, "invalid_body").await;
    refused(json!({"topic": "none", "to": "latest"}), 404, "unknown_topic").await;
    refused(json!({"topic": "t", "to": "latest", "partitions": [0, 2]}), 404, "unknown_partition").await;
    refused(json!({"topic": "t", "to": "latest", "partitions": []}), 400, "invalid_body").await;
    door.stop().await;
}

#[tokio::test]
async fn members_alone_say_how_far_they_have_read() {
    let door = Door::start().await;
    door.create(r#"{"name":"t"}"#).await;
    commit(&door, "g", json!([{"topic": "t", "partition": 0, "offset": 7}])).await;
    let claim = join(&door, "g", "consumer").await;
    let input = json!({"offsets": [{"topic": "t", "partition": 0, "offset": 0}]});
    door.put("PUT", "/v1/groups/g/offsets", &input).await.check_problem(409, "group_not_empty");
    for dry_run in [false, true] {
        let input = json!({"topic": "t", "to": "earliest", "dry_run": dry_run});
        let problem = door.put("POST", "/v1/groups/g/offsets", &input).await.check_problem(409, "group_not_empty");
        assert_eq!((&problem["retry"], &problem["may_have_happened"]), (&json!(false), &json!(false)));
    }
    assert_eq!(offsets(&door, "/v1/groups/g/offsets").await["offsets"][0]["offset"], 7);
    leave(&door, "g", claim).await;
    assert_eq!(reset(&door, "g", json!({"topic": "t", "to": "earliest"})).await[0]["before"], 7);
    assert_eq!(offsets(&door, "/v1/groups/g/offsets").await["offsets"][0]["offset"], 0);
    door.stop().await;
}
