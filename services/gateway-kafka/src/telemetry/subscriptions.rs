//! The subscriptions, ready to be held against clients, and what they amount to for one of them.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use parking_lot::Mutex;
use tidelog_catalog_api::MetricsSubscriptions;
use tidelog_kafka_wire::StrBytes;

use super::known::{Each, Known};
use super::settings::{self, INTERVAL_MS_DEFAULT, Parsed, Selector};
use super::software::Said;

/// What asks for every metric.
const ALL_METRICS: &str = "*";

/// What a client can be known by.
#[derive(Clone, Debug)]
pub(super) struct Attributes {
    pub(super) client_id: Option<StrBytes>,
    /// As Kafka writes ids.
    pub(super) instance_id: String,
    pub(super) software: Option<Said>,
    pub(super) address: String,
    pub(super) port: Option<String>,
}

impl Attributes {
    fn get(&self, selector: Selector) -> Option<&str> {
        match selector {
            Selector::ClientId => self.client_id.as_ref().map(StrBytes::as_str),
            Selector::ClientInstanceId => Some(&self.instance_id),
            Selector::SoftwareName => self.software.as_ref().map(|(name, _)| &**name),
            Selector::SoftwareVersion => self.software.as_ref().map(|(_, version)| &**version),
            Selector::SourceAddress => Some(&self.address),
            Selector::SourcePort => self.port.as_deref(),
        }
    }
}

struct Subscription {
    name: Arc<str>,
    parsed: Parsed,
    metrics: Vec<StrBytes>,
}

/// All subscriptions of a tenant.
#[derive(Default)]
pub(super) struct Subscriptions {
    /// What they were made from.
    source: Arc<MetricsSubscriptions>,
    /// Counts how often they were another.
    pub(super) generation: u64,
    /// By name.
    all: Vec<Subscription>,
    /// What any of them looks at.
    selectors: BTreeSet<Selector>,
    known: Mutex<Known>,
}

/// What one client is asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    /// In order; all of them go by one name.
    pub(super) metrics: BTreeSet<StrBytes>,
    pub(super) interval_ms: u32,
    /// The subscriptions that want them.
    pub(super) subscriptions: Vec<Arc<str>>,
}

impl Subscriptions {
    /// Whether they are what the catalog has now.
    pub(super) fn are(&self, source: &Arc<MetricsSubscriptions>) -> bool {
        Arc::ptr_eq(&self.source, source) || self.source == *source
    }

    /// What follows these.
    pub(super) fn next(&self, source: Arc<MetricsSubscriptions>) -> Subscriptions {
        let subscription = |(name, all): (&String, &std::collections::BTreeMap<String, String>)| {
            // They were checked when they were set; one that a later version has set asks for nothing here.
            let parsed = settings::parse(all).ok()?;
            let metrics = parsed.metrics.iter().map(|metric| StrBytes::from(metric.as_str())).collect();
            Some(Subscription { name: name.as_str().into(), parsed, metrics })
        };
        let all: Vec<Subscription> = source.iter().filter_map(subscription).collect();
        let selectors = all.iter().flat_map(|subscription| subscription.parsed.patterns.keys().copied()).collect();
        Subscriptions { all, selectors, generation: self.generation + 1, source, known: Mutex::default() }
    }

    /// What they want of a client.
    pub(super) fn wanted_of(&self, client: &Attributes) -> Arc<Wanted> {
        let mut is_meant = vec![true; self.all.len()];
        for selector in &self.selectors {
            let fits = self.fits(*selector, client.get(*selector));
            is_meant.iter_mut().zip(fits.iter()).for_each(|(is_meant, fits)| *is_meant &= fits);
        }
        let by: Each = is_meant.into();
        let known = self.known.lock().wanted(&by);
        known.unwrap_or_else(|| {
            let wanted = Arc::new(self.wanted_by(&by));
            self.known.lock().note_wanted(by, &wanted);
            wanted
        })
    }

    /// Which of them do not refuse a client with such a text, or without any. Nothing is locked while patterns are tried.
    fn fits(&self, selector: Selector, text: Option<&str>) -> Each {
        let known = text.and_then(|text| self.known.lock().fits(selector, text));
        known.unwrap_or_else(|| {
            let does_fit = |subscription: &Subscription| {
                let pattern = subscription.parsed.patterns.get(&selector);
                pattern.is_none_or(|pattern| text.is_some_and(|text| pattern.is_match(text)))
            };
            let fits: Each = self.all.iter().map(does_fit).collect();
            if let Some(text) = text {
                self.known.lock().note_fits(selector, text, &fits);
            }
            fits
        })
    }

    /// How many texts patterns were held against.
    #[cfg(test)]
    pub(super) fn texts(&self) -> usize {
        self.known.lock().texts()
    }

    fn wanted_by(&self, by: &Each) -> Wanted {
        let mut wanted =
            Wanted { metrics: BTreeSet::new(), interval_ms: INTERVAL_MS_DEFAULT, subscriptions: Vec::new() };
        for (subscription, _) in self.all.iter().zip(by.iter()).filter(|(_, is_meant)| **is_meant) {
            wanted.metrics.extend(subscription.metrics.iter().cloned());
            wanted.interval_ms = wanted.interval_ms.min(subscription.parsed.interval_ms);
            wanted.subscriptions.push(subscription.name.clone());
        }
        if wanted.metrics.iter().any(|metric| metric.as_str() == ALL_METRICS) {
            wanted.metrics = BTreeSet::from([StrBytes::from(ALL_METRICS)]);
        }
        wanted
    }
}

