//! A plot as inline SVG. Written by hand and not with a library, because its colours are the page's, which are light or dark.

use std::fmt;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 40.0;
/// Lines of the grid, about.
const TICKS: f64 = 6.0;

/// A power of ten may come out a little larger than it is.
const ROUNDING: f64 = 1e-6;

/// How values become places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// From 0.
    Linear,
    /// In powers of ten.
    Logarithmic,
    /// 1 / (1 − quantile), so that each nine has the same room.
    Percentile,
}

/// A line of a plot.
#[derive(Clone, Debug)]
pub struct Line {
    /// In the legend.
    pub name: String,
    /// Across and up.
    pub points: Vec<(f64, f64)>,
}

/// Lines over common axes.
#[derive(Clone, Debug)]
pub struct Plot {
    /// Above it.
    pub title: String,
    /// What is across.
    pub x_label: String,
    /// What is up.
    pub y_label: String,
    /// Across.
    pub x_scale: Scale,
    /// Up.
    pub y_scale: Scale,
    /// In the order of their colours, of which there are three.
    pub lines: Vec<Line>,
}

/// What is shown of an axis, and where its grid is.
struct Axis {
    scale: Scale,
    from: f64,
    to: f64,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    fn of(scale: Scale, values: impl Iterator<Item = f64>) -> Axis {
        let (min, max) = values.fold((f64::MAX, f64::MIN), |(min, max), value| (min.min(value), max.max(value)));
        match scale {
            Scale::Linear => {
                let step = step(max.max(1e-9) / TICKS);
                let count = (max / step).ceil().max(1.0);
                let ticks = (0..=count as u32).map(|tick| f64::from(tick) * step);
                Axis { scale, from: 0.0, to: count * step, ticks: ticks.map(|tick| (tick, short(tick))).collect() }
            }
            Scale::Logarithmic | Scale::Percentile => {
                let from = min.max(1e-3).log10().floor();
                let to = (max.max(1e-3).log10() - ROUNDING).ceil().max(from + 1.0);
                let label = |power: f64| match scale {
                    Scale::Percentile => format!("{}", 100.0 - 100.0 / 10f64.powf(power)),
                    _ => short(10f64.powf(power)),
                };
                let ticks = (from as i32..=to as i32).map(f64::from).map(|power| (10f64.powf(power), label(power)));
                Axis { scale, from, to, ticks: ticks.collect() }
            }
        }
    }

    /// Ends with its last value, as time does, and not with the next round number.
    fn up_to(mut self, values: impl Iterator<Item = f64>) -> Axis {
        let last = values.fold(0.0, f64::max);
        if self.scale == Scale::Linear && last > 0.0 {
            self.to = last;
            self.ticks.retain(|(tick, _)| *tick <= last);
        }
        self
    }

    /// Between 0 and 1.
    fn place(&self, value: f64) -> f64 {
        let value = if self.scale == Scale::Linear { value } else { value.max(1e-3).log10() };
        ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }
}

/// The next of 1, 2, 5, 10, 20, …
fn step(about: f64) -> f64 {
    let power = 10f64.powf(about.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    steps.into_iter().find(|step| *step >= about * 0.999_999).unwrap_or(power * 10.0)
}

fn short(value: f64) -> String {
    if value >= 10_000.0 {
        return format!("{}k", value / 1000.0);
    }
    // No digits of a rounding.
    format!("{}", (value * 1e6).round() / 1e6)
}

impl Plot {
    /// Whether there is nothing to show.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.points.is_empty())
    }
}

impl fmt::Display for Plot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let x = Axis::of(self.x_scale, points().map(|point| point.0)).up_to(points().map(|point| point.0));
        let y = Axis::of(self.y_scale, points().map(|point| point.1));
        let (width, height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
        let (right, bottom) = (LEFT + width, TOP + height);
        let across = |value: f64| LEFT + x.place(value) * width;
        let down = |value: f64| bottom - y.place(value) * height;
        let title = &self.title;
        writeln!(f, "<figure><h2>{title}</h2>")?;
        writeln!(f, "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">")?;
        for (value, label) in &y.ticks {
            let at = down(*value);
            writeln!(f, "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>")?;
            writeln!(f, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", LEFT - 6.0, at + 4.0)?;
        }
        for (value, label) in &x.ticks {
            let at = across(*value);
            writeln!(f, "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>")?;
            writeln!(f, "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>", bottom + 16.0)?;
        }
        writeln!(f, "<text x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", HEIGHT - 6.0, self.x_label)?;
        writeln!(f, "<text x=\"{LEFT}\" y=\"16\">{}</text>", self.y_label)?;
        let mut legend = right;
        for (number, line) in self.lines.iter().enumerate().rev() {
            writeln!(
                f,
                "<text class=\"t{number}\" x=\"{legend:.1}\" y=\"16\" text-anchor=\"end\">{}</text>",
                line.name
            )?;
            legend -= 8.0 * (line.name.len() as f64 + 2.0);
        }
        for (number, line) in self.lines.iter().enumerate() {
            let places: Vec<String> =
                line.points.iter().map(|point| format!("{:.1},{:.1}", across(point.0), down(point.1))).collect();
            writeln!(f, "<polyline class=\"line s{number}\" points=\"{}\"/>", places.join(" "))?;
        }
        writeln!(f, "</svg></figure>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_hold_all_values_between_round_numbers() {
        let axis = Axis::of(Scale::Linear, [3.0, 47.0].into_iter());
        assert_eq!((axis.from, axis.to), (0.0, 50.0));
        assert_eq!(
            axis.ticks.iter().map(|tick| tick.1.as_str()).collect::<Vec<_>>(),
            ["0", "10", "20", "30", "40", "50"]
        );
        let axis = Axis::of(Scale::Logarithmic, [0.3, 120.0].into_iter());
        assert_eq!(
            axis.ticks.iter().map(|tick| tick.1.as_str()).collect::<Vec<_>>(),
            ["0.1", "1", "10", "100", "1000"]
        );
        assert_eq!((axis.place(0.1), axis.place(1000.0)), (0.0, 1.0));
        let axis = Axis::of(Scale::Percentile, [1.0, 1.0 / (1.0 - 0.999)].into_iter());
        assert_eq!(axis.ticks.iter().map(|tick| tick.1.as_str()).collect::<Vec<_>>(), ["0", "90", "99", "99.9"]);
    }

    #[test]
    fn a_line_goes_where_its_points_are() {
        let line = Line { name: "a".to_owned(), points: vec![(0.0, 0.0), (10.0, 10.0)] };
        let mut plot = Plot {
            title: "t".to_owned(),
            x_label: "x".to_owned(),
            y_label: "y".to_owned(),
            x_scale: Scale::Linear,
            y_scale: Scale::Linear,
            lines: vec![line],
        };
        let svg = plot.to_string();
        assert!(svg.contains("points=\"64.0,220.0 876.0,28.0\""), "{svg}");
        plot.lines[0].points.clear();
        assert!(plot.is_empty());
    }
}
