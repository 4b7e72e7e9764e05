//! Metrics: where handles come from, and how a metric is declared.
//!
//! A metric is declared once, beside the code that counts, with [`declare_metrics!`](crate::declare_metrics): its name, kind,
//! labels, and the question that it answers. What is declared is described to whoever collects, shaped (a histogram has the
//! bounds of its kind), and listed for people, all from the one declaration.

pub use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// What is kept of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// What only grows.
    Counter,
    /// What goes up and down.
    Gauge,
    /// How many are at most as large as each of these bounds, which are few and ascend.
    Histogram(&'static [f64]),
}

/// A metric as it was declared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    /// Begins with `tidelog_` and ends with its unit; `_total` if it only grows.
    pub name: &'static str,
    /// What is kept.
    pub kind: Kind,
    /// What tells its series apart. Each has few values, whatever clients do.
    pub labels: &'static [&'static str],
    /// What it is, and the question that it answers.
    pub help: &'static str,
}

/// Bounds for what takes time, from a fast fsync to what clients give up on.
pub const SECONDS: &[f64] =
    &[0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Bounds for sizes, a factor of four apart.
pub const BYTES: &[f64] =
    &[1_024.0, 4_096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0, 67_108_864.0];
/// Bounds for how many there are of something at once.
pub const COUNTS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Declares the metrics of a file: a constant with the name of each, and `METRICS`, all of them, which the crate hands on.
///
/// ```
/// tidelog_host::declare_metrics! {
///     counter SEEN = "tidelog_doc_seen_total", ["kind"], "Things that were seen. What comes?";
///     seconds TOOK = "tidelog_doc_seconds", [], "How long they took. Is it slow?";
/// }
/// assert_eq!((SEEN, METRICS.len(), METRICS[1].name), ("tidelog_doc_seen_total", 2, TOOK));
/// ```
///
/// Kinds are `counter`, `gauge`, and the histograms `seconds`, `bytes` and `counts`, which have those bounds.
#[macro_export]
macro_rules! declare_metrics {
    ($($kind:ident $constant:ident = $name:literal, [$($label:literal),*], $help:literal;)+) => {
        $(
            #[doc = $help]
            pub(crate) const $constant: &str = $name;
        )+

        /// The metrics of this file.
        pub(crate) const METRICS: &[$crate::metric::Metric] = &[$($crate::metric::Metric {
            name: $name,
            kind: $crate::declare_metrics!(@kind $kind),
            labels: &[$($label),*],
            help: $help,
        }),+];
    };
    (@kind counter) => { $crate::metric::Kind::Counter };
    (@kind gauge) => { $crate::metric::Kind::Gauge };
    (@kind seconds) => { $crate::metric::Kind::Histogram($crate::metric::SECONDS) };
    (@kind bytes) => { $crate::metric::Kind::Histogram($crate::metric::BYTES) };
    (@kind counts) => { $crate::metric::Kind::Histogram($crate::metric::COUNTS) };
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::declare_metrics! {
        counter A = "tidelog_a_total", [], "A. Why?";
        gauge B = "tidelog_b", ["x", "y"], "B. Why?";
        bytes C = "tidelog_c_bytes", [], "C. Why?";
        counts D = "tidelog_d", [], "D. Why?";
    }

    #[test]
    fn a_declaration_is_a_name_and_an_entry() {
        assert_eq!([A, B, C, D], [METRICS[0].name, METRICS[1].name, METRICS[2].name, METRICS[3].name]);
        assert_eq!(METRICS[0], Metric { name: A, kind: Kind::Counter, labels: &[], help: "A. Why?" });
        assert_eq!((METRICS[1].kind, METRICS[1].labels), (Kind::Gauge, &["x", "y"][..]));
        assert_eq!((METRICS[2].kind, METRICS[3].kind), (Kind::Histogram(BYTES), Kind::Histogram(COUNTS)));
    }

    #[test]
    fn bounds_are_few_and_ascend() {
        for bounds in [SECONDS, BYTES, COUNTS] {
            assert!(bounds.len() <= 20 && bounds.is_sorted() && bounds[0] > 0.0);
        }
    }
}
