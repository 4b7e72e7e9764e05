//! Progress, on standard error, of what takes longer than a second and is watched by somebody.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::bytes;

/// What is done sooner is not worth a word.
const SHOWN_AFTER: Duration = Duration::from_secs(1);
/// How often it is written anew.
const TIMES_PER_SECOND: u8 = 5;

/// How far something is.
pub(crate) struct Progress {
    bar: ProgressBar,
    began: Instant,
    verb: &'static str,
    records: u64,
    bytes: u64,
    is_shown: bool,
}

impl Progress {
    /// Of records that are `verb`.
    pub(crate) fn of_records(verb: &'static str) -> Progress {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        Progress { bar, began: Instant::now(), verb, records: 0, bytes: 0, is_shown: false }
    }

    /// There is one more.
    pub(crate) fn add(&mut self, more_bytes: u64) {
        self.records += 1;
        self.bytes += more_bytes;
        // Looking at the clock for each record would cost as much as the record.
        if self.records.is_multiple_of(256) || self.is_shown {
            self.show();
        }
    }

    fn show(&mut self) {
        let elapsed = self.began.elapsed();
        if elapsed < SHOWN_AFTER {
            return;
        }
        if !std::mem::replace(&mut self.is_shown, true) {
            let style = ProgressStyle::with_template("{spinner} {msg}").expect("a template that is known");
            self.bar.set_style(style);
            // Nothing is written where nobody watches.
            self.bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(TIMES_PER_SECOND));
        }
        let rate = (self.bytes as f64 / elapsed.as_secs_f64()) as u64;
        let (records, verb) = (self.records, self.verb);
        self.bar.set_message(format!("{records} records {verb}, {}, {}/s", bytes(self.bytes), bytes(rate)));
        self.bar.tick();
    }

    /// Takes it off the terminal.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

impl Default for Progress {
    fn default() -> Progress {
        Progress::of_records("done")
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}
