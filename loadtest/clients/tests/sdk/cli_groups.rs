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
    check(&server, &["group", "describe", "g"], "");
    check_fails(&server, &["group", "reset", "g", "--topic", "absent", "--to", "latest"], 3, &["absent"]);
    check(&server, &["group", "delete", "g"], "");
    // What comes while nobody reads is the group's, although nothing had come when it began.
    check(&server, &["consume", "t", "--group", "late", "--from", "latest"], "");
    run(&server, &["produce", "t"], "4\n");
    check(&server, &["group", "offsets", "late"], "t\t0\t4\t5\t1\n");
    check(&server, &["consume", "t", "--group", "late", "--from", "latest"], "4\n");
    check_fails(&server, &["group", "offsets", "g"], 3, &["no group \"g\"", "tidelog group list"]);
}
