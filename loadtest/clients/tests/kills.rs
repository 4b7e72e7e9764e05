//! Nothing acknowledged is lost, reordered or doubled, whenever the process is killed.

#![allow(clippy::unwrap_used)]

#[path = "kills/conditional.rs"]
mod conditional;

use tidelog_clients::chance::Chance;
use tidelog_clients::kills::{self, FAILPOINTS, Plan};
use tidelog_clients::server::Options;

/// At least 3 per failpoint, and at least 50 in all.
const KILLS_PER_FAILPOINT: u32 = 3;
const RANDOM_KILLS: u32 = 26;
/// Of each protocol's records, so that both doors have their part in what is judged.
const ACKNOWLEDGED_MIN: u64 = 1_000;

#[test]
fn nothing_is_lost_on_the_file_store() {
    let counted = u32::try_from(FAILPOINTS.len()).expect("few") * KILLS_PER_FAILPOINT + RANDOM_KILLS;
    assert!(counted >= 50);
    let seed = Chance::seed_of_this_run();
    let plan = Plan {
        seed,
        random_kills: RANDOM_KILLS,
        kills_per_failpoint: KILLS_PER_FAILPOINT,
        options: Options::default(),
    };
    let summary = kills::run(&plan).expect("the run can be carried out");
    println!("{summary}");
    assert!(summary.is_good());
    for protocol in ["kafka", "http"] {
        let share = summary.report.protocols[protocol];
        assert!(share.acknowledged > ACKNOWLEDGED_MIN && share.read > share.acknowledged, "{protocol}: {share:?}");
    }
}
