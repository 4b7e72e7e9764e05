//! The table of states in `mod.rs` is what the code does.

use super::GroupError;
use super::machine::{Answer, Group, GroupState, Waiter};
use super::messages::{JoinRefused, Leaving};
use super::testing::*;

const STATES: [GroupState; 4] =
    [GroupState::Empty, GroupState::PreparingRebalance, GroupState::CompletingRebalance, GroupState::Stable];

/// Something that happens to a group, as the table's first column says it, and what whoever asked is told.
type Event = (&'static str, fn(&mut Bench) -> String);

const EVENTS: [Event; 15] = [
    ("a new member joins", |bench| {
        let waiter = bench.join_as(new_member(), "new");
        told(bench, waiter)
    }),
    ("the follower joins again", |bench| {
        let waiter = bench.join_as(again("b"), "unused");
        told(bench, waiter)
    }),
    ("a changed follower joins again", |bench| {
        let mut request = again("b");
        request.protocols[0] = protocol("range", "other");
        let waiter = bench.join_as(request, "unused");
        told(bench, waiter)
    }),
    ("the leader joins again", |bench| {
        let waiter = bench.join_as(again("a"), "unused");
        told(bench, waiter)
    }),
    ("both join again", |bench| {
        bench.join_as(again("a"), "unused");
        let waiter = bench.join_as(again("b"), "unused");
        told(bench, waiter)
    }),
    ("the follower asks for its share", |bench| {
        let waiter = bench.sync("b", bench.group.membership().generation, &[]);
        told(bench, waiter)
    }),
    ("the leader brings the shares", |bench| {
        let waiter = bench.sync("a", bench.group.membership().generation, &[("a", "1"), ("b", "2")]);
        told(bench, waiter)
    }),
    ("a heartbeat", |bench| of(bench.group.heartbeat(&claim("a", bench.group.membership().generation), bench.now))),
    ("a late heartbeat", |bench| {
        of(bench.group.heartbeat(&claim("a", bench.group.membership().generation - 1), bench.now))
    }),
    ("a member commits", |bench| {
        of(bench.group.check_commit(&claim("a", bench.group.membership().generation), bench.now))
    }),
    ("a commit without membership", |bench| of(bench.group.check_commit(&claim("", -1), bench.now))),
    ("the follower leaves", |bench| of(bench.leave(&[leaving("b")])[0])),
    ("all leave", |bench| {
        let members = bench.group.membership().members.keys().map(|id| leaving(id)).collect::<Vec<Leaving>>();
        let left = bench.leave(&members);
        left.first().map_or("-".to_owned(), |first| of(*first))
    }),
    ("the rebalance timeout is over", |bench| {
        keep_alive_for(bench, REBALANCE_MS);
        "-".to_owned()
    }),
    ("all are silent for ten minutes", |bench| {
        bench.pass(seconds(600));
        "-".to_owned()
    }),
];

/// A group of two in this state; "a" leads, "b" follows.
fn group_in(state: GroupState) -> Bench {
    let mut bench = Bench::two();
    match state {
        GroupState::Empty => {
            bench.leave(&[leaving("a"), leaving("b")]);
        }
        GroupState::PreparingRebalance => {
            bench.join_as(new_member(), "c");
        }
        GroupState::CompletingRebalance => {
            bench.join_as(again("a"), "unused");
            bench.join_as(again("b"), "unused");
            bench.sync("b", 2, &[]);
        }
        GroupState::Stable => {}
        GroupState::Dead => unreachable!("a dead group is not in the table"),
    }
    assert_eq!(bench.group.state(), state);
    bench
}

/// What the request was told so far.
fn told(bench: &Bench, waiter: Waiter) -> String {
    match bench.answer(waiter) {
        None => "waits".to_owned(),
        Some(Answer::Join(_, Ok(_))) => "joined".to_owned(),
        Some(Answer::Sync(_, Ok(_))) => "share".to_owned(),
        Some(Answer::Join(_, Err(JoinRefused { error, .. })) | Answer::Sync(_, Err(error))) => format!("{error:?}"),
    }
}

fn of(result: Result<(), GroupError>) -> String {
    result.map_or_else(|error| format!("{error:?}"), |()| "ok".to_owned())
}

fn keep_alive_for(bench: &mut Bench, milliseconds: i32) {
    for _ in 0..=milliseconds / 1_000 {
        bench.pass(seconds(1));
        let group: &mut Group = &mut bench.group;
        let generation = group.membership().generation;
        for member in ["a", "b"] {
            // It may have been removed, or be told to join again.
            let _ = group.heartbeat(&claim(member, generation), bench.now);
        }
    }
}

/// Kafka's name without the word that two of them share.
fn short(state: GroupState) -> &'static str {
    state.name().trim_end_matches("Rebalance")
}

fn cell(state: GroupState, (_, event): &Event) -> String {
    let mut bench = group_in(state);
    let told = event(&mut bench);
    let after = bench.group.state();
    if after == state { told } else { format!("{told} → {}", short(after)) }
}

/// One line per event, the cells padded to the widest of their column.
fn table() -> String {
    let head = std::iter::once("what happens".to_owned()).chain(STATES.map(|state| short(state).to_owned()));
    let mut rows = vec![head.collect::<Vec<_>>()];
    for event in &EVENTS {
        let cells = STATES.map(|state| cell(state, event));
        rows.push(std::iter::once(event.0.to_owned()).chain(cells).collect());
    }
    let widths = (0..rows[0].len()).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let widths = widths.collect::<Vec<_>>();
    rows.insert(1, widths.iter().map(|width| "-".repeat(*width)).collect());
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("//! | {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    rows.iter().map(line).collect()
}

#[test]
fn the_documented_table_is_what_the_code_does() {
    let table = table();
    assert!(include_str!("lib.rs").contains(&table), "src/lib.rs should have this table:\n{table}");
}
