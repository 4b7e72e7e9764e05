//! What is compared: a number that a run of the load generator gives, and of which less is better.

use serde::{Deserialize, Serialize};
use tidelog_loadgen::{Report, Workload};

/// A number of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    AcknowledgeMeanMs,
    AcknowledgeP50Ms,
    AcknowledgeP99Ms,
    #[serde(rename = "acknowledge-p99.9-ms")]
    AcknowledgeP999Ms,
    AcknowledgeMaxMs,
    ReceiveMeanMs,
    ReceiveP50Ms,
    ReceiveP99Ms,
    #[serde(rename = "receive-p99.9-ms")]
    ReceiveP999Ms,
    ReceiveMaxMs,
    /// Processor time of the server for each GiB of values that it took, while records were sent.
    ServerCpuSecondsPerGibibyte,
    /// Processor time of the server for each GiB of values that it gave to a group which reads when nothing is sent any more.
    ConsumeCpuSecondsPerGibibyte,
    ServerCores,
    ServerResidentMebibytesMax,
    GeneratorCores,
}

impl Measure {
    /// In the order of tables.
    pub const ALL: [Measure; 15] = [
        Measure::AcknowledgeMeanMs,
        Measure::AcknowledgeP50Ms,
        Measure::AcknowledgeP99Ms,
        Measure::AcknowledgeP999Ms,
        Measure::AcknowledgeMaxMs,
        Measure::ReceiveMeanMs,
        Measure::ReceiveP50Ms,
        Measure::ReceiveP99Ms,
        Measure::ReceiveP999Ms,
        Measure::ReceiveMaxMs,
        Measure::ServerCpuSecondsPerGibibyte,
        Measure::ConsumeCpuSecondsPerGibibyte,
        Measure::ServerCores,
        Measure::ServerResidentMebibytesMax,
        Measure::GeneratorCores,
    ];

