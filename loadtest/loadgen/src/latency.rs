//! Latencies from the intended send: over the whole, by stage, and as a series over the run.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::schedule::{Moment, Schedule};

/// Longer ones count as that.
const MICROSECONDS_MAX: u64 = 3600 * 1_000_000;
/// Points of a series, at most: a long run has longer ones.
const POINTS_MAX: u64 = 600;
/// Beside which the curve of percentiles is drawn.
const CURVE: &[f64] = &[
    0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999, 0.99999,
    1.0,
];

/// Takes latencies as they come. The warm-up is in the series, and in nothing else.
pub(crate) struct Recorder {
    schedule: Schedule,
    stages: Vec<Histogram<u64>>,
    interval: Moment,
    /// By when the record was to be sent, so that a stall shows where it was and not where it ended.
    series: Vec<Histogram<u32>>,
    /// Since it was last asked for.
    recent: Histogram<u32>,
}

/// Latencies in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Records.
    pub count: u64,
    /// The mean.
    pub mean_ms: f64,
    /// Half of them are faster.
    pub p50_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
    /// 999 of 1,000.
    pub p99_9_ms: f64,
    /// The slowest.
    pub max_ms: f64,
    /// Quantiles between 0 and 1, and their milliseconds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<(f64, f64)>,
}

/// A point of a series.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Seconds from the beginning of the schedule to the beginning of this interval.
    pub at_seconds: f64,
    /// Records that were to be sent in it.
    pub count: u64,
    /// Half of them are faster.
    pub p50_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

fn histogram<C: hdrhistogram::Counter>(digits: u8) -> Histogram<C> {
    Histogram::new_with_bounds(1, MICROSECONDS_MAX, digits).expect("bounds that are known")
}

/// Takes little memory while what it has seen is small. To be used with `record`: `saturating_record` would not let it grow.
fn growing<C: hdrhistogram::Counter>() -> Histogram<C> {
    Histogram::new(2).expect("digits that are known")
}

impl Recorder {
    pub(crate) fn new(schedule: &Schedule) -> Recorder {
        let seconds = schedule.ends().seconds() as u64;
        Recorder {
            stages: schedule.stages().iter().map(|_| histogram(3)).collect(),
            interval: Moment::of_seconds(seconds.div_ceil(POINTS_MAX).max(1)),
            series: Vec::new(),
            recent: growing(),
            schedule: schedule.clone(),
        }
    }

    /// One that was to be sent at `intended` arrived at `at`.
    pub(crate) fn record(&mut self, intended: Moment, at: Moment) {
        let microseconds = at.microseconds_since(intended).clamp(1, MICROSECONDS_MAX);
        let point = (intended.0 / self.interval.0) as usize;
        if self.series.len() <= point {
            self.series.resize_with(point + 1, growing);
        }
        self.series[point].record(microseconds).expect("it grows");
        self.recent.record(microseconds).expect("it grows");
        if let Some(stage) = self.schedule.stage_of(intended) {
            self.stages[stage].saturating_record(microseconds);
        }
    }

    /// Of the first so many stages.
    pub(crate) fn whole(&self, stages: usize) -> Latency {
        let mut whole = histogram(3);
        for stage in &self.stages[..stages] {
            whole.add(stage).expect("the same bounds");
        }
        let mut latency = latency(&whole);
        let quantiles = CURVE.iter().map(|quantile| (*quantile, milliseconds(whole.value_at_quantile(*quantile))));
        latency.curve = if whole.is_empty() { Vec::new() } else { quantiles.collect() };
        latency
    }

    pub(crate) fn stage(&self, stage: usize) -> Latency {
        latency(&self.stages[stage])
    }

    /// Of the records that were to be sent between two moments, as exact as the series is.
    pub(crate) fn between(&self, from: Moment, to: Moment) -> Latency {
        let mut together: Histogram<u32> = growing();
        let points = self.series.iter().enumerate();
        let inside = points.filter(|(point, _)| {
            let begins = Moment(*point as u64 * self.interval.0);
            begins >= from && begins < to
        });
        for (_, histogram) in inside {
            together.add(histogram).expect("it grows");
        }
        latency(&together)
    }

    pub(crate) fn series(&self) -> Vec<Point> {
        let point = |(point, histogram): (usize, &Histogram<u32>)| Point {
            at_seconds: Moment(point as u64 * self.interval.0).seconds(),
            count: histogram.len(),
            p50_ms: milliseconds(histogram.value_at_quantile(0.5)),
            p99_ms: milliseconds(histogram.value_at_quantile(0.99)),
            max_ms: milliseconds(histogram.max()),
        };
        self.series.iter().enumerate().map(point).collect()
    }

    pub(crate) fn interval(&self) -> Duration {
        Duration::from_nanos(self.interval.0)
    }

    /// The p99 of what came since this was last asked.
    pub(crate) fn recent_p99_ms(&mut self) -> Option<f64> {
        let p99 = (!self.recent.is_empty()).then(|| milliseconds(self.recent.value_at_quantile(0.99)));
        self.recent.reset();
        p99
    }
}

fn latency<C: hdrhistogram::Counter>(histogram: &Histogram<C>) -> Latency {
    let at = |quantile| milliseconds(histogram.value_at_quantile(quantile));
    Latency {
        count: histogram.len(),
        mean_ms: histogram.mean() / 1000.0,
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        p99_9_ms: at(0.999),
        max_ms: milliseconds(histogram.max()),
        curve: Vec::new(),
    }
}

fn milliseconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Workload;

    fn recorder() -> Recorder {
        let set = ["warm_up_seconds=1", "rate_per_second=10", "duration_seconds=3"].map(str::to_owned);
        Recorder::new(&Schedule::of(&Workload::load("w4", &set).unwrap()))
    }

    fn milliseconds_later(moment: Moment, milliseconds: u64) -> Moment {
        moment.plus(Duration::from_millis(milliseconds))
    }

    #[test]
    fn the_warm_up_is_in_the_series_alone() {
        let mut recorder = recorder();
        let warm = Moment::of_seconds(0);
        recorder.record(warm, milliseconds_later(warm, 500));
        let measured = Moment::of_seconds(1);
        recorder.record(measured, milliseconds_later(measured, 4));
        let whole = recorder.whole(1);
        assert_eq!(whole.count, 1);
        assert!((3.9..4.1).contains(&whole.max_ms), "{whole:?}");
        let series = recorder.series();
        assert_eq!(series.iter().map(|point| point.count).collect::<Vec<_>>(), [1, 1]);
        assert!(series[0].max_ms > 490.0 && series[1].max_ms < 5.0);
        assert!(recorder.between(Moment(0), measured).max_ms > 490.0);
        assert!(recorder.between(measured, Moment::of_seconds(2)).max_ms < 5.0);
    }

    #[test]
    fn what_comes_early_by_a_rounding_counts_as_at_once() {
        let mut recorder = recorder();
        recorder.record(Moment::of_seconds(2), Moment::of_seconds(1));
        assert_eq!(recorder.whole(1).max_ms, 0.001);
        assert_eq!(recorder.recent_p99_ms(), Some(0.001));
        assert_eq!(recorder.recent_p99_ms(), None);
    }
}