impl Wanted {
    /// Stands for what this client is asked for: a client that states another has to ask again.
    pub(super) fn id(&self, instance: [u8; 16]) -> i32 {
        let mut hasher = DefaultHasher::new();
        instance.hash(&mut hasher);
        self.interval_ms.hash(&mut hasher);
        self.metrics.iter().for_each(|metric| metric.as_str().hash(&mut hasher));
        // Half of it is enough.
        (hasher.finish() >> 32) as i32
    }

    /// Memory that the metrics take in an answer.
    pub(super) fn bytes(&self) -> usize {
        self.metrics.iter().map(|metric| metric.len() + 64).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::telemetry::known::TEXTS_MAX;

    fn client(id: &str) -> Attributes {
        Attributes {
            client_id: Some(id.into()),
            instance_id: "AAECAwQFBgcICQoLDA0ODw".to_owned(),
            software: Some(("java".into(), "4.3.1".into())),
            address: "10.0.0.7".to_owned(),
            port: Some("4711".to_owned()),
        }
    }

    fn subscriptions(all: &[(&str, &str, &str, &str)]) -> Subscriptions {
        let one = |(name, metrics, interval, matches): &(&str, &str, &str, &str)| {
            let settings = [("metrics", metrics), ("interval.ms", interval), ("match", matches)];
            let settings = settings.map(|(name, value)| (name.to_owned(), (*value).to_owned()));
            ((*name).to_owned(), BTreeMap::from(settings))
        };
        Subscriptions::default().next(Arc::new(all.iter().map(one).collect()))
    }

    #[track_caller]
    fn check(all: &Subscriptions, client: &Attributes, metrics: &[&str], interval_ms: u32, names: &[&str]) {
        let wanted = all.wanted_of(client);
        let found: Vec<&str> = wanted.metrics.iter().map(StrBytes::as_str).collect();
        let by: Vec<&str> = wanted.subscriptions.iter().map(|name| &**name).collect();
        assert_eq!((&found[..], wanted.interval_ms, &by[..]), (metrics, interval_ms, names));
    }

    #[test]
    fn what_all_matching_ones_ask_is_wanted() {
        let all = subscriptions(&[
            ("a", "x.,y.", "1000", "client_id=app.*"),
            ("b", "y.,z.", "500", "client_software_name=java,client_software_version=4\\..*"),
            ("c", "*", "100", "client_id=app,client_source_port=1"),
            ("d", "*", "2000", "client_source_address=10\\.0\\.0\\.[0-9]+,client_id=everything"),
        ]);
        check(&all, &client("app"), &["x.", "y.", "z."], 500, &["a", "b"]);
        check(&all, &client("other"), &["y.", "z."], 500, &["b"]);
        check(&all, &client("everything"), &["*"], 500, &["b", "d"]);
        let unknown = Attributes { software: None, client_id: None, port: None, ..client("") };
        check(&all, &unknown, &[], INTERVAL_MS_DEFAULT, &[]);
        let instance = subscriptions(&[("i", "x.", "100", "client_instance_id=AAECAwQFBgcICQoLDA0ODw")]);
        check(&instance, &client("any"), &["x."], 100, &["i"]);
    }

    #[test]
    fn ids_tell_apart_what_is_asked_and_of_whom() {
        let all = subscriptions(&[("a", "x.", "1000", "client_id=app")]);
        let (app, other) = (all.wanted_of(&client("app")), all.wanted_of(&client("other")));
        assert_eq!(app.id([1; 16]), all.wanted_of(&client("app")).id([1; 16]));
        assert_ne!(app.id([1; 16]), app.id([2; 16]));
        assert_ne!(app.id([1; 16]), other.id([1; 16]));
        let slower = subscriptions(&[("a", "x.", "2000", "client_id=app")]);
        assert_ne!(app.id([1; 16]), slower.wanted_of(&client("app")).id([1; 16]));
    }

    #[test]
    fn what_was_found_out_is_not_found_out_again_and_takes_bounded_memory() {
        let all =
            subscriptions(&[("a", "x.", "1000", "client_id=app.*"), ("b", "y.", "1000", "client_software_name=java")]);
        let app = all.wanted_of(&client("app"));
        let elsewhere = Attributes { address: "10.0.0.8".to_owned(), port: None, ..client("app") };
        assert!(Arc::ptr_eq(&app, &all.wanted_of(&elsewhere)));
        assert_eq!(all.texts(), 2, "of what is looked at alone");
        assert!(Arc::ptr_eq(&app, &all.wanted_of(&client("apple"))), "the same of both");
        assert!(!Arc::ptr_eq(&app, &all.wanted_of(&client("other"))));
        for number in 0..=TEXTS_MAX {
            all.wanted_of(&client(&format!("app-{number}")));
            assert!(all.texts() <= TEXTS_MAX);
        }
        check(&all, &client("app"), &["x.", "y."], 1_000, &["a", "b"]);
        check(&all, &client("other"), &["y."], 1_000, &["b"]);
    }

    #[test]
    fn what_is_the_same_is_not_made_anew() {
        let all = subscriptions(&[("a", "x.", "1000", "")]);
        assert!(all.are(&Arc::new(MetricsSubscriptions::clone(&all.source))));
        assert!(!all.are(&Arc::default()));
        assert_eq!(all.next(Arc::default()).generation, all.generation + 1);
    }
}
