//! Stacks with how often they were seen, drawn and counted.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use std::fs::File;
use std::path::Path;

use anyhow::Context;
use inferno::flamegraph;

/// A function of ours whose name does not say so begins with this.
pub const OURS: &str = "tidelog: ";

/// Each stack, from the outermost function, its names separated by `;`.
#[derive(Debug)]
pub struct Stacks(BTreeMap<String, u64>);

impl Stacks {
    pub fn new(stacks: BTreeMap<String, u64>) -> Stacks {
        Stacks(stacks)
    }

    /// Of lines as [`Stacks::lines`] makes them.
    pub fn parse(folded: &str) -> anyhow::Result<Stacks> {
        let mut stacks = BTreeMap::new();
        for line in folded.lines() {
            let (stack, count) = line.rsplit_once(' ').context("a stack without a count")?;
            *stacks.entry(stack.to_owned()).or_default() += count.parse::<u64>().context("a count")?;
        }
        Ok(Stacks(stacks))
    }

    pub fn lines(&self) -> Vec<String> {
        self.0.iter().map(|(stack, count)| format!("{stack} {count}")).collect()
    }

    /// A picture that is a page of its own.
    pub fn draw(&self, title: &str, unit: &str, into: &Path) -> anyhow::Result<()> {
        let mut options = flamegraph::Options::default();
        (options.title, options.count_name) = (title.to_owned(), unit.to_owned());
        let lines = self.lines();
        let file = File::create(into).with_context(|| into.display().to_string())?;
        flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), file)
            .with_context(|| format!("drawing {}", into.display()))
    }

    /// The names with the largest shares, by what `pick` finds in a stack.
    pub fn table(&self, title: &str, rows: usize, pick: fn(&str) -> Vec<&str>) -> String {
        let whole: u64 = self.0.values().sum();
        let mut shares: HashMap<&str, u64> = HashMap::new();
        for (stack, count) in &self.0 {
            // A function that calls itself counts once.
            for name in pick(stack).into_iter().collect::<HashSet<_>>() {
                *shares.entry(name).or_default() += count;
            }
        }
        let mut shares: Vec<(&str, u64)> = shares.into_iter().collect();
        shares.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
        let mut table = format!("{title}, of {whole}:\n");
        for (name, count) in shares.into_iter().take(rows) {
            let share = 100.0 * count as f64 / whole as f64;
            let _ = writeln!(table, "  {share:5.1} %  {count:>12}  {}", shortened(name));
        }
        table
    }

    /// The function that ran.
    pub fn innermost(stack: &str) -> Vec<&str> {
        stack.rsplit(';').take(1).collect()
    }

    /// Each function of ours.
    pub fn ours(stack: &str) -> Vec<&str> {
        stack.split(';').filter(|name| is_ours(name)).collect()
    }

    /// The function of ours that called what is not ours.
    pub fn innermost_of_ours(stack: &str) -> Vec<&str> {
        vec![stack.rsplit(';').find(|name| is_ours(name)).unwrap_or("others")]
    }
}

/// Methods of traits begin with a bracket. The thread that has the binary's name is no function.
fn is_ours(name: &str) -> bool {
    let path = name.trim_start_matches(['<', '&']);
    path.starts_with("tidelog_") || path.starts_with("tidelog::") || path.starts_with(OURS)
}

/// Names of generic functions are longer than a line.
fn shortened(name: &str) -> String {
    const CHARACTERS: usize = 110;
    match name.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stacks() -> Stacks {
        Stacks::parse(
            "main;tidelog_node::serve;tidelog_ingest::push;malloc 6\nmain;tidelog_node::serve;free 3\nmain;epoll_wait 1",
        )
        .unwrap()
    }

    #[test]
    fn shares_are_of_the_whole_and_the_largest_is_first() {
        let ran = stacks().table("time", 2, Stacks::innermost);
        assert_eq!(ran, "time, of 10:\n   60.0 %             6  malloc\n   30.0 %             3  free\n");
        let ours = stacks().table("time", 9, Stacks::ours);
        assert!(ours.contains("90.0 %             9  tidelog_node::serve"), "{ours}");
        let callers = stacks().table("time", 9, Stacks::innermost_of_ours);
        assert!(callers.contains("60.0 %             6  tidelog_ingest::push"), "{callers}");
        assert!(callers.contains("10.0 %             1  others"), "{callers}");
    }

    #[test]
    fn a_function_that_calls_itself_counts_once() {
        let stacks = Stacks::parse("<tidelog_a::B as c::D>::e;<tidelog_a::B as c::D>::e 4").unwrap();
        assert!(stacks.table("time", 1, Stacks::ours).contains("100.0 %             4"));
    }

    #[test]
    fn a_picture_names_the_functions() {
        let folder = tempfile::tempdir().unwrap();
        let into = folder.path().join("cpu.svg");
        stacks().draw("Time", "samples", &into).unwrap();
        let svg = std::fs::read_to_string(into).unwrap();
        assert!(svg.contains("tidelog_ingest::push (6 samples, 60.00%)"), "{svg}");
    }
}
