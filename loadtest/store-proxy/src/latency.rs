//! How long answers take: a log-normal distribution through two quantiles, which is the shape that object stores show.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidelog_host::Random;

use crate::error::{Error, invalid};

/// The 99th percentile of the standard normal distribution.
const NORMAL_P99: f64 = 2.326_347_874_040_841;
/// No answer is held longer, however far out in the tail it is.
const DELAY_MS_MAX: f64 = 60_000.0;

/// The names that [`Latency::profile`] knows, with p50 and p99. Of small requests to S3 Standard its vendor says that "the median
/// latency is often in the tens of milliseconds"
/// (<https://docs.aws.amazon.com/whitepapers/latest/s3-optimizing-performance-best-practices/timeouts-and-retries-for-latency-sensitive-applications.html>),
/// of the zonal class "consistent single-digit millisecond first-byte read and write request latencies"
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-express-performance.html>). The p99 are assumptions, and so is that all
/// operations take the same: nothing was found that says otherwise.
const PROFILES: &[(&str, f64, f64)] = &[("s3-standard", 60.0, 250.0), ("s3-express", 5.0, 15.0), ("none", 0.0, 0.0)];

/// The time from the end of a request to the first byte of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Asked")]
pub struct Latency {
    p50_ms: f64,
    p99_ms: f64,
}

/// As it is asked for: by name, or by both numbers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    profile: Option<String>,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
}

impl TryFrom<Asked> for Latency {
    type Error = Error;

    fn try_from(asked: Asked) -> Result<Latency, Error> {
        match (asked.profile, asked.p50_ms, asked.p99_ms) {
            (Some(name), None, None) => Latency::profile(&name),
            (None, Some(p50_ms), Some(p99_ms)) => Latency::new(p50_ms, p99_ms),
            _ => Err(invalid("a latency is a profile, or p50_ms and p99_ms together")),
        }
    }
}

impl Latency {
    /// Answers as soon as the store has them.
    pub const NONE: Latency = Latency { p50_ms: 0.0, p99_ms: 0.0 };

    /// Half of the answers come after `p50_ms`, one in a hundred after `p99_ms`. If both are the same, all take just that.
    ///
    /// # Errors
    /// No distribution has these quantiles.
    pub fn new(p50_ms: f64, p99_ms: f64) -> Result<Latency, Error> {
        if !(0.0..=DELAY_MS_MAX).contains(&p50_ms) || !(0.0..=DELAY_MS_MAX).contains(&p99_ms) {
            return Err(invalid(format!("a latency of {p50_ms} and {p99_ms} ms: 0 to {DELAY_MS_MAX} ms would work")));
        }
        if p99_ms < p50_ms {
            return Err(invalid(format!("a p99 of {p99_ms} ms is below the p50 of {p50_ms} ms")));
        }
        if p50_ms == 0.0 && p99_ms > 0.0 {
            return Err(invalid("a p50 of 0 ms leaves no p99 but 0 ms; 0.1 ms would work"));
        }
        Ok(Latency { p50_ms, p99_ms })
    }

    /// `s3-standard` (60 / 250 ms), `s3-express` (5 / 15 ms) or `none`.
    ///
    /// # Errors
    /// There is no profile of this name.
    pub fn profile(name: &str) -> Result<Latency, Error> {
        let found = PROFILES.iter().find(|(known, ..)| *known == name);
        let names: Vec<&str> = PROFILES.iter().map(|(known, ..)| *known).collect();
        let (_, p50_ms, p99_ms) =
            found.ok_or_else(|| invalid(format!("no profile is called {name:?}; {} would work", names.join(", "))))?;
        Ok(Latency { p50_ms: *p50_ms, p99_ms: *p99_ms })
    }

    /// The name of the profile with these quantiles, or `custom`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        let found = PROFILES.iter().find(|(_, p50_ms, p99_ms)| *p50_ms == self.p50_ms && *p99_ms == self.p99_ms);
        found.map_or("custom", |(name, ..)| name)
    }

    /// Half of the answers take longer.
    #[must_use]
    pub fn p50_ms(&self) -> f64 {
        self.p50_ms
    }

    /// One answer in a hundred takes longer.
    #[must_use]
    pub fn p99_ms(&self) -> f64 {
        self.p99_ms
    }

    /// The delay at `normal`, a number of the standard normal distribution.
    pub(crate) fn delay(&self, normal: f64) -> Duration {
        if self.p50_ms == 0.0 {
            return Duration::ZERO;
        }
        let sigma = (self.p99_ms / self.p50_ms).ln() / NORMAL_P99;
        Duration::from_secs_f64((self.p50_ms * (sigma * normal).exp()).min(DELAY_MS_MAX) / 1e3)
    }
}

