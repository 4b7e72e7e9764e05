//! What is answered of lines: bounded, however many there were.

use std::collections::BTreeMap;

use tidelog_http_api::{LineRun, PartitionPlaces, ProducedLines, WireOffset};
use tidelog_model::Offset;

use super::batches::Span;

/// Runs that are told. Beyond, what was stored is told by partition.
const RUNS_MAX: usize = 1_000;

/// What is stored so far.
#[derive(Default)]
pub(super) struct Report {
    records: u64,
    runs: Vec<LineRun>,
    is_cut: bool,
    partitions: BTreeMap<u32, PartitionPlaces>,
}

impl Report {
    /// The lines of a batch that is stored from `base` on.
    pub(super) fn stored(&mut self, partition: u32, spans: &[Span], base: Offset) {
        let mut offset = base.0;
        for span in spans {
            let (first, count) = (offset, u64::from(span.count));
            offset += count;
            self.records += count;
            self.run(LineRun { line: span.first, count, partition, offset: WireOffset(first) });
        }
        let (first, last) = (WireOffset(base.0), WireOffset(offset - 1));
        let places = self.partitions.entry(partition).or_insert(PartitionPlaces {
            partition,
            records: 0,
            first_offset: first,
            last_offset: last,
        });
        places.records += offset - base.0;
        places.last_offset = last;
    }

    fn run(&mut self, run: LineRun) {
        if let Some(last) = self.runs.last_mut()
            && !self.is_cut
            && last.partition == run.partition
            && last.line + last.count == run.line
            && last.offset.0 + last.count == run.offset.0
        {
            last.count += run.count;
        } else if self.runs.len() < RUNS_MAX {
            self.runs.push(run);
        } else {
            self.is_cut = true;
        }
    }

    pub(super) fn finish(self) -> ProducedLines {
        ProducedLines {
            records: self.records,
            runs: self.runs,
            is_complete: !self.is_cut,
            partitions: self.partitions.into_values().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(first: u64, count: u32) -> Span {
        Span { first, count }
    }

    #[test]
    fn lines_that_follow_each_other_are_one_run() {
        let mut report = Report::default();
        report.stored(0, &[span(1, 3)], Offset(10));
        report.stored(0, &[span(4, 2)], Offset(13));
        // Somebody else's record lies between.
        report.stored(0, &[span(6, 1)], Offset(16));
        report.stored(2, &[span(7, 1), span(9, 1)], Offset(0));
        let told = report.finish();
        let runs = told.runs.iter().map(|run| (run.line, run.count, run.partition, run.offset.0)).collect::<Vec<_>>();
        assert_eq!(runs, [(1, 5, 0, 10), (6, 1, 0, 16), (7, 1, 2, 0), (9, 1, 2, 1)]);
        let partitions =
            told.partitions.iter().map(|it| (it.partition, it.records, it.first_offset.0, it.last_offset.0));
        assert_eq!(partitions.collect::<Vec<_>>(), [(0, 6, 10, 16), (2, 2, 0, 1)]);
        assert_eq!((told.records, told.is_complete), (8, true));
    }

    #[test]
    fn the_answer_is_bounded() {
        let mut report = Report::default();
        for line in 0..5_000 {
            report.stored((line % 7) as u32, &[span(line, 1)], Offset(line / 7));
        }
        let told = report.finish();
        assert_eq!((told.runs.len(), told.records, told.is_complete), (RUNS_MAX, 5_000, false));
        assert_eq!(told.partitions.iter().map(|it| it.records).sum::<u64>(), 5_000);
    }
}
