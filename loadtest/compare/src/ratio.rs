//! The arithmetic of rounds: median and worst of numbers of which less is better, and what they say of a bound.

use serde::{Deserialize, Serialize};

/// What is told of the same number of several rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    pub median: f64,
    /// The largest.
    pub worst: f64,
    /// Rounds that have it.
    pub count: usize,
}

/// Of some numbers; nothing of none.
pub fn spread(values: &[f64]) -> Option<Spread> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median = match sorted.len() {
        0 => return None,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    };
    Some(Spread { median, worst: sorted[sorted.len() - 1], count: sorted.len() })
}

/// Ours by theirs, of each round that has both. What is nothing has no ratio.
pub fn ratios(ours: &[Option<f64>], theirs: &[Option<f64>]) -> Vec<f64> {
    let both = ours.iter().zip(theirs).filter_map(|(ours, theirs)| ours.zip(*theirs));
    both.filter(|(_, theirs)| *theirs > 0.0).map(|(ours, theirs)| ours / theirs).collect()
}

/// What became of a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// By the worst round too.
    Held,
    /// By the median, but not by the worst round.
    HeldByTheMedian,
    Missed,
    NotMeasured,
}

impl Verdict {
    pub fn of(spread: Option<Spread>, max: f64) -> Verdict {
        match spread {
            None => Verdict::NotMeasured,
            Some(spread) if spread.worst <= max => Verdict::Held,
            Some(spread) if spread.median <= max => Verdict::HeldByTheMedian,
            Some(_) => Verdict::Missed,
        }
    }

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Verdict::Held => "held",
            Verdict::HeldByTheMedian => "held by the median",
            Verdict::Missed => "missed",
            Verdict::NotMeasured => "not measured",
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_and_the_worst_is_the_largest() {
        let check = |values: &[f64], median: f64, worst: f64| {
            assert_eq!(spread(values), Some(Spread { median, worst, count: values.len() }), "{values:?}");
        };
        check(&[3.0], 3.0, 3.0);
        check(&[9.0, 1.0, 2.0], 2.0, 9.0);
        check(&[4.0, 1.0, 2.0, 8.0], 3.0, 8.0);
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn a_ratio_is_of_one_round() {
        let ours = [Some(1.0), None, Some(6.0), Some(5.0)];
        let theirs = [Some(2.0), Some(1.0), Some(2.0), Some(0.0)];
        assert_eq!(ratios(&ours, &theirs), [0.5, 3.0]);
        assert_eq!(ratios(&ours[..1], &theirs), [0.5]);
    }

    #[test]
    fn a_bound_is_held_by_all_by_the_median_or_not() {
        let of = |values: &[f64]| Verdict::of(spread(values), 1.0);
        assert_eq!(of(&[0.5, 1.0, 0.9]), Verdict::Held);
        assert_eq!(of(&[0.5, 1.1, 1.0]), Verdict::HeldByTheMedian);
        assert_eq!(of(&[0.5, 1.1, 1.2]), Verdict::Missed);
        assert_eq!(of(&[]), Verdict::NotMeasured);
    }
}
