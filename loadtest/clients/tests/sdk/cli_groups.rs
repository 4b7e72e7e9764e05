//! `tidelog group`, and `consume --group`.

use serde_json::Value;

use crate::cli::{check, check_fails, run};
use crate::server;

#[test]
fn a_group_goes_on_where_it_was_and_is_set_back() {
    let server = server();
    run(&server, &["produce", "t"], "0\n1\n2\n3\n");
    check(&server, &["group", "list"], "");
    check(&server, &["consume", "t", "--group", "g", "--limit", "3"], "0\n1\n2\n");
    check(&server, &["consume", "t", "--group", "g"], "3\n");
    check(&server, &["consume", "t", "--group", "g"], "");
    check(&server, &["group", "offsets", "g"], "t\t0\t4\t4\t0\n");
    let listed = run(&server, &["group", "list", "--json"], "");
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!((&listed["groups"][0]["group"], &listed["groups"][0]["members"]), (&Value::from("g"), &Value::from(0)));
    check(&server, &["group", "reset", "g", "--topic", "t", "--to", "1", "--dry-run"], "t\t0\t4\t1\n");
    check(&server, &["consume", "t", "--group", "g"], "");
    check(&server, &["group", "reset", "g", "--topic", "t", "--to", "earliest", "--partition", "0"], "t\t0\t4\t0\n");
    check(&server, &["consume", "t", "--group", "g", "--limit", "1"], "0\n");
    let output = run(&server, &["group", "describe", "g"], "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b""[..]));
    assert_eq!(said, "group g has no members; `tidelog group offsets g` shows how far it is\n");
    check_fails(&server, &["group", "reset", "g", "--topic", "absent", "--to", "latest"], 3, &["absent"]);
    check(&server, &["group", "delete", "g"], "");
    // What comes while nobody reads is the group's, although nothing had come when it began.
    check(&server, &["consume", "t", "--group", "late", "--from", "latest"], "");
    run(&server, &["produce", "t"], "4\n");
    check(&server, &["group", "offsets", "late"], "t\t0\t4\t5\t1\n");
    check(&server, &["consume", "t", "--group", "late", "--from", "latest"], "4\n");
    check_fails(&server, &["group", "offsets", "g"], 3, &["no group \"g\"", "tidelog group list"]);
}

#[test]
fn a_reset_says_what_is_otherwise_than_one_might_think() {
    let server = server();
    run(&server, &["topic", "create", "t", "-p", "2"], "");
    run(&server, &["produce", "t", "--partition", "0"], "0\n1\n2\n3\n");
    let check_told = |arguments: &[&str], printed: &str, said: &str| {
        let output = run(&server, arguments, "");
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!((output.status.code(), out.as_str(), err.as_str()), (Some(0), printed, said), "{arguments:?}");
    };
    let reset = ["group", "reset", "new", "--topic", "t", "--to"];
    let with = |more: &[&'static str]| [&reset[..], more].concat();
    let of_two = "tidelog: 2 partitions of t have no offset 9; the group would be set to the nearest of each\n";
    let would = format!("tidelog: there was no group new; this would create it\n{of_two}");
    check_told(&with(&["9", "--dry-run"]), "t\t0\t-\t4\nt\t1\t-\t0\n", &would);
    check_told(&with(&["1", "-p", "0"]), "t\t0\t-\t1\n", "tidelog: there was no group new; this has created it\n");
    let clamped = "tidelog: partition 1 of t has no offset 1; the group is set to 0, the nearest\n";
    check_told(&with(&["1"]), "t\t0\t1\t1\nt\t1\t-\t0\n", clamped);
    check_told(&with(&["latest"]), "t\t0\t1\t4\nt\t1\t0\t0\n", "");
    let told = run(&server, &with(&["7", "-p", "0", "--json"]), "");
    assert!(told.stderr.is_empty(), "{told:?}");
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let offsets = serde_json::json!([{ "topic": "t", "partition": 0, "before": 4, "after": 4, "asked": 7 }]);
    assert_eq!(told, serde_json::json!({ "is_new": false, "offsets": offsets }));
}
