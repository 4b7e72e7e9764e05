//! Counting tests: what a stage found, and how it is read out of the output of `cargo test`.

/// How many tests passed, failed and were skipped, and what to say about the last two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
    /// Each failure or skip in a few words, for the table.
    pub notes: Vec<String>,
    /// The end of the log, shown when something failed.
    pub tail: String,
}

impl Tally {
    /// One check that held.
    pub fn passed(count: u64) -> Tally {
        Tally { passed: count, ..Tally::default() }
    }

    /// One check that did not hold.
    pub fn failed(note: impl Into<String>) -> Tally {
        Tally { failed: 1, notes: vec![note.into()], ..Tally::default() }
    }

    /// One check that could not be made here.
    pub fn skipped(note: impl Into<String>) -> Tally {
        Tally { skipped: 1, notes: vec![note.into()], ..Tally::default() }
    }

    /// Both together.
    pub fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.notes.extend(other.notes);
        if !other.tail.is_empty() {
            self.tail = other.tail;
        }
    }
}

/// Sums the `test result:` lines in `output`.
pub fn count_cargo_test(output: &str) -> Tally {
    let mut tally = Tally::default();
    for line in output.lines() {
        // A test that prints without a newline may leave its text before the words.
        let Some((_, result)) = line.split_once("test result: ") else { continue };
        tally.passed += number_before(result, " passed").unwrap_or(0);
        tally.failed += number_before(result, " failed").unwrap_or(0);
        tally.skipped += number_before(result, " ignored").unwrap_or(0);
    }
    tally
}

/// Reads the last line of the comparison with Kafka: "2000 steps as expected, 1 surprises".
pub fn count_parity(output: &str, good: bool) -> Tally {
    let counted = output
        .lines()
        .rev()
        .find_map(|line| Some((number_before(line, " steps as expected")?, number_before(line, " surprises")?)));
    match counted {
        Some((steps, 0)) if good && steps > 0 => Tally::passed(steps),
        Some((steps, surprises)) if surprises > 0 => Tally {
            passed: steps,
            failed: surprises,
            notes: vec![format!("{surprises} surprises")],
            ..Tally::default()
        },
        _ => Tally::failed("the comparison did not come to its end"),
    }
}

/// The number right before `word` in `text`.
fn number_before(text: &str, word: &str) -> Option<u64> {
    let before = &text[..text.find(word)?];
    let digits = before.len() - before.bytes().rev().take_while(u8::is_ascii_digit).count();
    before[digits..].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_result_line_is_counted() {
        let output = "running 2 tests\n..\n\
            test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            noise test result: FAILED. 10 passed; 3 failed; 0 ignored; 0 measured; 4 filtered out; finished in 1.20s\n";
        let tally = count_cargo_test(output);
        assert_eq!((tally.passed, tally.failed, tally.skipped), (12, 3, 1));
    }

    #[test]
    fn a_comparison_counts_when_it_comes_to_its_end() {
        let check = |output: &str, good: bool, expected: (u64, u64)| {
            let tally = count_parity(output, good);
            assert_eq!((tally.passed, tally.failed), expected, "{output}");
        };
        check("API versions\n20 steps as expected, 0 surprises\n", true, (20, 0));
        check("20 steps as expected, 3 surprises", false, (20, 3));
        check("20 steps as expected, 0 surprises", false, (0, 1));
        check("0 steps as expected, 0 surprises", true, (0, 1));
        check("Kafka does not serve", false, (0, 1));
    }

    #[test]
    fn output_without_results_counts_nothing() {
        assert_eq!(count_cargo_test("error[E0308]: mismatched types\ntest result: "), Tally::default());
    }
}