    /// For people.
    pub fn label(self) -> &'static str {
        match self {
            Measure::AcknowledgeMeanMs => "send to acknowledge, mean ms",
            Measure::AcknowledgeP50Ms => "send to acknowledge, p50 ms",
            Measure::AcknowledgeP99Ms => "send to acknowledge, p99 ms",
            Measure::AcknowledgeP999Ms => "send to acknowledge, p99.9 ms",
            Measure::AcknowledgeMaxMs => "send to acknowledge, max ms",
            Measure::ReceiveMeanMs => "send to receive, mean ms",
            Measure::ReceiveP50Ms => "send to receive, p50 ms",
            Measure::ReceiveP99Ms => "send to receive, p99 ms",
            Measure::ReceiveP999Ms => "send to receive, p99.9 ms",
            Measure::ReceiveMaxMs => "send to receive, max ms",
            Measure::ServerCpuSecondsPerGibibyte => "server while sending, CPU-s/GiB",
            Measure::ConsumeCpuSecondsPerGibibyte => "server while reading after, CPU-s/GiB",
            Measure::ServerCores => "server while sending, cores",
            Measure::ServerResidentMebibytesMax => "server, resident at most, MiB",
            Measure::GeneratorCores => "generator while sending, cores",
        }
    }

    /// Of a run; nothing when it does not have it.
    pub fn of(self, report: &Report) -> Option<f64> {
        let acknowledge = Some(&report.acknowledge).filter(|latency| latency.count > 0);
        let receive = Some(&report.receive).filter(|latency| latency.count > 0);
        match self {
            Measure::AcknowledgeMeanMs => acknowledge.map(|latency| latency.mean_ms),
            Measure::AcknowledgeP50Ms => acknowledge.map(|latency| latency.p50_ms),
            Measure::AcknowledgeP99Ms => acknowledge.map(|latency| latency.p99_ms),
            Measure::AcknowledgeP999Ms => acknowledge.map(|latency| latency.p99_9_ms),
            Measure::AcknowledgeMaxMs => acknowledge.map(|latency| latency.max_ms),
            Measure::ReceiveMeanMs => receive.map(|latency| latency.mean_ms),
            Measure::ReceiveP50Ms => receive.map(|latency| latency.p50_ms),
            Measure::ReceiveP99Ms => receive.map(|latency| latency.p99_ms),
            Measure::ReceiveP999Ms => receive.map(|latency| latency.p99_9_ms),
            Measure::ReceiveMaxMs => receive.map(|latency| latency.max_ms),
            Measure::ServerCpuSecondsPerGibibyte => report.server_cpu_seconds_per_gibibyte,
            Measure::ConsumeCpuSecondsPerGibibyte => {
                let begins =
                    report.workload.catch_up_after_seconds.filter(|begins| is_read_after(&report.workload, *begins))?;
                let samples = report
                    .samples
                    .iter()
                    .map(|sample| (sample.at_seconds, sample.received as f64, sample.server_cpu_seconds));
                let samples: Vec<_> = samples.filter_map(|(at, received, cpu)| Some((at, received, cpu?))).collect();
                let per_record = cost_of_reading(&samples, f64::from(begins))?;
                Some(per_record * f64::from(1 << 30) / report.workload.record_bytes as f64)
            }
            Measure::ServerCores => report.server_cores,
            Measure::ServerResidentMebibytesMax => report.server_resident_mebibytes_max,
            Measure::GeneratorCores => Some(report.generator_cores),
        }
    }

    /// Whether runs of this workload have it.
    pub fn is_of(self, workload: &Workload) -> bool {
        match self {
            Measure::ReceiveMeanMs
            | Measure::ReceiveP50Ms
            | Measure::ReceiveP99Ms
            | Measure::ReceiveP999Ms
            | Measure::ReceiveMaxMs => workload.consumers > 0 && workload.groups > 0,
            Measure::ConsumeCpuSecondsPerGibibyte => {
                workload.catch_up_after_seconds.is_some_and(|begins| is_read_after(workload, begins))
            }
            _ => true,
        }
    }

    /// As it is written in scenarios and results.
    pub fn name(self) -> String {
        toml::Value::try_from(self).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

/// Seconds from the first record of the warm-up to the last one.
pub fn schedule_seconds(workload: &Workload) -> u32 {
    workload.warm_up_seconds + workload.stages.iter().map(|stage| stage.seconds).sum::<u32>()
}

/// Whether the late group begins when nothing is sent any more, so that what the server does then is reading.
fn is_read_after(workload: &Workload, begins: u32) -> bool {
    begins > schedule_seconds(workload)
}

/// Processor seconds for each record that was received after `begins`. A sample is seconds, records received, processor seconds.
fn cost_of_reading(samples: &[(f64, f64, f64)], begins: f64) -> Option<f64> {
    let first = samples.iter().take_while(|sample| sample.0 <= begins).last()?;
    let last = samples.last()?;
    // The run may have gone on after the last record.
    let last = samples.iter().find(|sample| sample.1 >= last.1)?;
    let received = last.1 - first.1;
    (received > 0.0).then(|| (last.2 - first.2) / received)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_measure_is_listed_once_and_has_a_name_that_reads_back() {
        for (index, measure) in Measure::ALL.iter().enumerate() {
            let name = measure.name();
            assert_eq!(toml::Value::String(name.clone()).try_into::<Measure>().unwrap(), *measure, "{name}");
            assert!(!Measure::ALL[..index].contains(measure), "{name}");
        }
        assert_eq!(Measure::AcknowledgeP999Ms.name(), "acknowledge-p99.9-ms");
    }

    #[test]
    fn reading_costs_what_was_used_from_its_beginning_to_the_last_record() {
        // Sent until 10, read from 12 on: 300 records for 6 seconds of a processor, and then nothing but waiting.
        let samples = [
            (9.0, 0.0, 50.0),
            (11.0, 0.0, 60.0),
            (12.0, 0.0, 61.0),
            (13.0, 100.0, 63.0),
            (14.0, 300.0, 67.0),
            (15.0, 300.0, 90.0),
        ];
        assert!((cost_of_reading(&samples, 12.0).unwrap() - 0.02).abs() < 1e-9);
        assert_eq!(cost_of_reading(&samples, 15.0), None, "nothing was read");
        assert_eq!(cost_of_reading(&[], 1.0), None);
    }
}
