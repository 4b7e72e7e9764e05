//! The state against the model, with random commands; and bytes that are not what was written.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngSeed, TestRunner};

use super::driver::Driver;
use super::steps::{Step, steps};
use crate::{PartId, State};

fn config(cases: u32) -> ProptestConfig {
    // The same cases in every run; PROPTEST_RNG_SEED explores others.
    let seed = std::env::var("PROPTEST_RNG_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(cases);
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(1_500))]

    #[test]
    fn the_state_does_what_the_model_does(steps in steps()) {
        let mut driver = Driver::new();
        for step in &steps {
            driver.step(step);
        }
        driver.finish();
    }
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn a_flipped_bit_is_never_restored(steps in steps(), part: prop::sample::Index, at: prop::sample::Index, bit in 0..8_u8) {
        let mut driver = Driver::new();
        steps.iter().for_each(|step| driver.step(step));
        let frozen = driver.state.freeze();
        let mut parts: Vec<(PartId, Vec<u8>)> =
            frozen.parts().iter().map(|part| (part.id, part.encode().to_vec())).collect();
        let chosen = part.index(parts.len());
        let bytes = &mut parts[chosen].1;
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let parts = parts.into_iter().map(|(id, bytes)| (id, bytes.into())).collect();
        prop_assert!(State::restore(parts).is_err());
    }
}

#[test]
fn random_commands_reach_every_kind_of_answer() {
    let mut runner = TestRunner::new(config(1));
    let mut kinds = std::collections::BTreeMap::new();
    for _ in 0..300 {
        let mut driver = Driver::new();
        steps().new_tree(&mut runner).unwrap().current().iter().for_each(|step| driver.step(step));
        driver.count_kinds(&mut kinds);
    }
    println!("{kinds:?}");
    for kind in [
        "Appended",
        "Duplicate",
        "DuplicateForgotten",
        "OutOfOrder",
        "UnknownProducer",
        "StaleEpoch",
        "UnknownPartition",
        "UnexpectedOffset",
        "TokenTooLow",
        "FenceStands",
        "ProducerHalted",
        "KeysFull",
        "ObjectRefused",
        "EarlierRefused",
        "SessionFenced",
        "SequenceGap",
        "OutcomeForgotten",
        "true",
        "false",
        "Fenced",
        "NotGranted",
        "Exists",
        "Collides",
        "Invalid",
        "MetadataTooLarge",
        "UnknownTopic",
        "Changed",
        "NotMore",
        "BeyondTail",
        "GenerationBack",
        "IllegalGeneration",
        "UnknownMember",
        "Limited",
        "Nobody",
        "Combination",
        "NotOfEntity",
        "Value",
        "Deleted",
        "Forgotten",
        "Subscribed",
        "SubscriptionChanged",
        "orphans",
        "snapshots",
    ] {
        assert!(kinds.get(kind).is_some_and(|count| *count >= 10), "{kind} occurs too rarely: {kinds:?}");
    }
    // Rarer, and in the stories of `guards.rs` as well.
    assert!(kinds.contains_key("KeyReused"), "{kinds:?}");
}

#[test]
fn a_missing_a_doubled_and_a_swapped_part_are_refused() {
    let mut driver = Driver::new();
    driver.step(&Step::Tick(5));
    let whole = || driver.state.freeze().parts().iter().map(|part| (part.id, part.encode())).collect::<Vec<_>>();
    assert_eq!(State::restore(whole()).unwrap().hash(), driver.state.hash());
    let mut parts = whole();
    parts.pop();
    assert!(State::restore(parts).is_err());
    let mut parts = whole();
    parts.push(parts[3].clone());
    assert!(State::restore(parts).is_err());
    let mut parts = whole();
    (parts[3].1, parts[4].1) = (parts[4].1.clone(), parts[3].1.clone());
    assert!(State::restore(parts).is_err());
}