/// What one request gets of chance. It is drawn whole for each, so that changing settings does not shift what later ones get.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Draw {
    /// Of the standard normal distribution.
    pub(crate) normal: f64,
    /// From 0 to below 1: below the rate of faults there is one.
    pub(crate) fault: f64,
    /// Decides between kinds of faults.
    pub(crate) kind: u64,
}

impl Draw {
    /// The next one. Callers hold a lock around `random`, so that draws do not mix.
    pub(crate) fn next(random: &Random) -> Draw {
        // Box-Muller; the logarithm needs a number above 0.
        let radius = (-2.0 * (1.0 - fraction(random)).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * fraction(random)).cos();
        Draw { normal, fault: fraction(random), kind: random.next() }
    }
}

/// From 0 to below 1, in steps of 2⁻⁵³.
fn fraction(random: &Random) -> f64 {
    (random.next() >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(latency: Latency) {
        let random = Random::seeded(7);
        let mut delays_ms: Vec<f64> =
            (0..200_000).map(|_| latency.delay(Draw::next(&random).normal).as_secs_f64() * 1e3).collect();
        delays_ms.sort_by(f64::total_cmp);
        for (quantile, wanted) in [(0.5, latency.p50_ms), (0.99, latency.p99_ms)] {
            let found = delays_ms[(delays_ms.len() as f64 * quantile) as usize];
            assert!((found / wanted - 1.0).abs() < 0.02, "the {quantile} quantile is {found} ms, wanted {wanted}");
        }
        // Log-normal: as far below the median as above it, in proportion. Two lines would pass the check above.
        let (low, high) = (delays_ms[delays_ms.len() / 100], delays_ms[delays_ms.len() * 99 / 100]);
        assert!((low * high / latency.p50_ms.powi(2) - 1.0).abs() < 0.04, "p1 {low}, p99 {high}");
    }

    #[test]
    fn delays_have_the_quantiles_that_were_asked_for() {
        check(Latency::profile("s3-standard").expect("known"));
        check(Latency::profile("s3-express").expect("known"));
        check(Latency::new(100.0, 400.0).expect("possible"));
    }

    #[test]
    fn without_latency_nothing_waits() {
        let random = Random::seeded(1);
        assert!((0..1_000).all(|_| Latency::NONE.delay(Draw::next(&random).normal) == Duration::ZERO));
    }

    #[test]
    fn one_number_is_no_distribution_but_a_time() {
        let latency = Latency::new(20.0, 20.0).expect("possible");
        let random = Random::seeded(1);
        assert!((0..1_000).all(|_| latency.delay(Draw::next(&random).normal) == Duration::from_millis(20)));
    }

    #[test]
    fn a_seed_repeats_its_draws() {
        let draws = |seed| {
            let random = Random::seeded(seed);
            (0..100).map(|_| Draw::next(&random)).collect::<Vec<_>>()
        };
        assert_eq!(draws(3), draws(3));
        assert_ne!(draws(3), draws(4));
    }

    #[test]
    fn quantiles_that_cannot_be_are_refused() {
        let refused =
            [(20.0, 10.0), (0.0, 10.0), (-1.0, 10.0), (f64::NAN, 10.0), (10.0, f64::INFINITY), (1.0, 60_001.0)];
        for (p50_ms, p99_ms) in refused {
            let refusal = Latency::new(p50_ms, p99_ms).expect_err("cannot be").to_string();
            assert!(!refusal.contains('\n'), "{refusal}");
        }
        let refusal = Latency::profile("s3-slow").expect_err("unknown").to_string();
        assert!(refusal.contains("s3-standard, s3-express, none"), "{refusal}");
    }

    #[test]
    fn a_latency_is_asked_for_by_name_or_by_numbers() {
        let parse = |text| serde_json::from_str::<Latency>(text);
        assert_eq!(parse(r#"{"profile":"s3-express"}"#).expect("known").name(), "s3-express");
        assert_eq!(parse(r#"{"p50_ms":5,"p99_ms":15}"#).expect("possible").name(), "s3-express");
        assert_eq!(parse(r#"{"p50_ms":5,"p99_ms":16}"#).expect("possible").name(), "custom");
        for wrong in [r#"{}"#, r#"{"p50_ms":5}"#, r#"{"profile":"none","p50_ms":5,"p99_ms":6}"#, r#"{"p75_ms":5}"#] {
            parse(wrong).expect_err(wrong);
        }
    }
}
