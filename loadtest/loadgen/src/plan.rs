//! A run's workload with the names that it has this time.

use crate::workload::{Protocol, Workload};

/// What all parts of a run know.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) workload: Workload,
    /// In every record, and in the names of topics.
    pub(crate) run: u32,
    pub(crate) topics: Vec<String>,
}

impl Plan {
    pub(crate) fn new(workload: Workload, run: u32) -> Plan {
        let topics = (0..workload.topics).map(|topic| format!("load-{run:08x}-{topic}")).collect();
        Plan { workload, run, topics }
    }

    /// Topic and partition of a place.
    pub(crate) fn topic_and_partition(&self, place: u32) -> (&str, i32) {
        let topic = (place / self.workload.partitions) as usize;
        (&self.topics[topic], (place % self.workload.partitions) as i32)
    }

    /// The places that a consumer of a group reads.
    pub(crate) fn places_of(&self, consumer: u32) -> Vec<u32> {
        (consumer..self.workload.places()).step_by(self.workload.consumers as usize).collect()
    }

    /// Whether values have to be text.
    pub(crate) fn is_text(&self) -> bool {
        match self.workload.protocol {
            Protocol::KafkaLibrdkafka | Protocol::KafkaRaw => false,
            Protocol::Http => true,
        }
    }
}
