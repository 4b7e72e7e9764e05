//! How a run goes, on standard error, where somebody watches.

use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::engine::Shared;
use crate::measure::Sample;
use crate::schedule::Moment;

const TIMES_PER_SECOND: u8 = 4;

/// One line that is written anew.
pub(crate) struct Progress {
    bar: ProgressBar,
    before: Cell<(Moment, [u64; 3])>,
}

impl Progress {
    pub(crate) fn new(shared: &Shared<'_>) -> Progress {
        // Nothing is written where nobody watches: the target knows a terminal.
        let target = ProgressDrawTarget::stderr_with_hz(TIMES_PER_SECOND);
        let seconds = shared.schedule.ends().seconds() as u64;
        let bar = ProgressBar::with_draw_target(Some(seconds), target);
        let style =
            ProgressStyle::with_template("{pos:>4}/{len} s [{bar:20}] {msg}").expect("a template that is known");
        bar.set_style(style.progress_chars("=> "));
        Progress { bar, before: Cell::new((Moment(0), [0; 3])) }
    }

    pub(crate) fn show(&self, shared: &Shared<'_>, samples: &[Sample]) {
        let now = shared.clock.now();
        self.bar.set_position(now.seconds().min(shared.schedule.ends().seconds()) as u64);
        let (then, before) = self.before.get();
        if now < then.plus(std::time::Duration::from_secs(1)) {
            return;
        }
        let counts = shared.counts();
        self.before.set((now, counts));
        let seconds = then.until(now).as_secs_f64();
        let rate = |index: usize| (counts[index] - before[index]) as f64 / seconds;
        let p99 = |recorder: &std::sync::Mutex<crate::latency::Recorder>| {
            let p99 = recorder.lock().expect("nobody panics with it").recent_p99_ms();
            p99.map_or("-".to_owned(), |p99| format!("{p99:.1}"))
        };
        let (acknowledge, receive) = (p99(&shared.acknowledge), p99(&shared.receive));
        let (received, receive) = if shared.plan.workload.consumers > 0 {
            (format!(", received {:.0}/s", rate(2)), format!(" / {receive}"))
        } else {
            (String::new(), String::new())
        };
        let failed = shared.failed.load(Relaxed);
        let failed = if failed > 0 { format!(", {failed} FAILED") } else { String::new() };
        self.bar.set_message(format!(
            "sent {:.0}/s, acknowledged {:.0}/s{received}, p99 {acknowledge}{receive} ms{}{failed}",
            rate(0),
            rate(1),
            cores(samples),
        ));
    }

    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// What the server took of the processors in the last second.
fn cores(samples: &[Sample]) -> String {
    let [.., before, last] = samples else { return String::new() };
    match (before.server_cpu_seconds, last.server_cpu_seconds) {
        (Some(cpu_before), Some(cpu)) if last.at_seconds > before.at_seconds => {
            let memory = last.server_resident_mebibytes.unwrap_or_default();
            format!(", server {:.2} cores {memory:.0} MiB", (cpu - cpu_before) / (last.at_seconds - before.at_seconds))
        }
        _ => String::new(),
    }
}
